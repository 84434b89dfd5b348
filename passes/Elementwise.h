//===- Elementwise.h - What elementwise ops compute -------------*- C++ -*-===//
//
// Sees one expression in ops on tensors and in the bodies of linalg.map.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_ELEMENTWISE_H
#define MOD_PASSES_ELEMENTWISE_H

#include "mlir/IR/Value.h"
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

} // namespace mlir::mod

#endif // MOD_PASSES_ELEMENTWISE_H
