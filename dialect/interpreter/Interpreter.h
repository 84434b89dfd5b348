//===- Interpreter.h - The executable meaning of the ops --------*- C++ -*-===//
//
// Runs a function of the functional form with plain loops in f32: what the
// compiler's output is compared with.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_INTERPRETER_INTERPRETER_H
#define MOD_DIALECT_INTERPRETER_INTERPRETER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <memory>
#include <vector>

namespace mlir::mod {

/// What a `!mod.kv_cache` is a handle on: of each sequence the rows in use, one
/// behind the other. A `!mod.latch` keeps its score as the one key.
struct InterpreterCache {
  struct Rows {
    std::vector<double> keys, values;
    std::vector<double> positions; // where the type of the cache has them
  };
  std::vector<Rows> sequences;
};

/// A number (of empty shape), a tensor in row-major order, or a handle. A
/// `double` holds every f32, f16, bf16, i32 and index exactly; results of
/// floating point ops are rounded to f32.
struct InterpreterValue {
  SmallVector<int64_t> shape;
  std::vector<double> data;
  std::shared_ptr<InterpreterCache> cache;
  /// The buffer of a `!mod.trace`, or absent.
  std::shared_ptr<std::vector<double>> trace;

  InterpreterValue() = default;
  /// A number.
  InterpreterValue(double number) : data{number} {}
  /// A tensor of zeros.
  InterpreterValue(ArrayRef<int64_t> shape);

  /// The number of rows of the last dimension.
  int64_t getNumRows() const;
  /// Row `index` of the last dimension.
  double *getRow(int64_t index);
  const double *getRow(int64_t index) const;
};

/// Runs `function`; reports ops that it does not know.
FailureOr<SmallVector<InterpreterValue>>
interpret(func::FuncOp function, ArrayRef<InterpreterValue> arguments);

} // namespace mlir::mod

#endif // MOD_DIALECT_INTERPRETER_INTERPRETER_H
