//===- Options.cpp - The command line of modc -------------------*- C++ -*-===//
//
// What the user asked for.
//
//===----------------------------------------------------------------------===//

#include "tools/modc/Options.h"
#include "codegen/nvptx/Ptx.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "tools/import/Presets.h"
#include "tools/modc/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::mod;
namespace cl = llvm::cl;

static constexpr llvm::StringLiteral kOverview =
    "the compiler for Mixture-of-Depths transformers\n\n"
    "MODEL is a directory with config.json and *.safetensors, or a .mlir file\n"
    "in the mod dialect. The result is one executable with the weights "
    "inside;\n"
    "run it with --help.\n";

static bool usageError(const Twine &message) {
  printMessage("error", message);
  return false;
}

/// Reads `exe`, `lib`, ..., `mlir` or `mlir:PHASE`.
static bool parseEmit(StringRef text, CommandLine &line) {
  auto [kind, phase] = text.split(':');
  static constexpr std::pair<llvm::StringLiteral, Emit> kKinds[] = {
      {"exe", Emit::exe},      {"lib", Emit::lib},   {"obj", Emit::obj},
      {"asm", Emit::assembly}, {"llvm", Emit::llvm}, {"ptx", Emit::ptx},
      {"cubin", Emit::cubin},  {"mlir", Emit::mlir}};
  auto *found = llvm::find_if(
      kKinds, [kind = kind](const auto &entry) { return entry.first == kind; });
  bool hasPhase = text.contains(':');
  if (found == std::end(kKinds) || (hasPhase && found->second != Emit::mlir))
    return usageError("--emit=" + text +
                      " is unknown; expected exe, lib, obj, asm, llvm, ptx, "
                      "cubin or mlir[:PHASE]");
  line.emit = found->second;
  if (!hasPhase)
    return true;
  std::optional<Phase> parsed = symbolizePhase(phase);
  if (!parsed)
    return usageError("phase '" + phase +
                      "' is unknown; expected imported, specialized, derived, "
                      "fused, packed, bufferized, lowered or llvm");
  line.phase = *parsed;
  return true;
}

/// Reads the value of an option that has a few named values.
template <typename T>
static bool parseChoice(StringRef option, StringRef text, T &value,
                        ArrayRef<std::pair<StringRef, T>> choices) {
  for (const auto &[name, choice] : choices)
    if (name == text) {
      value = choice;
      return true;
    }
  auto names =
      llvm::make_filter_range(llvm::make_first_range(choices),
                              [](StringRef name) { return !name.empty(); });
  return usageError("--" + option + "=" + text + " is unknown; expected " +
                    llvm::join(names, ", "));
}

/// Reads a count, where one was given.
static bool parseCount(const cl::opt<std::string> &option, int64_t &value) {
  if (!option.getNumOccurrences())
    return true;
  if (!StringRef(option).getAsInteger(10, value) && value >= 1)
    return true;
  return usageError("--" + option.ArgStr + "=" + option.getValue() +
                    " is not a positive number");
}

/// The name of the output where none is given.
static std::string getDefaultOutput(const CommandLine &line) {
  // The name of `.` is that of the directory.
  SmallString<128> path;
  if (llvm::sys::fs::real_path(line.model, path))
    path = line.model;
  bool isDirectory = llvm::sys::fs::is_directory(path);
  std::string stem = (isDirectory ? llvm::sys::path::filename(path)
                                  : llvm::sys::path::stem(path))
                         .str();
  switch (line.emit) {
  case Emit::exe:
    return "a.out";
  case Emit::lib:
    return "lib" + stem + ".so";
  case Emit::obj:
    return stem + ".o";
  case Emit::cubin:
    return stem + ".cubin";
  default:
    return "";
  }
}

/// Whether the preset is one, and of use.
static bool checkPreset(const CommandLine &line) {
  if (line.preset.empty())
    return true;
  if (!llvm::sys::fs::is_directory(line.model))
    return usageError("--preset is for a directory, which '" + line.model +
                      "' is not");
  return llvm::is_contained(getPresetNames(), line.preset) ||
         usageError("--preset=" + line.preset + " is unknown; expected " +
                    llvm::join(getPresetNames(), ", "));
}

