//===- Driver.cpp - One compilation -----------------------------*- C++ -*-===//
//
// From a command line to files.
//
//===----------------------------------------------------------------------===//

#include "tools/modc/Driver.h"
#include "codegen/Link.h"
#include "codegen/Object.h"
#include "codegen/Passes.h"
#include "codegen/Report.h"
#include "codegen/nvptx/Assembler.h"
#include "codegen/nvptx/Passes.h"
#include "codegen/nvptx/Phases.h"
#include "codegen/weights/PrepareWeights.h"
#include "codegen/weights/PreparedWeights.h"
#include "dialect/Register.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/Timing.h"
#include "passes/Model.h"
#include "runtime/modrt.h"
#include "tools/import/Import.h"
#include "tools/modc/Diagnostics.h"
#include "tools/modc/OutputFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::mod;

namespace {

/// The state of one compilation.
class Compilation {
public:
  Compilation(const CommandLine &line, StringRef program);
  bool run();

private:
  bool chooseMachine();
  bool openOutput();
  bool load();
  bool describeModel();
  bool checkParameters();
  bool loadParameters();
  bool runPhases(Phase first, Phase last);
  bool prepare();
  bool lower();
  bool emit();
  bool printText(llvm::raw_pwrite_stream &stream);
  bool emitText();
  bool emitObject(llvm::raw_pwrite_stream &stream, llvm::CodeGenFileType type);
  bool writeOutput(StringRef text);
  bool writeObject(OutputFile &file);
  bool linkBinary();
  bool appendWeights();
  bool emitBinary();
  bool countRegisters();
  bool printBudget();
  std::string getWeightsPath() const { return line.output + ".safetensors"; }
  bool hasExternalWeights() const {
    return line.emit == Emit::obj ||
           (line.needsWeights() && line.externalWeights);
  }
  bool report(llvm::Error error) {
    return diagnostics.report(std::move(error));
  }

  const CommandLine &line;
  std::string runtimeDirectory;
  Diagnostics diagnostics;
  MLIRContext context;
  DefaultTimingManager timing;
  TimingScope root;
  PhaseOptions options;
  std::unique_ptr<llvm::TargetMachine> machine;
  OwningOpRef<ModuleOp> module;
  std::optional<OutputFile> output, weights;
};

} // namespace

//===----------------------------------------------------------------------===//
// Front end
//===----------------------------------------------------------------------===//

static DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registerModDialects(registry);
  return registry;
}

/// The runtime's archives lie in `lib` beside the directory of the compiler.
static std::string findRuntime(StringRef program) {
  std::string path = llvm::sys::fs::getMainExecutable(
      program.str().c_str(), reinterpret_cast<void *>(&findRuntime));
  SmallString<128> directory(llvm::sys::path::parent_path(path));
  llvm::sys::path::append(directory, "..", "lib");
  llvm::sys::path::remove_dots(directory, /*remove_dot_dot=*/true);
  return std::string(directory);
}

Compilation::Compilation(const CommandLine &line, StringRef program)
    : line(line), runtimeDirectory(findRuntime(program)),
      context(makeRegistry()) {
  diagnostics.attach(context);
  timing.setEnabled(line.timing);
  root = timing.getRootScope();
  options.context = line.context;
  options.batch = line.batch;
  options.decodeRouting = line.decodeRouting;
  options.prefillRouting = line.prefillRouting;
  options.kvDtype = line.kvDtype;
  options.kvTokens = line.kvTokens;
  options.dtype = line.dtype;
}

bool Compilation::load() {
  TimingScope scope = root.nest("load");
  if (llvm::sys::fs::is_directory(line.model)) {
    ImportOptions importOptions;
    importOptions.preset = line.preset;
    FailureOr<OwningOpRef<ModuleOp>> imported =
        importModel(line.model, &context, importOptions);
    if (failed(imported))
      return false;
    module = std::move(*imported);
    return true;
  }
  if (!llvm::sys::fs::exists(line.model) ||
      llvm::sys::path::extension(line.model) != ".mlir")
    return report(llvm::createStringError(
        "'" + line.model + "' is neither a model directory nor a .mlir file"));
  module = parseSourceFile<ModuleOp>(line.model, &context);
  return module && describeModel();
}

