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
  /// With one file of the model directory $MODEL.
  explicit FuzzFolder(StringRef copied) : FuzzFolder() {
    const char *model = getenv("MODEL");
    if (!model ||
        llvm::sys::fs::copy_file(Twine(model) + "/" + copied, getFile(copied)))
      llvm::report_fatal_error("$MODEL has no " + Twine(copied));
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

inline StringRef toText(const uint8_t *data, size_t size) {
  return {reinterpret_cast<const char *>(data), size};
}

} // namespace mlir::mod

#endif // MOD_TEST_FUZZ_FUZZ_H
