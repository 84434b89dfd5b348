//===- Sizes.cpp - Where the size of a tensor was said first ----*- C++ -*-===//
//
// Follows ops that keep the size of their operand.
//
//===----------------------------------------------------------------------===//

#include "passes/Sizes.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;
using namespace mlir::mod;

/// The first operand that is a tensor.
static Value getFirstTensor(Operation *op) {
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()))
      return operand;
  return {};
}

/// A tensor that a dimension's size comes from, or null.
static Value getOrigin(OpResult result, int64_t dim) {
  Operation *op = result.getOwner();
  if (isa<EmbeddingOp, PositionsOp, RMSNormOp, InverseRMSOp, LinearOp, RopeOp,
          AttentionOp, CachedAttentionOp, RouterOp, PredictorOp, SoftmaxOp,
          MembersOp, PoolOp, LatchOp, NoiseOp>(op)) {
    auto destination = cast<DestinationOpInterface>(op);
    if (Value into = destination.getInto())
      return into;
    return dim < 2 ? op->getOperand(destination.getSizeOperand(dim)) : Value();
  }
  if (auto gather = dyn_cast<GatherOp>(op))
    return dim == 1 ? gather.getIndices() : gather.getX();
  if (auto scatter = dyn_cast<ScatterOp>(op))
    return scatter.getX();
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return linalgOp.getDpsInits()[result.getResultNumber()];
  if (OpTrait::hasElementwiseMappableTraits(op))
    return getFirstTensor(op);
  return {};
}

OpFoldResult mod::getSize(OpBuilder &builder, Location loc, Value tensor,
                          int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  while (auto result = dyn_cast<OpResult>(tensor)) {
    Value origin = getOrigin(result, dim);
    if (!origin)
      break;
    tensor = origin;
  }
  return tensor::getMixedSize(builder, loc, tensor, dim);
}

SmallVector<OpFoldResult> mod::getSizes(OpBuilder &builder, Location loc,
                                        Value tensor) {
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  return llvm::map_to_vector(llvm::seq(rank), [&](int64_t dim) {
    return getSize(builder, loc, tensor, dim);
  });
}

void mod::simplifySizes(RewriterBase &rewriter, Operation *op) {
  op->walk([&](tensor::DimOp op) {
    std::optional<int64_t> dim = op.getConstantIndex();
    if (!dim || !isa<RankedTensorType>(op.getSource().getType()))
      return;
    rewriter.setInsertionPoint(op);
    OpFoldResult size = getSize(rewriter, op.getLoc(), op.getSource(), *dim);
    rewriter.replaceOp(
        op, getValueOrCreateConstantIndexOp(rewriter, op.getLoc(), size));
  });
}
