//===- LowerKernels.cpp - Turn mod ops into calls of kernels --------------===//
//
// One function of loops and vectors per distinct op.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/cpu/Target.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::mod {
#define GEN_PASS_DEF_LOWERKERNELSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct LowerKernelsPass : mod::impl::LowerKernelsPassBase<LowerKernelsPass> {
  using LowerKernelsPassBase::LowerKernelsPassBase;
  void runOnOperation() override {}
};
} // namespace
