//===- Model.h - The function that is a model -------------------*- C++ -*-===//
//
// What a module must hold to be a model, and where its parts are.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_MODEL_H
#define MOD_PASSES_MODEL_H

#include "dialect/ModOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::mod {

/// The model: `@forward(tokens [batch, tokens]) -> logits [batch, tokens,
/// vocab]` of one block. An error says what is missing.
FailureOr<func::FuncOp> getForward(ModuleOp module);

/// The attribute of a routed block that numbers its layer.
inline constexpr llvm::StringLiteral kLayerAttr = "mod.layer";

/// The context that the module states, or none.
std::optional<int64_t> getContext(ModuleOp module);

/// The routed blocks of a function in program order.
SmallVector<RoutedOp> getRoutedOps(func::FuncOp func);

/// What an attention sees.
using KeysAndValues = std::pair<Value, Value>;

/// Whether a value is of the tokens of a routed block alone.
bool isOfBlock(Value value);

/// The keys and values that a model has caches of, each once, in program order;
/// those of the tokens of one routed block follow each other.
llvm::SetVector<KeysAndValues> getKeysAndValues(func::FuncOp func);

/// The linear that makes the logits, or null where they come from another op.
LinearOp getHead(func::FuncOp forward);

/// The value that a function returns.
Value getReturned(func::FuncOp func);

/// Erases ops without effect whose results nothing uses.
void eraseDeadOps(func::FuncOp func);

} // namespace mlir::mod

#endif // MOD_PASSES_MODEL_H
