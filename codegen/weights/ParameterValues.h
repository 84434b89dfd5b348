//===- ParameterValues.h - Values known before a program runs ---*- C++ -*-===//
//
// Which values are computed from parameters alone.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_WEIGHTS_PARAMETERVALUES_H
#define MOD_CODEGEN_WEIGHTS_PARAMETERVALUES_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace mlir::mod {

/// The values an op depends on: its operands, and what its regions use from
/// outside of them.
SmallVector<Value> getDependencies(Operation *op);

/// Answers whether values are *parameter-only*: loaded from a constant global,
/// or the static tensor results of a pure op all of whose dependencies are
/// parameter-only or constants. Ops of the mod dialect are what a program is
/// for and never count. Valid as long as no op is erased.
class ParameterValues {
public:
  bool contains(Value value);
  bool contains(Operation *op) { return classify(op) == Kind::parameter; }

  /// Whether an op is parameter-only or lies in the region of one that is.
  bool isWithin(Operation *op);

private:
  enum class Kind { constant, parameter, other };
  Kind classify(Value value);
  Kind classify(Operation *op);
  Kind compute(Operation *op);

  llvm::DenseMap<Operation *, Kind> kinds;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_WEIGHTS_PARAMETERVALUES_H