/// Reads the chips of a GPU's target.
static bool parseChips(StringRef text, CommandLine &line) {
  for (StringRef name : llvm::split(text, ',')) {
    if (!isGpuChip(name))
      return usageError("--chip=" + text + " names no GPU '" + name +
                        "'; expected names like sm_80 between commas");
    if (!isGpuChipNewEnough(name))
      return usageError("--chip=" + text + " names '" + name +
                        "', which has no copies to shared memory and no "
                        "products of bf16; expected sm_80 or later");
    line.chips.push_back(name.str());
  }
  if (line.batch != 1)
    return usageError("--batch=" + Twine(line.batch) +
                      " is not for --target=nvptx; expected 1");
  return true;
}

/// Whether the target has products and caches of these types.
static bool checkTypes(StringRef option, StringRef type, bool isGpu,
                       ArrayRef<StringRef> ofCpu, ArrayRef<StringRef> ofGpu) {
  ArrayRef<StringRef> expected = isGpu ? ofGpu : ofCpu;
  return llvm::is_contained(expected, type) ||
         usageError("--" + option + "=" + type +
                    " is not for --target=" + (isGpu ? "nvptx" : "cpu") +
                    "; expected " + llvm::join(expected, ", "));
}

namespace {
/// The options as LLVM's parser sees them; alive while it parses.
struct Parser {
  cl::OptionCategory category{"modc options"};
  cl::opt<std::string> model{cl::Positional, cl::desc("MODEL"),
                             cl::cat(category)};
  cl::opt<std::string> output{"o", cl::desc("Write the result to FILE"),
                              cl::value_desc("FILE"), cl::cat(category)};
  cl::opt<std::string> emit{
      "emit",
      cl::desc("What to make: exe (default), lib, obj, asm, llvm, ptx, cubin "
               "or mlir[:PHASE]"),
      cl::value_desc("KIND"), cl::cat(category)};
  cl::opt<std::string> target{
      "target", cl::desc("What to compile for: cpu (default) or nvptx"),
      cl::init("cpu"), cl::cat(category)};
  cl::opt<std::string> cpu{
      "cpu",
      cl::desc("The CPU: native (default), x86-64, x86-64-v3, x86-64-v4, ..."),
      cl::value_desc("NAME"), cl::init("native"), cl::cat(category)};
  cl::opt<std::string> chip{
      "chip",
      cl::desc("The NVIDIA GPUs: sm_80 (default), or several: sm_80,sm_90"),
      cl::value_desc("NAMES"), cl::init("sm_80"), cl::cat(category)};
  cl::opt<bool> wgmma{
      "wgmma",
      cl::desc("Products of bf16 and f16 by warpgroups, for --chip=sm_90a "
               "alone; never run on hardware"),
      cl::cat(category)};
  cl::opt<std::string> context{
      "context", cl::desc("Tokens of a sequence, at most the model's own"),
      cl::value_desc("N"), cl::cat(category)};
  cl::opt<std::string> batch{
      "batch", cl::desc("Sequences that can be decoded together (default: 1)"),
      cl::value_desc("B"), cl::cat(category)};
  cl::opt<std::string> dtype{
      "dtype",
      cl::desc("Type of products: f32 (default), bf16, i8 or i4, on GPUs f32, "
               "tf32, bf16 or f16; all else is f32"),
      cl::value_desc("TYPE"), cl::init("f32"), cl::cat(category)};
  cl::opt<std::string> decodeRouting{
      "decode-routing",
      cl::desc("Route causally by predictor, router or always"),
      cl::value_desc("HOW"), cl::cat(category)};
  cl::opt<std::string> prefillRouting{
      "prefill-routing",
      cl::desc("Route prompts by top_k, predictor, router or always (default: "
               "as single tokens)"),
      cl::value_desc("HOW"), cl::cat(category)};
  cl::opt<std::string> preset{
      "preset",
      cl::desc("What a directory does not say of its routing is as in NAME: "
               "paper, astramind-hf, epfml, ..."),
      cl::value_desc("NAME"), cl::cat(category)};
  cl::opt<std::string> kvDtype{
      "kv-dtype",
      cl::desc("What KV caches hold: f32, bf16 or on GPUs f16 (default: f32 "
               "with --dtype=f32 or tf32, f16 with f16, else bf16)"),
      cl::value_desc("TYPE"), cl::cat(category)};
  cl::opt<std::string> kvTokens{
      "kv-tokens",
      cl::desc("Tokens that KV caches of routed blocks hold (default: a "
               "context); when they are full, tokens bypass the block"),
      cl::value_desc("N"), cl::cat(category)};
  cl::opt<std::string> weights{
      "weights",
      cl::desc("Weights inside (embed) or beside (external) the "
               "result"),
      cl::value_desc("WHERE"), cl::init("embed"), cl::cat(category)};
  cl::opt<std::string> params{
      "params", cl::desc("Parameters of a .mlir MODEL: a safetensors file"),
      cl::value_desc("FILE"), cl::cat(category)};
  cl::opt<std::string> report{
      "report", cl::ValueOptional,
      cl::desc("Print the budget as text or json; alone, compile nothing else"),
      cl::value_desc("text|json"), cl::cat(category)};
  cl::opt<bool> verbose{"v", cl::desc("Print what the compiler decided"),
                        cl::cat(category)};
  cl::opt<bool> timing{"timing", cl::desc("Print where the time went"),
                       cl::cat(category)};

