//===- Evaluator.h - The state of one interpretation ------------*- C++ -*-===//
//
// Values by their SSA names; the ops' meanings are added dialect by dialect.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_INTERPRETER_EVALUATOR_H
#define MOD_DIALECT_INTERPRETER_EVALUATOR_H

#include "dialect/ModOps.h"
#include "dialect/interpreter/Interpreter.h"
#include "llvm/ADT/DenseMap.h"

namespace mlir::mod {

class Evaluator {
public:
  /// `start` is the number of tokens before those of the program.
  explicit Evaluator(int64_t start) : start(start) {}

  /// Runs a block on `arguments`; gives the operands of its terminator.
  FailureOr<SmallVector<InterpreterValue>>
  run(Block &block, ArrayRef<InterpreterValue> arguments);

  const InterpreterValue &get(Value value) const { return values.at(value); }
  void set(Value value, InterpreterValue result) {
    values[value] = std::move(result);
  }

  int64_t getStart() const { return start; }

  /// A number: an attribute or a scalar that was computed.
  int64_t getInt(OpFoldResult number) const;
  SmallVector<int64_t> getInts(ArrayRef<OpFoldResult> numbers) const;

private:
  LogicalResult evaluate(Operation *op);

  int64_t start;
  DenseMap<Value, InterpreterValue> values;
};

/// Each runs an op of its kind, fails with an error, or does not know the op.
std::optional<LogicalResult> evaluateModOp(Evaluator &evaluator, Operation *op);
std::optional<LogicalResult> evaluateRoutingOp(Evaluator &evaluator,
                                               Operation *op);
std::optional<LogicalResult> evaluateExpertOp(Evaluator &evaluator,
                                              Operation *op);
std::optional<LogicalResult> evaluateProductOp(Evaluator &evaluator,
                                               Operation *op);
std::optional<LogicalResult> evaluateElementwiseOp(Evaluator &evaluator,
                                                   Operation *op);
std::optional<LogicalResult> evaluateTensorOp(Evaluator &evaluator,
                                              Operation *op);

/// The rows of `x` that an op with a `rows` clause computes with.
InterpreterValue getRows(Evaluator &evaluator, Value x, Value rows);

/// The product of a linear, up to and including its bias.
InterpreterValue multiply(Evaluator &evaluator, LinearOp op);

} // namespace mlir::mod

#endif // MOD_DIALECT_INTERPRETER_EVALUATOR_H
