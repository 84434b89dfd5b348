//===- Elementwise.h - What elementwise ops compute -------------*- C++ -*-===//
//
// Sees one expression in ops on tensors and in the bodies of linalg.map, and
// writes those that several places need.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_ELEMENTWISE_H
#define MOD_PASSES_ELEMENTWISE_H

#include "dialect/ModOps.h"
#include "llvm/ADT/SetVector.h"
#include <optional>

namespace mlir::mod {

/// The two tensors whose sum a tensor is, as its op says it; none otherwise.
std::optional<std::pair<Value, Value>> matchSum(Value tensor);

/// `silu(gate) * up`, in any order and any of the usual ways to write a
/// sigmoid, and the ops on tensors that compute it.
struct GatedProduct {
  Value gate, up;
  SetVector<Operation *> ops;
};
std::optional<GatedProduct> matchGatedProduct(Value tensor);

/// `silu(x)` of each element, with `silu(x) = x / (1 + exp(-x))`, as a map into
/// `init`; times those of `factor`, if there is one.
Value createSilu(OpBuilder &builder, Location loc, Value x, Value init,
                 Value factor = {});

/// Whether a number passes a threshold, or is positive where that is null; an
/// i1.
Value createTest(OpBuilder &builder, Location loc, Value number,
                 ThresholdAttr threshold);

} // namespace mlir::mod

#endif // MOD_PASSES_ELEMENTWISE_H
