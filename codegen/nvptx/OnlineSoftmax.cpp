//===- OnlineSoftmax.cpp - A softmax over keys that come in tiles ---------===//
//
// Powers are by the largest score so far; what was summed before is corrected
// when that grows.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/OnlineSoftmax.h"
#include <cfloat>
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

OnlineSoftmax::OnlineSoftmax(ThreadBuilder &b, int64_t rows,
                             int64_t valuesOfRow)
    : b(b), largest(rows, b.f32(-FLT_MAX)), sums(rows, b.f32(0.0)),
      values(rows, Values(valuesOfRow, b.f32(0.0))) {}

/// Less than what rows begin with, so that its power is zero in any case.
Value OnlineSoftmax::getUnseen(ThreadBuilder &b) { return b.f32(-INFINITY); }

void OnlineSoftmax::add(int64_t row, ArrayRef<Value *> scores, int64_t lanes) {
  auto larger = [&](Value x, Value y) { return b.maxf(x, y); };
  Value next = *scores.front();
  for (Value *score : scores.drop_front())
    next = larger(next, *score);
  next = larger(largest[row], b.reduceLanes(next, 1, lanes, larger));
  Value correction = b.exp2(b.subf(largest[row], next));
  largest[row] = next;
  Value &sum = sums[row];
  sum = b.mulf(sum, correction);
  for (Value *score : scores) {
    *score = b.exp2(b.subf(*score, next));
    sum = b.addf(sum, *score);
  }
  for (Value &value : values[row])
    value = b.mulf(value, correction);
}

Values OnlineSoftmax::getCarried() const {
  Values carried(largest);
  llvm::append_range(carried, sums);
  for (const Values &row : values)
    llvm::append_range(carried, row);
  return carried;
}

void OnlineSoftmax::setCarried(ValueRange carried) {
  auto take = [&](Values &part) {
    llvm::copy(carried.take_front(part.size()), part.begin());
    carried = carried.drop_front(part.size());
  };
  take(largest);
  take(sums);
  for (Values &row : values)
    take(row);
}
