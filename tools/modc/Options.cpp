//===- Options.cpp - The command line of modc -------------------*- C++ -*-===//
//
// What the user asked for.
//
//===----------------------------------------------------------------------===//

#include "tools/modc/Options.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
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

static llvm::raw_ostream &usageError() {
  return llvm::errs() << "modc: error: ";
}

/// Reads `exe`, `lib`, ..., `mlir` or `mlir:PHASE`.
static bool parseEmit(StringRef text, CommandLine &line) {
  auto [kind, phase] = text.split(':');
  static constexpr std::pair<llvm::StringLiteral, Emit> kKinds[] = {
      {"exe", Emit::exe},      {"lib", Emit::lib},   {"obj", Emit::obj},
      {"asm", Emit::assembly}, {"llvm", Emit::llvm}, {"mlir", Emit::mlir}};
  auto *found = llvm::find_if(
      kKinds, [kind = kind](const auto &entry) { return entry.first == kind; });
  if (found == std::end(kKinds) ||
      (!phase.empty() && found->second != Emit::mlir)) {
    usageError() << "--emit=" << text
                 << " is unknown; expected exe, lib, obj, asm, llvm or "
                    "mlir[:PHASE]\n";
    return false;
  }
  line.emit = found->second;
  if (phase.empty())
    return true;
  std::optional<Phase> parsed = symbolizePhase(phase);
  if (!parsed) {
    usageError() << "phase '" << phase << "' is unknown; expected imported, "
                 << "specialized, derived, fused, packed, bufferized, lowered "
                    "or llvm\n";
    return false;
  }
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
  usageError() << "--" << option << "=" << text << " is unknown; expected ";
  llvm::interleave(
      choices, llvm::errs(),
      [](const auto &choice) { llvm::errs() << choice.first; }, ", ");
  llvm::errs() << "\n";
  return false;
}

/// The name of the output where none is given.
static std::string getDefaultOutput(const CommandLine &line) {
  StringRef path = StringRef(line.model).rtrim('/');
  std::string stem = llvm::sys::path::stem(path).str();
  switch (line.emit) {
  case Emit::exe:
    return "a.out";
  case Emit::lib:
    return "lib" + stem + ".so";
  case Emit::obj:
    return stem + ".o";
  default:
    return "";
  }
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
      cl::desc("What to make: exe (default), lib, obj, asm, llvm or "
               "mlir[:PHASE]"),
      cl::value_desc("KIND"), cl::cat(category)};
  cl::opt<std::string> target{"target", cl::desc("What to compile for: cpu"),
                              cl::init("cpu"), cl::cat(category)};
  cl::opt<std::string> cpu{
      "cpu",
      cl::desc("The CPU: native (default), x86-64, x86-64-v3, x86-64-v4, ..."),
      cl::value_desc("NAME"), cl::init("native"), cl::cat(category)};
  cl::opt<int64_t> context{
      "context", cl::desc("Tokens of a sequence, at most the model's own"),
      cl::value_desc("N"), cl::cat(category)};
  cl::opt<int64_t> batch{"batch", cl::desc("Sequences of a run: 1"),
                         cl::value_desc("B"), cl::init(1), cl::cat(category)};
  cl::opt<std::string> dtype{"dtype", cl::desc("Type of the arithmetic: f32"),
                             cl::init("f32"), cl::cat(category)};
  cl::opt<std::string> decodeRouting{
      "decode-routing",
      cl::desc("Route causally by predictor, router or always"),
      cl::value_desc("HOW"), cl::cat(category)};
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
};
} // namespace

bool Parser::read(CommandLine &line) {
  line.model = model;
  line.params = params;
  line.cpu = cpu;
  line.context = context;
  line.batch = batch;
  line.verbose = verbose;
  line.timing = timing;
  line.decodeRouting = decodeRouting;
  if (line.model.empty()) {
    usageError() << "no MODEL given; see modc --help\n";
    return false;
  }
  if (context.getNumOccurrences() && context < 1) {
    usageError() << "--context=" << context << " is not a positive number\n";
    return false;
  }
  StringRef ignored;
  if (!parseChoice<StringRef>("target", target, ignored, {{"cpu", "cpu"}}) ||
      !parseChoice<StringRef>("dtype", dtype, ignored, {{"f32", "f32"}}) ||
      !parseChoice<bool>("weights", weights, line.externalWeights,
                         {{"embed", false}, {"external", true}}))
    return false;
  if (decodeRouting.getNumOccurrences() &&
      !parseChoice<StringRef>(
          "decode-routing", decodeRouting, ignored,
          {{"predictor", ""}, {"router", ""}, {"always", ""}}))
    return false;
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
  line.output = output.empty() ? getDefaultOutput(line) : output;
  return true;
}

std::optional<CommandLine> mod::parseCommandLine(int argc, char **argv) {
  Parser parser;
  registerMLIRContextCLOptions();
  registerAsmPrinterCLOptions();
  registerPassManagerCLOptions();
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "modc " MOD_VERSION ", LLVM " LLVM_VERSION_STRING "\n";
  });
  std::string errors;
  llvm::raw_string_ostream stream(errors);
  if (!cl::ParseCommandLineOptions(argc, argv, kOverview, &stream)) {
    llvm::errs() << errors;
    return std::nullopt;
  }
  CommandLine line;
  if (!parser.read(line))
    return std::nullopt;
  return line;
}
