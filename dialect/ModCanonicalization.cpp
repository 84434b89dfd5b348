//===- ModCanonicalization.cpp - Simpler forms of ops -----------*- C++ -*-===//
//
// Rewrites that hold exactly, for `canonicalize`.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::mod;

/// The operand without a cast that only forgets dimensions.
static Value skipCast(OpOperand &operand) {
  auto cast = operand.get().getDefiningOp<tensor::CastOp>();
  return tensor::canFoldIntoConsumerOp(cast) ? cast.getSource() : operand.get();
}

/// The type of the result with the dimensions that the operands fix.
static RankedTensorType refineResult(DestinationOpInterface op,
                                     ValueRange operands) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<int64_t> shape(type.getShape());
  for (auto [dim, size] : llvm::enumerate(shape))
    if (ShapedType::isDynamic(size))
      size = cast<ShapedType>(operands[op.getSizeOperand(dim)].getType())
                 .getDimSize(op.getSizeDim(dim));
  return type.clone(shape);
}

namespace {
/// Static dimensions of operands, also those behind casts, become static
/// dimensions of the result.
struct RefineTypes : OpInterfaceRewritePattern<DestinationOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(DestinationOpInterface op,
                                PatternRewriter &rewriter) const override {
    if (op.getInto() || op->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "not in the functional form");
    auto operands = llvm::map_to_vector(op->getOpOperands(), skipCast);
    RankedTensorType type = refineResult(op, operands);
    Value result = op->getResult(0);
    if (type == result.getType() && llvm::equal(operands, op->getOperands()))
      return rewriter.notifyMatchFailure(op, "types are as static as they get");
    Operation *newOp = rewriter.insert(Operation::create(
        op.getLoc(), op->getName(), type, operands,
        op->getDiscardableAttrDictionary(), op->getPropertiesStorage(),
        /*successors=*/{}, /*numRegions=*/0));
    if (type == result.getType())
      rewriter.replaceOp(op, newOp);
    else
      rewriter.replaceOpWithNewOp<tensor::CastOp>(op, result.getType(),
                                                  newOp->getResult(0));
    return success();
  }
};

/// The size of a result is that of an operand.
struct FoldDim : OpRewritePattern<tensor::DimOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tensor::DimOp dim,
                                PatternRewriter &rewriter) const override {
    auto source = dim.getSource().getDefiningOp<DestinationOpInterface>();
    std::optional<int64_t> index = dim.getConstantIndex();
    auto type = cast<ShapedType>(dim.getSource().getType());
    if (!source || !index || !type.isDynamicDim(*index))
      return rewriter.notifyMatchFailure(dim, "not batch or tokens of an op");
    OpOperand *into = source.getIntoOperand();
    Value same =
        into ? into->get() : source->getOperand(source.getSizeOperand(*index));
    rewriter.replaceOpWithNewOp<tensor::DimOp>(
        dim, same, into ? *index : source.getSizeDim(*index));
    return success();
  }
};

/// Rows of rows: `x[i][j] = x[i[j]]`.
struct ComposeGathers : OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GatherOp outer,
                                PatternRewriter &rewriter) const override {
    auto inner = outer.getX().getDefiningOp<GatherOp>();
    if (!inner || outer.getInto())
      return rewriter.notifyMatchFailure(outer, "not rows of rows");
    Value indices = GatherOp::create(rewriter, outer.getLoc(),
                                     inner.getIndices(), outer.getIndices())
                        .getResult();
    rewriter.modifyOpInPlace(outer, [&] {
      outer.getXMutable().assign(inner.getX());
      outer.getIndicesMutable().assign(indices);
    });
    return success();
  }
};

/// A bias of zeros adds nothing.
template <typename OpTy>
struct DropZeroBias : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    if (!op.getBias() || !matchPattern(op.getBias(), m_AnyZeroFloat()))
      return rewriter.notifyMatchFailure(op, "the bias may not be zero");
    rewriter.modifyOpInPlace(op, [&] { op.getBiasMutable().clear(); });
    return success();
  }
};
} // namespace

void ModDialect::getCanonicalizationPatterns(
    RewritePatternSet &patterns) const {
  patterns.add<RefineTypes, FoldDim, ComposeGathers, DropZeroBias<LinearOp>,
               DropZeroBias<RouterOp>>(patterns.getContext());
}
