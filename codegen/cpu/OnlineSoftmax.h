//===- OnlineSoftmax.h - Attention block of keys by block of keys -*- C++
//-*-===//
//
// The state that attention keeps per row of scores while blocks of keys pass.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_ONLINESOFTMAX_H
#define MOD_CODEGEN_CPU_ONLINESOFTMAX_H

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/RegisterTile.h"

namespace mlir::mod {

/// Softmax(scores) . value for some rows of scores with one head of keys, by
/// the online algorithm (Dao, arXiv:2307.08691): scores never leave the cache.
struct OnlineSoftmax {
  /// Keys of one block.
  static constexpr int64_t blockKeys = 64;

  /// A block of keys: the first, and how many.
  struct Keys {
    Value first, count;
  };

  /// Makes the state of `rows` rows on the stack.
  OnlineSoftmax(KernelBuilder &builder, AttentionOp op, Value keyHead,
                int64_t rows);

  /// Turns the scores of `row`, of which `limit` are valid, into weights.
  void emitWeights(Value row, Value limit);
  /// Adds the weighted values to the sums of rows `row`, `row + 1`, ...
  void emitValues(Value row, RegisterTile tile, Keys keys);
  /// Writes what `row` sums up to behind `into[0, query, column]`.
  void emitResult(Value row, Value into, Value query, Value column);

  KernelBuilder &b;
  AttentionOp op;
  int64_t headDim;
  /// The first column of the head in keys and values.
  Value keyColumn;
  /// `[rows][blockKeys]`: scores (in powers of two), then weights.
  Value scores;

private:
  void emitReset(int64_t rows);
  std::pair<Values, Value> emitMasked(Value row, Value limit);
  void emitRescale(Value row, Value maximum, Value newMaximum, Value total);
  void emitValueColumns(Value row, int64_t rows, Keys keys,
                        ArrayRef<Columns> columns);

  int64_t lanes;
  /// `[rows][headDim]`: weighted values so far.
  Value sums;
  /// `[rows]`: the largest score so far, the total of weights relative to it,
  /// and the factor by which the last block changed weights.
  Value maxima, totals, factors;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_ONLINESOFTMAX_H
