//===- modc.cpp - The compiler ----------------------------------*- C++ -*-===//
//
// Compiles a model into an executable, a library, or any form in between.
//
//===----------------------------------------------------------------------===//

#include "tools/modc/Driver.h"
#include "llvm/Support/InitLLVM.h"
#include <csignal>

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  // A file that may not grow is an error like a full disk, not a crash.
  std::signal(SIGXFSZ, SIG_IGN);
  std::optional<mlir::mod::CommandLine> line =
      mlir::mod::parseCommandLine(argc, argv);
  if (!line)
    return 2;
  return mlir::mod::compile(*line, argv[0]) ? 0 : 1;
}
