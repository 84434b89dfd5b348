//===- Sizes.h - Where the size of a tensor was said first ------*- C++ -*-===//
//
// Dynamic sizes as the few values that they all stem from.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_SIZES_H
#define MOD_PASSES_SIZES_H

#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::mod {

/// The size of one dimension of a tensor. A dynamic one is looked for where the
/// ops that keep it have it from (the count of a selection rather than a
/// dimension of an attention's result), so that its bound is plain to see.
OpFoldResult getSize(OpBuilder &builder, Location loc, Value tensor,
                     int64_t dim);

/// The sizes of all dimensions.
SmallVector<OpFoldResult> getSizes(OpBuilder &builder, Location loc,
                                   Value tensor);

/// Makes all that asks for the size of a tensor ask `getSize`: those of
/// gathered tokens are counts of selections, as bounds are read off these.
void simplifySizes(RewriterBase &rewriter, Operation *op);

} // namespace mlir::mod

#endif // MOD_PASSES_SIZES_H
