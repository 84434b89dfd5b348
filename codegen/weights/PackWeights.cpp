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
  /// The packed form of a weight, made where the weight is; with `isGlu`,
  /// panels hold as many rows of its second half as of its first.
  Value getPacked(Value weight, bool isGlu);

  llvm::DenseMap<std::pair<Value, unsigned>, Value> packed;
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
      op.getWeightMutable().assign(getPacked(weight, op.getGlu().has_value()));
    else
      remark::missed(op.getLoc(), remarkOpts(getOperation()))
          << "weight is not computed from parameters alone";
  });
}

/// Packs dimensions `dims` of a matrix or of its halves by `tiles`; the last
/// panel is filled with zeros where rows do not fill it.
static Value pack(OpBuilder &builder, Value source, ArrayRef<int64_t> dims,
                  ArrayRef<int64_t> tiles) {
  Location loc = source.getLoc();
  auto type = cast<RankedTensorType>(source.getType());
  SmallVector<int64_t> shape(type.getShape());
  bool isPadded = false;
  for (auto [dim, tile] : llvm::zip_equal(dims, tiles)) {
    isPadded |= shape[dim] % tile != 0;
    shape[dim] = llvm::divideCeil(shape[dim], tile);
  }
  llvm::append_range(shape, tiles);
  std::optional<Value> padding;
  if (isPadded)
    padding = arith::ConstantOp::create(
        builder, loc, builder.getZeroAttr(type.getElementType()));
  Value empty =
      tensor::EmptyOp::create(builder, loc, shape, type.getElementType());
  return linalg::PackOp::create(
             builder, loc, source, empty, dims,
             getAsIndexOpFoldResult(builder.getContext(), tiles), padding)
      .getResult();
}

/// Panels of rows of the first half of `weight` and as many of the second.
static Value packHalves(OpBuilder &builder, Value weight, int64_t panel) {
  Location loc = weight.getLoc();
  auto type = cast<RankedTensorType>(weight.getType());
  SmallVector<int64_t> shape{2, type.getDimSize(0) / 2, type.getDimSize(1)};
  Value halves = tensor::ExpandShapeOp::create(
      builder, loc, type.clone(shape), weight,
      SmallVector<ReassociationIndices>{{0, 1}, {2}});
  Value panels = pack(builder, halves, {0, 1}, {2, panel / 2});
  return tensor::CollapseShapeOp::create(
      builder, loc, panels,
      SmallVector<ReassociationIndices>{{0, 1}, {2}, {3, 4}});
}

Value PackWeightsPass::getPacked(Value weight, bool isGlu) {
  Value &result = packed[{weight, isGlu}];
  if (result)
    return result;
  OpBuilder builder(&getContext());
  builder.setInsertionPointAfterValue(weight);
  result = isGlu ? packHalves(builder, weight, panel)
                 : pack(builder, weight, /*dims=*/{0}, {int64_t(panel)});
  auto rows = [](Value value) {
    return cast<ShapedType>(value.getType()).getDimSize(0);
  };
  remark::passed(weight.getLoc(), remarkOpts(getOperation()))
      << "weight packed" << remark::metric("rows", rows(weight))
      << remark::metric("panels", rows(result))
      << remark::metric("panel", int64_t(panel));
  return result;
}
