//===- Attention.cpp - Causal attention over a cache ----------------------===//
//
// A block for each query and head: its threads take a key each, and then a
// column each of the sum of values. The softmax is kept online.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include <cfloat>
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kThreads = 128;

/// The softmax of the keys so far: the largest score, and the sum of powers.
struct Softmax {
  Value largest, sum;
};

/// Attention of one query in one head.
class QueryAttention {
public:
  QueryAttention(ThreadBuilder &b, PanelAttentionOp op);

  Geometry emit();

private:
  void emitQuery();
  void emitLoadQuery();
  Value emitScore(Value key, Value inside);
  Softmax emitTile(Value first, Softmax softmax);
  void emitValues(Value first, Value correction);
  void emitResult(Value sum);
  void forColumns(function_ref<void(Value)> body) {
    b.loop(b.thread(), b.index(headDim), kThreads, body);
  }
  Value getColumn(Value i) { return b.add(b.mul(head, headDim), i); }

  ThreadBuilder &b;
  PanelAttentionOp op;
  int64_t headDim, keyPanel, valuePanel;
  Value row, head, kvHead;
  Value keys;                ///< that the query sees
  Value query, sums, powers; ///< in shared memory
};
} // namespace

QueryAttention::QueryAttention(ThreadBuilder &b, PanelAttentionOp op)
    : b(b), op(op), headDim(op.getHeadDim()),
      keyPanel(getBound(op.getKeys(), 3)),
      valuePanel(getBound(op.getValues(), 3)), row(b.rowBlock()),
      head(b.otherBlock()),
      kvHead(b.div(head, int64_t(op.getHeads()) / op.getKvHeads())) {}

void QueryAttention::emitLoadQuery() {
  Value scale = b.f32(1.0 / std::sqrt(double(headDim)));
  forColumns([&](Value i) {
    Value x = b.load(op.getQuery(), {b.index(0), row, getColumn(i)});
    b.store(b.mulf(x, scale), query, {i});
    b.store(b.f32(0.0), sums, {i});
  });
}

/// The score of a key, less than any other where it is not seen.
Value QueryAttention::emitScore(Value key, Value inside) {
  return b.ifElse(inside, b.f32(-FLT_MAX), [&] {
    Value panel = b.div(key, keyPanel), column = b.rem(key, keyPanel);
    return b.loop(b.index(0), b.index(headDim), 1, {b.f32(0.0)},
                  [&](Value i, ValueRange sum) {
                    Value x = b.load(op.getKeys(), {kvHead, panel, i, column});
                    return Values{b.fma(b.load(query, {i}), x, sum[0])};
                  })[0];
  });
}

/// Adds the values of the tile by their powers.
void QueryAttention::emitValues(Value first, Value correction) {
  Value count = b.min(b.sub(keys, first), b.index(kThreads));
  forColumns([&](Value i) {
    Value panel = b.div(i, valuePanel), column = b.rem(i, valuePanel);
    Value init = b.mulf(b.load(sums, {i}), correction);
    Value sum =
        b.loop(b.index(0), count, 1, {init}, [&](Value key, ValueRange sum) {
          Value x = b.load(op.getValues(),
                           {kvHead, panel, b.add(first, key), column});
          return Values{b.fma(b.load(powers, {key}), x, sum[0])};
        })[0];
    b.store(sum, sums, {i});
  });
}

Softmax QueryAttention::emitTile(Value first, Softmax softmax) {
  Value key = b.add(first, b.thread());
  Value inside = b.lt(key, keys);
  Value score = emitScore(key, inside);
  Value largest = b.maxf(softmax.largest,
                         b.reduceBlock(score, kThreads, [&](Value x, Value y) {
                           return b.maxf(x, y);
                         }));
  Value correction = b.exp(b.subf(softmax.largest, largest));
  Value power = b.select(inside, b.exp(b.subf(score, largest)), b.f32(0.0));
  b.store(power, powers, {b.thread()});
  // It also lets all threads see the powers.
  Value sum = b.reduceBlock(power, kThreads,
                            [&](Value x, Value y) { return b.addf(x, y); });
  emitValues(first, correction);
  b.barrier();
  return {largest, b.fma(softmax.sum, correction, sum)};
}

void QueryAttention::emitResult(Value sum) {
  Value inverse = b.divf(b.f32(1.0), sum);
  forColumns([&](Value i) {
    b.store(b.mulf(b.load(sums, {i}), inverse), op.getInto(),
            {b.index(0), row, getColumn(i)});
  });
}

void QueryAttention::emitQuery() {
  query = b.shared({headDim});
  sums = b.shared({headDim});
  powers = b.shared({kThreads});
  // The queries are the last of the tokens that there are keys of.
  Value rows = b.dim(op.getQuery(), 1);
  keys = b.add(b.sub(op.getCount(), rows), b.add(row, b.index(1)));
  emitLoadQuery();
  b.barrier();
  Values softmax =
      b.loop(b.index(0), keys, kThreads, {b.f32(-FLT_MAX), b.f32(0.0)},
             [&](Value first, ValueRange carried) {
               Softmax next = emitTile(first, {carried[0], carried[1]});
               return Values{next.largest, next.sum};
             });
  emitResult(softmax[1]);
}

Geometry QueryAttention::emit() {
  Value rows = b.dim(op.getQuery(), 1);
  b.ifThen(b.lt(row, rows), [&] { emitQuery(); });
  return {kThreads, rows, 1, int64_t(op.getHeads())};
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, PanelAttentionOp op) {
  return QueryAttention(b, op).emit();
}
