//===- ShapeCloner.h - Clone ops for other shapes ---------------*- C++ -*-===//
//
// Clones a model's ops for another number of tokens: only the shapes of the
// first values are given, all others follow.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_SHAPECLONER_H
#define MOD_PASSES_SHAPECLONER_H

#include "dialect/ModOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::mod {

/// Clones ops whose operands are mapped to values of other shapes and infers
/// the types of their results. Passes override what they want otherwise.
class ShapeCloner {
public:
  explicit ShapeCloner(OpBuilder &builder) : builder(builder) {}
  virtual ~ShapeCloner() = default;

  /// Clones the ops of a block, its terminator as well.
  LogicalResult cloneBlock(Block &block);

  IRMapping mapping;

protected:
  /// Clones one op; an error names an op whose types cannot be inferred.
  virtual LogicalResult clone(Operation *op);
  /// Called for each linalg op whose operands change their shape.
  virtual LogicalResult checkLinalg(linalg::LinalgOp) { return success(); }
  /// The number of tokens that the region of a routed block is given.
  virtual int64_t getRoutedTokens(RoutedOp routed) = 0;
  /// Called when the arguments of a routed block's region were mapped to those
  /// of `body`.
  virtual void startRegion(Block &region, Block &body) {}
  /// Called when a routed block was cloned.
  virtual LogicalResult finishRouted(RoutedOp) { return success(); }
  /// The number of tokens that the regions of experts are given.
  virtual int64_t getExpertTokens(ExpertsOp experts) = 0;
  /// Called when experts were cloned.
  virtual void finishExperts(ExpertsOp) {}

  /// Whether a value is mapped to one of another type.
  bool isChanged(Value value);
  /// The dimensions of a value's type that change.
  SmallVector<bool> getChangedDims(Value value);

  OpBuilder &builder;

private:
  bool usesChanged(Operation *op);
  LogicalResult cloneAs(Operation *op, ArrayRef<int64_t> resultShape);
  LogicalResult cloneModOp(Operation *op);
  LogicalResult cloneRouted(RoutedOp routed);
  LogicalResult cloneExperts(ExpertsOp experts);
  LogicalResult cloneRegion(Region &region, Region &into,
                            ArrayRef<int64_t> shape);
  LogicalResult cloneElementwise(Operation *op);
  LogicalResult cloneLinalg(linalg::LinalgOp op);
  LogicalResult cloneConcat(tensor::ConcatOp op);
  LogicalResult cloneSlice(tensor::ExtractSliceOp op);
  void cloneFilled(Operation *op);
};

} // namespace mlir::mod

#endif // MOD_PASSES_SHAPECLONER_H
