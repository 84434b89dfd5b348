//===- OutputFile.cpp - Results as files ------------------------*- C++ -*-===//
//
// Files that appear when they are complete, and errors of writing them.
//
//===----------------------------------------------------------------------===//

#include "tools/modc/OutputFile.h"

using namespace mlir;
using namespace mlir::mod;

static llvm::Error fileError(StringRef path, llvm::Error error) {
  return llvm::createStringError("cannot write '" + path +
                                 "': " + llvm::toString(std::move(error)));
}

llvm::Error mod::takeError(llvm::raw_fd_ostream &stream, StringRef path) {
  stream.flush();
  std::error_code code = stream.error();
  stream.clear_error();
  return code ? fileError(path, llvm::errorCodeToError(code))
              : llvm::Error::success();
}

llvm::Error OutputFile::create() {
  // Renaming would replace a device by a file.
  if (llvm::sys::fs::exists(path) && !llvm::sys::fs::is_regular_file(path))
    return llvm::createStringError("cannot write '" + path +
                                   "': it is no regular file");
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
