//===- Fuzz.h - What the fuzz targets share ---------------------*- C++ -*-===//
//
// A context that swallows errors, and a folder for inputs that must be files.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TEST_FUZZ_FUZZ_H
#define MOD_TEST_FUZZ_FUZZ_H

#include "dialect/Register.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace mlir::mod {

/// Errors are what most inputs deserve; only crashes count.
class FuzzContext {
public:
  FuzzContext() : context(makeRegistry(), MLIRContext::Threading::DISABLED) {
    context.getDiagEngine().registerHandler(
        [](Diagnostic &) { return success(); });
  }
  MLIRContext *get() { return &context; }

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerModDialects(registry);
    return registry;
  }

  MLIRContext context;
};

/// A folder of this process, for as long as it runs.
class FuzzFolder {
public:
  FuzzFolder() {
    if (llvm::sys::fs::createUniqueDirectory("mod-fuzz", path))
      llvm::report_fatal_error("cannot make a folder");
  }
  /// With one file of a model directory.
  FuzzFolder(StringRef model, StringRef copied) : FuzzFolder() {
    if (llvm::sys::fs::copy_file(model + "/" + copied, getFile(copied)))
      llvm::report_fatal_error("'" + model + "' has no " + copied);
  }
  ~FuzzFolder() { llvm::sys::fs::remove_directories(path); }

  StringRef getPath() const { return path; }
  std::string getFile(StringRef name) const {
    return (path + "/" + name).str();
  }
  void write(StringRef name, StringRef contents) const {
    std::error_code code;
    llvm::raw_fd_ostream file(getFile(name), code);
    file << contents;
  }

private:
  SmallString<128> path;
};

/// A folder for each model directory in $MODELS, which are called 0, 1, ...
inline std::vector<std::unique_ptr<FuzzFolder>> copyFromModels(StringRef file) {
  std::vector<std::unique_ptr<FuzzFolder>> folders;
  std::string models = getenv("MODELS") ? getenv("MODELS") : "";
  for (std::string model = models + "/0"; llvm::sys::fs::is_directory(model);
       model = models + "/" + std::to_string(folders.size()))
    folders.push_back(std::make_unique<FuzzFolder>(model, file));
  if (folders.empty())
    llvm::report_fatal_error("$MODELS has no directory 0");
  return folders;
}

inline StringRef toText(const uint8_t *data, size_t size) {
  return {reinterpret_cast<const char *>(data), size};
}

} // namespace mlir::mod

#endif // MOD_TEST_FUZZ_FUZZ_H
