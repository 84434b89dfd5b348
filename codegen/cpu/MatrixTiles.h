//===- MatrixTiles.h - Products with weights by tiles -----------*- C++ -*-===//
//
// Sums of many rows of narrow inputs with one panel of weights, in the tile
// registers of AMX.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_MATRIXTILES_H
#define MOD_CODEGEN_CPU_MATRIXTILES_H

#include "codegen/cpu/Multipliers.h"
#include "codegen/cpu/TileRegisters.h"

namespace mlir::mod {

/// Packed weights are tiles as they lie. Inputs beyond the last whole tile are
/// left to vectors.
class MatrixTiles {
public:
  /// Rows whose sums are computed at once.
  static constexpr int64_t rows = 2 * TileRegisters::rows;

  /// Whether tiles can do this product with many rows.
  static bool canDo(CpuTarget target, LinearOp op);

  /// Makes the memory for sums, on the stack of the task.
  MatrixTiles(KernelBuilder &builder, PackedWeight weight);

  /// Computes the sums of `count` rows from `firstRow` on with a panel;
  /// `registers` have the shape for them. `prefetch` asks memory for the places
  /// that the outputs of a row go to.
  using Prefetch = function_ref<void(Value row)>;
  void emitSums(Value firstRow, Value count, Value panel, Prefetch prefetch);
  /// Loads what row `i` of these came to, vector by vector, as f32.
  Values loadSums(Value i, Value row, Value panel);

  TileRegisters registers;

private:
  void emitPart(TileSums part, int64_t firstVector, Value firstRow, Value panel,
                function_ref<void(Value step)> lookAhead);

  KernelBuilder &b;
  LinearOp op;
  PackedWeight weight;
  int64_t vectors;
  /// Steps that whole tiles do.
  int64_t tileSteps;
  /// `[rows][panel]`: sums, integers by their bits.
  Value sums;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_MATRIXTILES_H
