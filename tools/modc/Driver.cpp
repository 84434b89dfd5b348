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
#include "codegen/weights/PrepareWeights.h"
#include "dialect/Register.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/Timing.h"
#include "runtime/modrt.h"
#include "tools/import/Import.h"
#include "tools/modc/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::mod;

namespace {

/// A file that gets its name only when it is complete.
class OutputFile {
public:
  OutputFile(StringRef path) : path(path) {}
  ~OutputFile() {
    if (file)
      llvm::consumeError(file->discard());
  }
  llvm::Error create();
  llvm::Error commit();
  StringRef getTemporaryName() const { return file->TmpName; }
  int getDescriptor() const { return file->FD; }
  StringRef getPath() const { return path; }

private:
  std::string path;
  std::optional<llvm::sys::fs::TempFile> file;
};

/// The state of one compilation.
class Compilation {
public:
  Compilation(const CommandLine &line, StringRef program);
  bool run();

private:
  bool load();
  bool loadParameters();
  bool runPhases(Phase first, Phase last);
  bool prepare();
  bool emit();
  bool emitText();
  bool emitObject(llvm::raw_pwrite_stream &stream, llvm::CodeGenFileType type);
  bool emitBinary();
  bool appendWeights(OutputFile &output);
  bool printBudget();
  std::string getWeightsPath() const { return line.output + ".safetensors"; }
  bool hasExternalWeights() const {
    return line.externalWeights || line.emit == Emit::obj;
  }

  const CommandLine &line;
  std::string runtimeDirectory;
  MLIRContext context;
  DefaultTimingManager timing;
  TimingScope root;
  PhaseOptions options;
  std::unique_ptr<llvm::TargetMachine> machine;
  OwningOpRef<ModuleOp> module;
  std::optional<OutputFile> weights;
};

} // namespace

//===----------------------------------------------------------------------===//
// Output files
//===----------------------------------------------------------------------===//

static llvm::Error fileError(StringRef path, llvm::Error error) {
  return llvm::createStringError("cannot write '" + path +
                                 "': " + llvm::toString(std::move(error)));
}

llvm::Error OutputFile::create() {
  if (llvm::sys::fs::is_directory(path))
    return llvm::createStringError("cannot write '" + path +
                                   "': it is a directory");
  llvm::Expected<llvm::sys::fs::TempFile> temporary =
      llvm::sys::fs::TempFile::create(path + ".%%%%%%.tmp",
                                      llvm::sys::fs::all_read |
                                          llvm::sys::fs::all_write);
  if (!temporary)
    return fileError(path, temporary.takeError());
  file = std::move(*temporary);
  return llvm::Error::success();
}

llvm::Error OutputFile::commit() {
  llvm::Error error = file->keep(path);
  file.reset();
  return error ? fileError(path, std::move(error)) : llvm::Error::success();
}

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
  installDiagnosticPrinter(context);
  // One line per error; the op's text may be the whole model.
  context.printOpOnDiagnostic(false);
  timing.setEnabled(line.timing);
  root = timing.getRootScope();
  options.context = line.context;
  options.batch = line.batch;
  options.decodeRouting = line.decodeRouting;
}

