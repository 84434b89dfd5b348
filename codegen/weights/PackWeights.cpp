//===- PackWeights.cpp - The layout that kernels read -----------*- C++ -*-===//
//
// Says with linalg.pack how the weights of products lie in memory.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/weights/ParameterValues.h"
#include "dialect/ModOps.h"
#include "mlir/IR/Remarks.h"

namespace mlir::mod {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct PackWeightsPass : mod::impl::PackWeightsPassBase<PackWeightsPass> {
  using PackWeightsPassBase::PackWeightsPassBase;

  void runOnOperation() override;

private:
  /// The packed form of a weight, made where the weight is.
  Value getPacked(Value weight);

  llvm::DenseMap<Value, Value> packed;
};
} // namespace

static remark::RemarkOpts remarkOpts(func::FuncOp func) {
  return remark::RemarkOpts::name("PackWeights")
      .category(PackWeightsPass::getArgumentName())
      .function(func.getSymName());
}

void PackWeightsPass::runOnOperation() {
  if (panel == 0) {
    getOperation().emitError() << "option 'panel' is 0, expected at least 1";
    return signalPassFailure();
  }
  packed.clear();
  ParameterValues parameters;
  getOperation().walk([&](LinearOp op) {
    Value weight = op.getWeight();
    if (op.isPacked() || !isa<RankedTensorType>(weight.getType()))
      return;
    if (parameters.contains(weight))
      op.getWeightMutable().assign(getPacked(weight));
    else
      remark::missed(op.getLoc(), remarkOpts(getOperation()))
          << "weight is not computed from parameters alone";
  });
}

/// The value that fills the last panel, where the rows do not.
static std::optional<Value> makePadding(OpBuilder &builder, Location loc,
                                        RankedTensorType type, int64_t panel) {
  if (type.getDimSize(0) % panel == 0)
    return std::nullopt;
  TypedAttr zero = builder.getZeroAttr(type.getElementType());
  return arith::ConstantOp::create(builder, loc, zero);
}

Value PackWeightsPass::getPacked(Value weight) {
  Value &result = packed[weight];
  if (result)
    return result;
  OpBuilder builder(&getContext());
  builder.setInsertionPointAfterValue(weight);
  Location loc = weight.getLoc();
  auto type = cast<RankedTensorType>(weight.getType());
  int64_t panels = llvm::divideCeil(type.getDimSize(0), panel);
  SmallVector<int64_t> shape{panels, type.getDimSize(1), panel};
  Value empty =
      tensor::EmptyOp::create(builder, loc, shape, type.getElementType());
  const int64_t rows = 0;
  const OpFoldResult tile = builder.getIndexAttr(panel);
  auto pack = linalg::PackOp::create(builder, loc, weight, empty, rows, tile,
                                     makePadding(builder, loc, type, panel));
  result = pack.getResult();
  remark::passed(loc, remarkOpts(getOperation()))
      << "weight packed" << remark::metric("rows", type.getDimSize(0))
      << remark::metric("panels", panels)
      << remark::metric("panel", int64_t(panel));
  return result;
}
