//===- OnlineSoftmax.h - Attention, block of keys by block ------*- C++ -*-===//
//
// The state that attention keeps per row of scores while blocks of keys pass.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_ONLINESOFTMAX_H
#define MOD_CODEGEN_CPU_ONLINESOFTMAX_H

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/RegisterTile.h"

namespace mlir::mod {

/// Softmax(query . key) . value for some rows of queries with one head of
/// keys, by the online algorithm (Dao, arXiv:2307.08691): scores never leave
/// the cache. Rows are queries of one head, or heads of one query.
struct OnlineSoftmax {
  /// Makes the state of `rows` rows on the stack of the task, whose products
  /// may be those of tiles.
  OnlineSoftmax(KernelBuilder &builder, PanelAttentionOp op, Value keyHead,
                int64_t rows, bool byTiles = false);

  /// Keys of one block: scores of a block stay in the second level cache.
  static int64_t getBlockKeys(PanelAttentionOp op);
  /// Rows of a tile of so many vectors of keys or values.
  static int64_t getTileRows(CpuTarget target, PanelAttentionOp op,
                             int64_t vectors);
  /// Bytes of the state of one row.
  static int64_t getRowBytes(PanelAttentionOp op);

  /// Makes `row` the head of a query that starts at `column`.
  void emitQuery(Value row, Value query, Value column);
  /// Forgets the maxima of the scores of the block before.
  void emitBlock(Value firstRow, Value endRow);

  /// What scores become before they are stored: those of row `i` of a tile
  /// with the keys in the lanes of vector `j`.
  using Mask = function_ref<Values(ValueRange scores)>;
  /// Scores of rows `row`, ... with one panel of keys, which starts at `key`
  /// of the block.
  void emitScores(int64_t rows, Value row, Value panel, Value key, Mask mask);
  /// Turns the scores of `row` with the first `count` keys of the block, a
  /// multiple of a panel, into weights.
  void emitWeights(Value row, Value count);
  /// Adds `count` weighted values from token `first` on to the sums of rows
  /// `row`, ..., in the columns of one panel of values.
  void emitValues(int64_t rows, Value row, Value panel, Value first,
                  Value count);
  /// Writes what `row` sums up to behind `into[0, query, column]`.
  void emitResult(Value row, Value query, Value column);
  /// Writes the sums of `row`, its maximum and its total to `partials`.
  void emitPartial(Value row, Value head, Value split);

  /// The scores `scores[i][j]` whose key `first + j * lanes + lane` is before
  /// `end(i)` and, if there is a window, not before `begin(i)`; others as low
  /// as can be.
  Values emitMask(RegisterTile tile, ValueRange scores, Value first,
                  function_ref<Value(int64_t)> end,
                  function_ref<Value(int64_t)> begin);

  /// Where the keys end that a query sees.
  static Value getEnd(KernelBuilder &b, PanelAttentionOp op, Value query);
  /// The first key that a window shows to a query that is the last of those
  /// before `end`; the first one of its panel. All of them are shown without a
  /// window.
  static Value getFirstKey(KernelBuilder &b, PanelAttentionOp op, Value end);
  static Value getFirstPanelKey(KernelBuilder &b, PanelAttentionOp op,
                                Value end);

  /// Less than any score, and finite: differences of it are no NaN.
  static constexpr double lowest = -1.0e30;

  KernelBuilder &b;
  PanelAttentionOp op;
  int64_t headDim, keyVectors, valueVectors, valuePanels;

private:
  friend class AttentionTiles;

  void emitReset(Value row);
  void padQuery(Value row);
  void emitRescale(Value row, Value maximum, Value newMaximum, Value total);

  int64_t lanes;
  /// Numbers of keys and values that lie together.
  int64_t together;
  Value keyHead;
  /// The panels, pairs among their columns.
  Value keys, values;
  /// `[rows][headDim]`, scaled so that scores are exponents of two; zeros make
  /// the last tile whole.
  Value queries;
  /// `[rows][keys of a block]`; weights may take the place of scores. Queries
  /// and weights are narrow where products of pairs take such.
  Value scores, weights;
  /// `[rows][valuePanels * valuePanel]`: weighted values so far.
  Value sums;
  /// `[rows][lanes]`: the largest scores of the block, lane by lane.
  Value blockMaxima;
  /// `[rows]`: the largest score so far, rounded, the total of weights relative
  /// to it, and the factor by which the last block changed weights.
  Value maxima, totals, factors;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_ONLINESOFTMAX_H
