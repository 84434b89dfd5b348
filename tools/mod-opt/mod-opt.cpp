//===- mod-opt.cpp - Run passes over IR -------------------------*- C++ -*-===//
//
// The mod dialect's `opt`: parses IR, runs the passes asked for, prints.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "dialect/ModDialect.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

int main(int argc, char **argv) {
  DialectRegistry registry;
  registry.insert<mod::ModDialect, func::FuncDialect, linalg::LinalgDialect, arith::ArithDialect, tensor::TensorDialect, ml_program::MLProgramDialect, math::MathDialect, memref::MemRefDialect>();
  mod::registerCodegenPasses();
  return asMainReturnCode(
      MlirOptMain(argc, argv, "mod optimizer driver\n", registry));
}
