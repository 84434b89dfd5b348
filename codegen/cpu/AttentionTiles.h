//===- AttentionTiles.h - Attention by tiles --------------------*- C++ -*-===//
//
// Scores and sums of values of many queries, in the tile registers of AMX.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_ATTENTIONTILES_H
#define MOD_CODEGEN_CPU_ATTENTIONTILES_H

#include "codegen/cpu/OnlineSoftmax.h"
#include "codegen/cpu/TileRegisters.h"

namespace mlir::mod {

/// The products of an `OnlineSoftmax`, whose state they share. Panels of keys
/// and of values in pairs are tiles as they lie; what is less than a tile is
/// copied to one.
class AttentionTiles {
public:
  /// Rows of queries that tiles take at once.
  static constexpr int64_t rows = 2 * TileRegisters::rows;

  /// Whether tiles can do this attention with many queries.
  static bool canDo(CpuTarget target, PanelAttentionOp op);

  AttentionTiles(KernelBuilder &builder, OnlineSoftmax &softmax);

  /// Prepares for a panel of keys.
  void emitPanel(Value panel);
  /// Scores of rows `row`, ... with that panel, which starts at `key` of the
  /// block; none is masked.
  void emitScores(Value row, Value panel, Value key);
  /// Masks what `row` does not see of the first `count` keys of the block,
  /// which is all but those from `begin`, null for 0, to `end`, and finds the
  /// largest scores.
  void emitMask(Value row, Value begin, Value end, Value count);
  /// What `OnlineSoftmax::emitValues` does for rows `row`, ...
  void emitValues(Value row, Value panel, Value first, Value count);

  TileRegisters registers;

private:
  void copyRest(Value panels, Value panel, Value first, Value count,
                Value rest);
  void emitRescale(Value row, Value column);
  /// Tile `i` of the rows from `row` on.
  TileAddress getRows(Value memref, Value row, int64_t i, Value column);

  KernelBuilder &b;
  OnlineSoftmax &softmax;
  /// `[rows of a tile][panel]`: the last pairs of a head's dimensions, null
  /// where these are whole tiles, and of values.
  Value keyRest, valueRest;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_ATTENTIONTILES_H