/// What a .mlir file need not say of its model follows from the file.
bool Compilation::describeModel() {
  FailureOr<func::FuncOp> forward = getForward(*module);
  if (failed(forward))
    return false;
  NamedAttrList facts;
  if (auto given = (*module)->getAttrOfType<DictionaryAttr>("mod.model"))
    facts.append(given.getValue());
  Builder builder(&context);
  if (!facts.get("name"))
    facts.set("name", builder.getStringAttr(llvm::sys::path::stem(line.model)));
  auto logits = cast<RankedTensorType>(forward->getResultTypes().front());
  facts.set("vocab", builder.getI64IntegerAttr(logits.getShape().back()));
  (*module)->setAttr("mod.model", facts.getDictionary(&context));
  return true;
}

/// Parameters without values need a file that has them.
bool Compilation::checkParameters() {
  for (auto global : module->getOps<ml_program::GlobalOp>())
    if (isa_and_present<ml_program::ExternAttr>(global.getValueAttr()))
      return report(llvm::createStringError(
          "parameter '" + global.getSymName() + "' of '" + line.model +
          "' has no value; give its safetensors file with --params"));
  return true;
}

/// A checkpoint may be given as one of its files.
static StringRef getDirectory(StringRef file) {
  return llvm::sys::fs::is_directory(file) ? file
                                           : llvm::sys::path::parent_path(file);
}