  bool read(CommandLine &line);

private:
  bool readModel(CommandLine &line);
  bool readTarget(CommandLine &line);
  bool readWgmma(CommandLine &line);
  bool readRouting();
  bool readResult(CommandLine &line);

  bool isGpu = false;
};
} // namespace

/// The model, and how much of it there is.
bool Parser::readModel(CommandLine &line) {
  line.model = model;
  line.params = params;
  line.preset = preset;
  if (line.model.empty())
    return usageError("no MODEL given; see modc --help");
  if (!parseCount(context, line.context) || !parseCount(batch, line.batch) ||
      !parseCount(kvTokens, line.kvTokens))
    return false;
  if (!line.params.empty() && llvm::sys::fs::is_directory(line.model))
    return usageError("--params is for a .mlir file, but '" + line.model +
                      "' is a directory");
  return checkPreset(line);
}

/// The machine, and the types of what it computes.
bool Parser::readTarget(CommandLine &line) {
  line.cpu = cpu;
  line.kvDtype = kvDtype;
  StringRef ignored;
  if (!parseChoice<bool>("target", target, isGpu,
                         {{"cpu", false}, {"nvptx", true}}) ||
      !parseChoice<std::string>("dtype", dtype, line.dtype,
                                {{"f32", "f32"},
                                 {"tf32", "tf32"},
                                 {"bf16", "bf16"},
                                 {"f16", "f16"},
                                 {"i8", "i8"},
                                 {"i4", "i4"}}) ||
      !parseChoice<bool>("weights", weights, line.externalWeights,
                         {{"embed", false}, {"external", true}}))
    return false;
  if (chip.getNumOccurrences() && !isGpu)
    return usageError("--chip is for --target=nvptx");
  if (isGpu && !parseChips(chip, line))
    return false;
  if (!checkTypes("dtype", line.dtype, isGpu, {"f32", "bf16", "i8", "i4"},
                  {"f32", "tf32", "bf16", "f16"}) ||
      !readWgmma(line))
    return false;
  return !kvDtype.getNumOccurrences() ||
         (parseChoice<StringRef>("kv-dtype", kvDtype, ignored,
                                 {{"f32", ""}, {"bf16", ""}, {"f16", ""}}) &&
          checkTypes("kv-dtype", line.kvDtype, isGpu, {"f32", "bf16"},
                     {"f32", "bf16", "f16"}));
}

