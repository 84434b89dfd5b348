//===- OutputFile.h - Results as files --------------------------*- C++ -*-===//
//
// Files that appear when they are complete, and errors of writing them.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_MODC_OUTPUTFILE_H
#define MOD_TOOLS_MODC_OUTPUTFILE_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::mod {

/// A file that gets its name only when it is complete.
class OutputFile {
public:
  explicit OutputFile(StringRef path) : path(path) {}
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

/// Forgets the error of a stream to `path`, which would end the process later.
llvm::Error takeError(llvm::raw_fd_ostream &stream, StringRef path);

} // namespace mlir::mod

#endif // MOD_TOOLS_MODC_OUTPUTFILE_H
