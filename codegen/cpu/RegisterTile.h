//===- RegisterTile.h - The inner loop of products --------------*- C++ -*-===//
//
// A tile of sums of products that stays in vector registers.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_REGISTERTILE_H
#define MOD_CODEGEN_CPU_REGISTERTILE_H

#include "codegen/cpu/KernelBuilder.h"

namespace mlir::mod {

/// `rows` rows of `vectors` vectors. Element `[i][j]` of a tile's values is
/// number `i * vectors + j`.
struct RegisterTile {
  int64_t rows;
  int64_t vectors;
  /// Steps of K that are summed up apart from each other, so that no addition
  /// waits for the one before.
  int64_t split = 1;
  /// Steps of one iteration, at least `split`.
  int64_t unroll = 1;

  int64_t size() const { return rows * vectors; }

  /// The tile with as much of a split as a target's registers leave room for
  /// and its multiply-adds need. An operand of one is in `operandRegisters`.
  static RegisterTile get(CpuTarget target, int64_t rows, int64_t vectors,
                          int64_t operandRegisters = 1);
};

/// What is multiplied, and how: one step along K multiplies a row's part of A
/// with a vector's part of B. The functions that are given are those of f32.
class Multiplier {
public:
  explicit Multiplier(KernelBuilder &builder) : b(builder) {}
  virtual ~Multiplier() = default;

  /// What row `i` of the tile multiplies at a step, in every lane.
  virtual Values loadA(int64_t i, Value step) = 0;
  /// What vector `j` of the tile multiplies at a step.
  virtual Values loadB(int64_t j, Value step) = 0;

  /// Called before each step, the `number`th of an iteration.
  virtual void lookAhead(Value step, int64_t number) {}

  virtual Value getZero() { return b.splat(0.0); }
  virtual Value add(Value x, Value y) { return b.addf(x, y); }
  virtual Value multiplyAdd(ValueRange a, ValueRange b, Value sum) {
    return this->b.fma(a[0], b[0], sum);
  }

protected:
  KernelBuilder &b;
};

/// `inits[i][j] + sum_step A(i, step) * B(j, step)` for `from <= step < to`.
Values emitProducts(KernelBuilder &builder, RegisterTile tile, Value from,
                    Value to, ValueRange inits, Multiplier &multiplier);

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_REGISTERTILE_H