bool Parser::readWgmma(CommandLine &line) {
  line.wgmma = wgmma;
  if (!wgmma)
    return true;
  if (line.chips != std::vector<std::string>{"sm_90a"})
    return usageError("--wgmma is for --target=nvptx --chip=sm_90a alone");
  return line.dtype == "bf16" || line.dtype == "f16" ||
         usageError("--wgmma is for --dtype=bf16 or f16, but --dtype is " +
                    line.dtype);
}

bool Parser::readRouting() {
  StringRef ignored;
  if (decodeRouting.getNumOccurrences() &&
      !parseChoice<StringRef>(
          "decode-routing", decodeRouting, ignored,
          {{"predictor", ""}, {"router", ""}, {"always", ""}}))
    return false;
  return !prefillRouting.getNumOccurrences() ||
         parseChoice<StringRef>("prefill-routing", prefillRouting, ignored,
                                {{"top_k", ""},
                                 {"predictor", ""},
                                 {"router", ""},
                                 {"always", ""}});
}

/// What to make, and where to write it.
bool Parser::readResult(CommandLine &line) {
  if (report.getNumOccurrences() &&
      !parseChoice<ReportKind>("report", report, line.report,
                               {{"", ReportKind::text},
                                {"text", ReportKind::text},
                                {"json", ReportKind::json}}))
    return false;
  if (emit.getNumOccurrences()) {
    if (!parseEmit(emit, line))
      return false;
  } else if (line.report != ReportKind::none && output.empty()) {
    line.emit = Emit::none;
  }
  if ((line.emit == Emit::ptx || line.emit == Emit::cubin) && !isGpu)
    return usageError("--emit=" + emit + " is for --target=nvptx");
  if (line.emit == Emit::cubin && line.chips.size() != 1)
    return usageError("--emit=cubin is for one chip, but --chip=" + chip +
                      " names " + Twine(line.chips.size()));
  line.output = output.empty() ? getDefaultOutput(line) : output;
  if (line.isText() && line.output == "-")
    line.output.clear();
  return true;
}

bool Parser::read(CommandLine &line) {
  line.verbose = verbose;
  line.timing = timing;
  line.decodeRouting = decodeRouting;
  line.prefillRouting = prefillRouting;
  return readModel(line) && readTarget(line) && readRouting() &&
         readResult(line);
}

/// What LLVM's parser found wrong, as one line of ours. Of options without a
/// value it has told the user already.
static void printParserError(StringRef text, StringRef program) {
  if (text.empty())
    return;
  SmallVector<StringRef> lines;
  text.trim().split(lines, '\n');
  std::string message;
  for (StringRef line : lines) {
    line.consume_front((llvm::sys::path::filename(program) + ": ").str());
    line = line.split("  Try: ").first.split(" See: ").first.rtrim("!.:");
    message += (message.empty() ? "" : "; ") + line.take_front().lower() +
               line.drop_front().str();
  }
  usageError(message + "; see modc --help");
}

/// Of all the options that libraries bring along, --help shows ours and
/// --help-hidden those that show what MLIR does.
static void arrangeHelp(const cl::OptionCategory &category) {
  cl::HideUnrelatedOptions({&category});
  for (const auto &entry : cl::getRegisteredOptions())
    if (entry.first.starts_with("mlir-"))
      entry.second->setHiddenFlag(cl::Hidden);
}

std::optional<CommandLine> mod::parseCommandLine(int argc, char **argv) {
  Parser parser;
  registerMLIRContextCLOptions();
  registerAsmPrinterCLOptions();
  registerPassManagerCLOptions();
  arrangeHelp(parser.category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "modc " MOD_VERSION ", LLVM " LLVM_VERSION_STRING "\n";
  });
  std::string errors;
  llvm::raw_string_ostream stream(errors);
  CommandLine line;
  if (!cl::ParseCommandLineOptions(argc, argv, kOverview, &stream))
    printParserError(errors, argv[0]);
  else if (parser.read(line))
    return line;
  return std::nullopt;
}