bool Compilation::load() {
  TimingScope scope = root.nest("load");
  if (llvm::sys::fs::is_directory(line.model)) {
    FailureOr<OwningOpRef<ModuleOp>> imported =
        importModel(line.model, &context);
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
  return bool(module);
}

bool Compilation::loadParameters() {
  std::string file = line.params;
  if (file.empty() && llvm::sys::fs::is_directory(line.model))
    file = line.model;
  if (file.empty())
    return true;
  PassManager pm(&context);
  LoadParamsPassOptions load;
  load.file = file;
  pm.addPass(createLoadParamsPass(load));
  return succeeded(pm.run(*module));
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
  weights.emplace(hasExternalWeights() ? getWeightsPath()
                                       : line.output + ".weights");
  Progress progress("preparing weights");
  return report(weights->create()) &&
         report(writeWeights(*module, weights->getTemporaryName(),
                             [&](int64_t done, int64_t total) {
                               progress.update(done, total);
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

bool Compilation::printBudget() {
  FailureOr<llvm::json::Object> budget = makeReport(*module);
  if (failed(budget))
    return false;
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
  return true;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

bool Compilation::emitText() {
  auto print = [&](llvm::raw_pwrite_stream &os) {
    if (line.emit != Emit::mlir)
      return emitObject(os, llvm::CodeGenFileType::AssemblyFile);
    module->print(os);
    os << "\n";
    return true;
  };
  if (line.output.empty() || line.output == "-") {
    llvm::SmallVector<char> text;
    llvm::raw_svector_ostream stream(text);
    bool fine = print(stream);
    llvm::outs() << StringRef(text.data(), text.size());
    return fine;
  }
  OutputFile output(line.output);
  if (!report(output.create()))
    return false;
  llvm::raw_fd_ostream stream(output.getDescriptor(), /*shouldClose=*/false);
  if (!print(stream))
    return false;
  stream.flush();
  return report(output.commit());
}

/// Puts the weights behind the executable, on a page boundary, and the trailer
/// by which the runtime finds them.
bool Compilation::appendWeights(OutputFile &output) {
  auto buffer = llvm::MemoryBuffer::getFile(weights->getTemporaryName(),
                                            /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  uint64_t size = 0;
  std::error_code code =
      llvm::sys::fs::file_size(output.getTemporaryName(), size);
  if (!buffer || code)
    return report(
        llvm::createStringError("cannot read back '" + output.getPath() + "'"));
  llvm::raw_fd_ostream stream(
      output.getTemporaryName(), code, llvm::sys::fs::CD_OpenExisting,
      llvm::sys::fs::FA_Write, llvm::sys::fs::OF_Append);
  uint64_t offset = llvm::alignTo(size, 4096);
  stream.write_zeros(offset - size);
  stream << (*buffer)->getBuffer();
  modrt_trailer trailer = {"MODWGHT", offset, (*buffer)->getBufferSize()};
  stream.write(reinterpret_cast<const char *>(&trailer), sizeof(trailer));
  stream.close();
  if (!stream.has_error())
    return true;
  code = stream.error();
  stream.clear_error();
  return report(llvm::createStringError("cannot write '" + output.getPath() +
                                        "': " + code.message()));
}

bool Compilation::emitBinary() {
  OutputFile output(line.output);
  if (!report(output.create()))
    return false;
  if (line.emit == Emit::obj) {
    llvm::raw_fd_ostream stream(output.getDescriptor(), /*shouldClose=*/false);
    if (!emitObject(stream, llvm::CodeGenFileType::ObjectFile))
      return false;
    stream.flush();
    return report(weights->commit()) && report(output.commit());
  }
  OutputFile object(line.output + ".o");
  if (!report(object.create()))
    return false;
  {
    llvm::raw_fd_ostream stream(object.getDescriptor(), /*shouldClose=*/false);
    if (!emitObject(stream, llvm::CodeGenFileType::ObjectFile))
      return false;
  }
  TimingScope scope = root.nest("link");
  LinkKind kind =
      line.emit == Emit::exe ? LinkKind::executable : LinkKind::library;
  if (!report(link(kind, object.getTemporaryName(), runtimeDirectory,
                   output.getTemporaryName())))
    return false;
  bool placed =
      hasExternalWeights() ? report(weights->commit()) : appendWeights(output);
  return placed && report(output.commit());
}

bool Compilation::emit() {
  if (line.emit == Emit::none)
    return true;
  return line.isText() ? emitText() : emitBinary();
}

bool Compilation::run() {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> target =
      createTargetMachine(line.cpu);
  if (!target)
    return report(target.takeError());
  machine = std::move(*target);
  options.vectorBits = getCpuTarget(*machine).vectorBits;
  options.target = ("x86_64 " + machine->getTargetCPU()).str();
  options.features = getFeatures(*machine);
  if (hasExternalWeights())
    options.weightsFile = llvm::sys::path::filename(getWeightsPath()).str();

  if (!load() || (line.needsWeights() && !loadParameters()))
    return false;
  Phase last = line.emit == Emit::mlir ? line.phase : Phase::llvm;
  if (line.emit == Emit::none)
    last = Phase::lowered;
  if (!runPhases(Phase::specialized, std::min(last, Phase::packed)))
    return false;
  if (last > Phase::packed &&
      (!prepare() ||
       !runPhases(Phase::bufferized, std::min(last, Phase::lowered))))
    return false;
  if (last >= Phase::lowered && !printBudget())
    return false;
  if (last == Phase::llvm && !runPhases(Phase::llvm, Phase::llvm))
    return false;
  return emit();
}

bool mod::compile(const CommandLine &line, const char *program) {
  return Compilation(line, program).run();
}