bool Compilation::loadParameters() {
  std::string file = line.params;
  if (file.empty() && llvm::sys::fs::is_directory(line.model))
    file = line.model;
  if (file.empty())
    return checkParameters();
  PassManager pm(&context);
  LoadParamsPassOptions load;
  load.file = file;
  pm.addPass(createLoadParamsPass(load));
  return succeeded(pm.run(*module)) &&
         succeeded(loadTokenizer(getDirectory(file), *module));
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

bool Compilation::runPhases(Phase first, Phase last) {
  for (int phase = static_cast<int>(first); phase <= static_cast<int>(last);
       ++phase) {
    TimingScope scope = root.nest(stringifyPhase(static_cast<Phase>(phase)));
    PassManager pm(&context);
    if (failed(applyPassManagerCLOptions(pm)))
      return false;
    pm.enableTiming(scope);
    buildPhase(pm, static_cast<Phase>(phase), options);
    if (failed(pm.run(*module)))
      return false;
  }
  return true;
}

/// Runs the program that prepares the weights where the result needs them.
bool Compilation::prepare() {
  if (!line.needsWeights())
    return true;
  TimingScope scope = root.nest("weights");
  weights.emplace(hasExternalWeights() ? getWeightsPath() : line.output);
  Progress progress("preparing weights");
  if (!report(weights->create()))
    return false;
  // Writing to a mapped file faults where the disk is full.
  auto space = llvm::sys::fs::disk_space(weights->getTemporaryName());
  uint64_t bytes = getWeightsDataBytes(getPrepareWeights(*module));
  if (space && space->available < bytes)
    return report(llvm::createStringError(
        "cannot write '" + weights->getPath() + "': its weights need " +
        llvm::Twine(bytes) + " bytes, but " + llvm::Twine(space->available) +
        " are free"));
  llvm::Error error = writeWeights(
      *module, weights->getTemporaryName(),
      [&](int64_t done, int64_t total) { progress.update(done, total); });
  // The user never named the temporary file.
  return report(
      llvm::handleErrors(std::move(error), [&](const llvm::FileError &failed) {
        return llvm::createStringError("cannot write '" + weights->getPath() +
                                       "': " + failed.messageWithoutFileInfo());
      }));
}

bool Compilation::emitObject(llvm::raw_pwrite_stream &stream,
                             llvm::CodeGenFileType type) {
  TimingScope scope = root.nest("code generation");
  llvm::LLVMContext llvmContext;
  llvm::Expected<std::unique_ptr<llvm::Module>> code =
      translateToLLVM(*module, llvmContext, *machine);
  if (!code)
    return report(code.takeError());
  if (line.emit == Emit::llvm) {
    (*code)->print(stream, nullptr);
    return true;
  }
  return report(emitCode(**code, *machine, type, stream));
}

/// Compiles a copy of the kernels for the registers that a report tells; where
/// nothing assembles them it does without.
bool Compilation::countRegisters() {
  if (line.report == ReportKind::none || !options.isGpu())
    return true;
  std::string assembler = findAssembler();
  if (assembler.empty())
    return true;
  OwningOpRef<ModuleOp> copy = module->clone();
  PassManager passes(&context);
  std::string given = options.ptxas;
  options.ptxas = assembler;
  buildGpuLLVM(passes, options);
  options.ptxas = given;
  if (failed(passes.run(*copy)))
    return false;
  if (Attribute registers = (*copy)->getAttr(kRegistersAttr))
    (*module)->setAttr(kRegistersAttr, registers);
  return true;
}

bool Compilation::printBudget() {
  if (!countRegisters())
    return false;
  FailureOr<llvm::json::Object> budget = makeReport(*module);
  if (failed(budget))
    return false;
  (*budget)["dtype"] = line.dtype;
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::json::Value(llvm::json::Object(*budget));
  (*module)->setAttr("mod.report", StringAttr::get(&context, text));
  if (line.report == ReportKind::json)
    llvm::outs() << llvm::formatv("{0:2}",
                                  llvm::json::Value(std::move(*budget)))
                 << "\n";
  else if (line.report == ReportKind::text)
    printReport(*budget, llvm::outs());
  return report(takeError(llvm::outs(), "standard output"));
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// The code of each chip: "ptx" or "cubin".
static void printImages(ModuleOp module, StringRef kind,
                        llvm::raw_ostream &stream) {
  auto images = module->getAttrOfType<ArrayAttr>(kImagesAttr);
  for (auto image : images.getAsRange<DictionaryAttr>())
    if (image.getAs<StringAttr>("kind") == kind)
      stream << image.getAs<StringAttr>("data").getValue();
}

bool Compilation::printText(llvm::raw_pwrite_stream &stream) {
  if (line.emit == Emit::ptx || line.emit == Emit::cubin) {
    printImages(*module, line.emit == Emit::ptx ? "ptx" : "cubin", stream);
    return true;
  }
  if (line.emit != Emit::mlir)
    return emitObject(stream, llvm::CodeGenFileType::AssemblyFile);
  module->print(stream);
  stream << "\n";
  return true;
}

bool Compilation::emitText() {
  SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  if (!printText(stream))
    return false;
  StringRef result(text.data(), text.size());
  if (!output) {
    llvm::outs() << result;
    return report(takeError(llvm::outs(), "standard output"));
  }
  return writeOutput(result);
}

bool Compilation::writeOutput(StringRef result) {
  llvm::raw_fd_ostream stream(output->getDescriptor(), /*shouldClose=*/false);
  stream << result;
  return report(takeError(stream, output->getPath())) &&
         report(output->commit());
}

/// Puts the weights behind the executable, on a page boundary, and the trailer
/// by which the runtime finds them.
bool Compilation::appendWeights() {
  auto buffer = llvm::MemoryBuffer::getFile(weights->getTemporaryName(),
                                            /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  uint64_t size = 0;
  std::error_code code =
      llvm::sys::fs::file_size(output->getTemporaryName(), size);
  if (!buffer || code)
    return report(llvm::createStringError("cannot read back '" +
                                          output->getPath() + "'"));
  llvm::raw_fd_ostream stream(
      output->getTemporaryName(), code, llvm::sys::fs::CD_OpenExisting,
      llvm::sys::fs::FA_Write, llvm::sys::fs::OF_Append);
  uint64_t offset = llvm::alignTo(size, 4096);
  stream.write_zeros(offset - size);
  stream << (*buffer)->getBuffer();
  modrt_trailer trailer = {"MODWGHT", offset, (*buffer)->getBufferSize()};
  stream.write(reinterpret_cast<const char *>(&trailer), sizeof(trailer));
  return report(takeError(stream, output->getPath()));
}

/// Writes an object into a file that was created.
bool Compilation::writeObject(OutputFile &file) {
  llvm::raw_fd_ostream stream(file.getDescriptor(), /*shouldClose=*/false);
  bool emitted = emitObject(stream, llvm::CodeGenFileType::ObjectFile);
  return report(takeError(stream, file.getPath())) && emitted;
}

bool Compilation::linkBinary() {
  OutputFile object(line.output);
  if (!report(object.create()) || !writeObject(object))
    return false;
  TimingScope scope = root.nest("link");
  LinkKind kind =
      line.emit == Emit::exe ? LinkKind::executable : LinkKind::library;
  return report(link(kind, object.getTemporaryName(), runtimeDirectory,
                     output->getTemporaryName()));
}

bool Compilation::emitBinary() {
  if (!(line.emit == Emit::obj ? writeObject(*output) : linkBinary()))
    return false;
  bool placed =
      hasExternalWeights() ? report(weights->commit()) : appendWeights();
  return placed && report(output->commit());
}

bool Compilation::emit() {
  if (line.emit == Emit::none)
    return true;
  return line.isSingleFile() ? emitText() : emitBinary();
}

bool Compilation::chooseMachine() {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> target =
      createTargetMachine(line.cpu);
  if (!target)
    return report(target.takeError());
  machine = std::move(*target);
  CpuTarget cpu = getCpuTarget(*machine);
  options.vectorBits = cpu.vectorBits;
  options.level2Bytes = cpu.level2Bytes;
  options.bf16Dot = cpu.hasBF16Dot;
  options.byteDot = cpu.hasByteDot;
  options.tiles = cpu.hasTiles;
  options.target = ("x86_64 " + machine->getTargetCPU()).str();
  options.features = getFeatures(*machine);
  options.chips = ArrayRef(line.chips);
  options.warpgroups = line.wgmma;
  if (options.isGpu()) {
    options.target = "nvptx64 " + llvm::join(line.chips, ",");
    options.ptxas = line.isText() ? "" : findAssembler();
    if (line.emit == Emit::cubin && options.ptxas.empty())
      return report(llvm::createStringError(
          "--emit=cubin needs ptxas of the CUDA toolkit, which is neither on "
          "PATH nor in $CUDA_HOME/bin or /usr/local/cuda/bin"));
  }
  if (hasExternalWeights())
    options.weightsFile = llvm::sys::path::filename(getWeightsPath()).str();
  return true;
}

/// Finds out that a file cannot be written before the work begins.
bool Compilation::openOutput() {
  if (line.output.empty() || line.emit == Emit::none)
    return true;
  output.emplace(line.output);
  return report(output->create());
}

/// From the module to the last phase that the result needs.
bool Compilation::lower() {
  Phase last = line.emit == Emit::mlir   ? line.phase
               : line.emit == Emit::none ? Phase::lowered
                                         : Phase::llvm;
  if (!runPhases(Phase::specialized, std::min(last, Phase::packed)))
    return false;
  if (last > Phase::packed &&
      (!prepare() ||
       !runPhases(Phase::bufferized, std::min(last, Phase::lowered))))
    return false;
  if (last >= Phase::lowered && !printBudget())
    return false;
  return last < Phase::llvm || runPhases(Phase::llvm, Phase::llvm);
}

bool Compilation::run() {
  if (line.verbose && failed(enableRemarks(context)))
    return false;
  bool fine = chooseMachine() && openOutput() && load() &&
              (!line.needsWeights() || loadParameters()) && lower() && emit();
  // A pass may fail without a word.
  if (!fine && !diagnostics.hasError())
    report(
        llvm::createStringError("'" + line.model + "' could not be compiled"));
  return fine;
}

bool mod::compile(const CommandLine &line, const char *program) {
  return Compilation(line, program).run();
}
