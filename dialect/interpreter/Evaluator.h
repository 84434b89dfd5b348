//===- Evaluator.h - The state of one interpretation ------------*- C++ -*-===//
//
// Values by their SSA names; the ops' meanings are added dialect by dialect.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_INTERPRETER_EVALUATOR_H
#define MOD_DIALECT_INTERPRETER_EVALUATOR_H

#include "dialect/interpreter/Interpreter.h"
#include "llvm/ADT/DenseMap.h"

namespace mlir::mod {

class Evaluator {
public:
  /// Runs a block on `arguments`; gives the operands of its terminator.
  FailureOr<SmallVector<InterpreterValue>>
  run(Block &block, ArrayRef<InterpreterValue> arguments);

  const InterpreterValue &get(Value value) const { return values.at(value); }
  void set(Value value, InterpreterValue result) {
    values[value] = std::move(result);
  }

  /// A number: an attribute or a scalar that was computed.
  int64_t getInt(OpFoldResult number) const;
  SmallVector<int64_t> getInts(ArrayRef<OpFoldResult> numbers) const;

private:
  LogicalResult evaluate(Operation *op);

  DenseMap<Value, InterpreterValue> values;
};

/// Each runs an op of its kind, fails with an error, or does not know the op.
std::optional<LogicalResult> evaluateModOp(Evaluator &evaluator, Operation *op);
std::optional<LogicalResult> evaluateElementwiseOp(Evaluator &evaluator,
                                                   Operation *op);
std::optional<LogicalResult> evaluateTensorOp(Evaluator &evaluator,
                                              Operation *op);

} // namespace mlir::mod

#endif // MOD_DIALECT_INTERPRETER_EVALUATOR_H
