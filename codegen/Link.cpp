//===- Link.cpp - Executables and libraries of a compiled model -*- C++ -*-===//
//
// Links generated code with the runtime by the system's compiler driver.
//
//===----------------------------------------------------------------------===//

#include "codegen/Link.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace mlir;

/// The compiler driver knows where the C++ library and the start files are.
static llvm::Expected<std::string> findDriver() {
  for (StringRef name : {"c++", "g++", "clang++", "clang++-22"})
    if (llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName(name))
      return *path;
  return llvm::createStringError(
      "no linker found: install a C++ compiler (c++, g++ or clang++) or emit "
      "an object with --emit=obj");
}

static llvm::Expected<std::string> findArchive(StringRef directory,
                                               StringRef name) {
  SmallString<128> path(directory);
  llvm::sys::path::append(path, name);
  if (!llvm::sys::fs::exists(path))
    return llvm::createStringError("the runtime library '" + path +
                                   "' is missing");
  return std::string(path);
}

/// A file that says what a library exports: templates of the C++ library in it
/// must not take the place of those in the program that loads it.
static llvm::Error writeExports(SmallVectorImpl<char> &path) {
  int descriptor;
  std::error_code code = llvm::sys::fs::createTemporaryFile(
      "mod-exports", "map", descriptor, path);
  if (code)
    return llvm::createStringError("cannot create a temporary file: " +
                                   code.message());
  llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
  stream << "{ global: mod_model; modrt_*; local: *; };\n";
  return llvm::Error::success();
}

/// Runs the driver; its messages become the error if it fails.
static llvm::Error run(ArrayRef<std::string> command) {
  SmallString<128> messages;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("mod-link", "txt", messages))
    return llvm::createStringError("cannot create a temporary file: " +
                                   code.message());
  llvm::FileRemover remover(messages);
  SmallVector<StringRef> arguments(command.begin(), command.end());
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(
      command.front(), arguments, /*Env=*/std::nullopt,
      /*Redirects=*/{StringRef(""), StringRef(""), StringRef(messages)},
      /*SecondsToWait=*/0, /*MemoryLimit=*/0, &reason);
  if (status == 0)
    return llvm::Error::success();
  if (auto text = llvm::MemoryBuffer::getFile(messages))
    reason += (*text)->getBuffer().rtrim();
  return llvm::createStringError("linking with '" + command.front() +
                                 "' failed: " + reason);
}

llvm::Error mod::link(LinkKind kind, StringRef object,
                      StringRef runtimeDirectory, StringRef output) {
  llvm::Expected<std::string> driver = findDriver();
  if (!driver)
    return driver.takeError();
  llvm::Expected<std::string> runtime =
      findArchive(runtimeDirectory, "libmodrt.a");
  if (!runtime)
    return runtime.takeError();
  llvm::Expected<std::string> pcre2 =
      findArchive(runtimeDirectory, "libpcre2-8.a");
  if (!pcre2)
    return pcre2.takeError();
  SmallVector<std::string> command = {*driver, "-o", output.str(),
                                      object.str()};
  SmallString<128> exports;
  llvm::FileRemover remover;
  if (kind == LinkKind::executable) {
    llvm::Expected<std::string> main =
        findArchive(runtimeDirectory, "libmodrt-main.a");
    if (!main)
      return main.takeError();
    llvm::append_values(command, *main, *runtime);
  } else {
    if (llvm::Error error = writeExports(exports))
      return error;
    remover.setFile(exports);
    llvm::append_values(command, std::string("-shared"),
                        ("-Wl,--version-script=" + exports).str(),
                        std::string("-Wl,--whole-archive"), *runtime,
                        std::string("-Wl,--no-whole-archive"));
  }
  llvm::append_values(command, *pcre2, std::string("-pthread"),
                      std::string("-lm"), std::string("-ldl"),
                      std::string("-Wl,--gc-sections"),
                      std::string("-Wl,-z,noexecstack"));
  return run(command);
}
