//===- Rows.h - Rows of tokens in the interpreter ---------------*- C++ -*-===//
//
// What ops do with rows of tokens: multiply, select, gather and scatter them.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_INTERPRETER_ROWS_H
#define MOD_DIALECT_INTERPRETER_ROWS_H

#include "dialect/interpreter/Evaluator.h"

namespace mlir::mod {

/// The dot product of two rows, in f32.
float multiplyRows(const double *a, const double *b, int64_t length);

/// `x[b, indices[b, i], ...]`.
InterpreterValue gatherRows(const InterpreterValue &x,
                            const InterpreterValue &indices);

/// Where rows go, and what they are multiplied by.
struct Scatter {
  const InterpreterValue &indices;
  /// What the gate reads; null without a gate.
  const InterpreterValue *scores;
  GateAttr gate;
  /// Whether what a row was stays.
  bool isSum;
};

/// `x[b, indices[b, i]] += gate(scores[b, indices[b, i]]) * update[b, i]`.
void scatterRows(InterpreterValue &x, const InterpreterValue &update,
                 Scatter how);

/// The indices of all tokens of `x`.
InterpreterValue getAllIndices(const InterpreterValue &x);

/// The indices that an op writes rows of `x` at.
InterpreterValue getRowIndices(Evaluator &evaluator, Value indices,
                               const InterpreterValue &x);

/// What an op selects: the largest scores, those that pass, or both.
struct SelectionRule {
  Attribute capacity;
  Ties ties = Ties::first;
  bool forced = false;
  ThresholdAttr threshold;
};

/// The tokens that a rule selects.
std::vector<bool> markSelected(ArrayRef<double> scores,
                               const SelectionRule &rule);

/// The ascending indices of the tokens that are marked as `value` says.
std::vector<double> getMarked(const std::vector<bool> &marks, bool value);

} // namespace mlir::mod

#endif // MOD_DIALECT_INTERPRETER_ROWS_H
