//===- mod-opt.cpp - Run passes over IR -------------------------*- C++ -*-===//
//
// The mod dialect's `opt`: parses IR, runs the passes asked for, prints.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/Pipelines.h"
#include "codegen/nvptx/Passes.h"
#include "dialect/Register.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;

/// Upstream passes that tests of ours run.
static void registerUpstreamPasses() {
  bufferization::registerOneShotBufferizePass();
  registerConvertElementwiseToLinalgPass();
  registerCanonicalizer();
  registerCSE();
  registerInliner();
  registerSymbolDCE();
}

int main(int argc, char **argv) {
  DialectRegistry registry;
  mod::registerModDialects(registry);
  registerUpstreamPasses();
  mod::registerModPasses();
  mod::registerCodegenPasses();
  mod::registerNvptxPasses();
  mod::registerPhasePipelines();
  return asMainReturnCode(
      MlirOptMain(argc, argv, "mod optimizer driver\n", registry));
}
