//===- mod-reduce.cpp - Make a failing input smaller ------------*- C++ -*-===//
//
// Reduces IR while a test script still finds it interesting.
//
//===----------------------------------------------------------------------===//

#include "dialect/Register.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Reducer/Passes.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::mod::registerModDialects(registry);
  mlir::registerReducerPasses();
  mlir::registerTransformsPasses();
  mlir::MLIRContext context(registry);
  return mlir::failed(mlir::mlirReduceMain(argc, argv, context));
}
