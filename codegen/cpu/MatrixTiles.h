//===- MatrixTiles.h - Products by the tiles of AMX -------------*- C++ -*-===//
//
// Sums of many rows of narrow inputs with one panel of weights, in the tile
// registers of AMX.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_MATRIXTILES_H
#define MOD_CODEGEN_CPU_MATRIXTILES_H

#include "codegen/cpu/Multipliers.h"

namespace mlir::mod {

/// A tile register holds 16 rows of 64 bytes: rows of inputs, what 16 outputs
/// take of 16 words of inputs, or 16 x 16 sums (Intel, Architecture
/// Instruction Set Extensions, "Intel AMX"). Packed weights are such tiles as
/// they lie. Inputs beyond the last whole tile are left to vectors.
class MatrixTiles {
public:
  /// Rows whose sums are computed at once.
  static constexpr int64_t rows = 32;

  /// Whether tiles can do this product with many rows.
  static bool canDo(CpuTarget target, LinearOp op);

  /// Makes the memory for sums, on the stack of the task.
  MatrixTiles(KernelBuilder &builder, PackedWeight weight);

  /// Shapes the registers for `count` rows, at most `rows`; they are zero then.
  void emitConfigure(Value count);
  /// Computes the sums of `count` rows from `firstRow` on with a panel; the
  /// registers have the shape for them.
  void emitSums(Value firstRow, Value count, Value panel);
  /// Loads what row `i` of these came to, vector by vector, as f32.
  Values loadSums(Value i, Value row, Value panel);
  /// Gives the registers back.
  void emitRelease();

private:
  /// Tiles of rows, and vectors of outputs, that registers hold sums of.
  struct Part {
    int64_t rowTiles, firstVector, vectors;

    Value getSum(KernelBuilder &b, int64_t i, int64_t j) const;
  };

  void emitPart(Part part, Value firstRow, Value panel);
  void emitStep(Part part, Value firstRow, Value panel, Value step);
  void storeSums(Part part);

  KernelBuilder &b;
  LinearOp op;
  PackedWeight weight;
  int64_t vectors;
  /// Steps that whole tiles do.
  int64_t tileSteps;
  /// `[rows][panel]`: sums, integers by their bits.
  Value sums;
  /// What the registers are configured by.
  Value shape;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_MATRIXTILES_H
