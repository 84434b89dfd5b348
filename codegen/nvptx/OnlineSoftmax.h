//===- OnlineSoftmax.h - A softmax over keys that come in tiles -*- C++ -*-===//
//
// What a thread keeps of its rows: it goes through loops as one list of values.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_ONLINESOFTMAX_H
#define MOD_CODEGEN_NVPTX_ONLINESOFTMAX_H

#include "codegen/nvptx/ThreadBuilder.h"

namespace mlir::mod {

/// Of each row the largest score so far, the sum of powers of two by it, and
/// sums of values by these powers.
struct OnlineSoftmax {
  OnlineSoftmax(ThreadBuilder &b, int64_t rows, int64_t valuesOfRow);

  /// Makes scores of a row powers, and what was summed so far that by the new
  /// largest score, which so many lanes side by side have together. Sums are
  /// those of each lane. Keys that are not seen have the score of `getUnseen`.
  void add(int64_t row, ArrayRef<Value *> scores, int64_t lanes);
  static Value getUnseen(ThreadBuilder &b);

  Values getCarried() const;
  void setCarried(ValueRange carried);

  ThreadBuilder &b;
  Values largest, sums;
  SmallVector<Values> values;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_ONLINESOFTMAX_H
