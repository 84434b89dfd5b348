//===- mod-lsp-server.cpp - The dialect in an editor ------------*- C++ -*-===//
//
// A language server for .mlir files that use the mod dialect.
//
//===----------------------------------------------------------------------===//

#include "dialect/Register.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::mod::registerModDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
