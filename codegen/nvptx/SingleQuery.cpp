//===- SingleQuery.cpp - Attention of one query over a long cache ---------===//
//
// Each key and value is read once, for all heads that share it. Some lanes have
// a key together, 16 bytes each; all lanes keep a softmax of their own until
// the end. Keys of a long cache are shared out among blocks, and the last of
// these to be done combines what all have made of their parts.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Attention.h"
#include "codegen/nvptx/OnlineSoftmax.h"
#include "llvm/Support/MathExtras.h"
#include <cfloat>

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kWarps = 4, kThreads = kWarps * kWarpThreads;
constexpr int64_t kLoadBytes = 16;
constexpr int64_t kMostSums = 64; // of values, in the registers of a lane
constexpr int64_t kAtOnce = 2;    // keys that a lane loads before it adds
constexpr int64_t kPartKeys = 64; // of a block, at least

/// What was made of some keys: the largest score, the sum of powers by it, and
/// one column of values by these.
struct Part {
  Value largest, sum, value;
};

class SingleQueryAttention {
public:
  SingleQueryAttention(ThreadBuilder &b, PanelAttentionOp op, Value counters);

  Geometry emit();

private:
  void emitLoadQueries();
  void emitKeys(Value first, Value end);
  Values loadLane(Value buffer, bool isKey, Value token);
  Values loadQuery(int64_t head);
  Values emitScores(int64_t head, ArrayRef<Values> keys, ArrayRef<Value> isIn);
  void addKeys(int64_t head, Values scores, ArrayRef<Values> values);
  void emitRound(Value firstKey, Value end);
  void combineLanes(int64_t head);
  void storeWarp();
  Part combine(Value count, Value column,
               function_ref<Values(Value source, Value column)> getPlace,
               Value buffer);
  void emitParts(Value parts);
  Value isLast(Value parts);
  void combineParts(Value parts);
  void forResults(function_ref<void(Value head, Value column)> body);
  void storeResult(Value head, Value column, const Part &part);

  int64_t laneElements() { return chunks * width; }
  int64_t lanesElements() { return lanes * laneElements(); }
  int64_t keysOfWarp() { return kWarpThreads / lanes; }
  Value getHead(Value i) { return b.add(firstHead, i); }
  /// Where a chunk of a lane begins in a head.
  Value getColumn(int64_t chunk) {
    return b.mul(b.add(b.rem(b.lane(), lanes), b.index(chunk * lanes)), width);
  }

  ThreadBuilder &b;
  PanelAttentionOp op;
  AttentionHead head;
  int64_t width;  ///< elements that are loaded at a time
  int64_t lanes;  ///< that have a key together
  int64_t chunks; ///< of `width` elements, of each of them
  int64_t heads;  ///< of a block
  int64_t splits; ///< blocks that share keys out
  Value counters, row, firstHead, slice, split;
  Value queries, warps;  ///< in shared memory
  OnlineSoftmax softmax; ///< of the lane's keys, in each head
};
} // namespace

static int64_t getWidth(PanelAttentionOp op) {
  auto type = cast<MemRefType>(op.getKeys().getType());
  int64_t width = kLoadBytes * 8 / type.getElementTypeBitWidth();
  bool isWhole = op->hasAttr(kAlignedAttr) && op.getHeadDim() % width == 0;
  return isWhole ? width : 1;
}

/// The most heads of a group that registers have room for, so that all blocks
/// have as many.
static int64_t chooseHeads(int64_t group, int64_t laneElements) {
  int64_t heads = std::clamp<int64_t>(kMostSums / laneElements, 1, group);
  while (group % heads)
    --heads;
  return heads;
}

SingleQueryAttention::SingleQueryAttention(ThreadBuilder &b,
                                           PanelAttentionOp op, Value counters)
    : b(b), op(op), head(b, op), width(getWidth(op)),
      lanes(std::min<int64_t>(kWarpThreads, llvm::PowerOf2Ceil(llvm::divideCeil(
                                                head.headDim, width)))),
      chunks(llvm::divideCeil(head.headDim, width * lanes)),
      heads(chooseHeads(head.group, laneElements())),
      splits(counters ? getBound(op.getPartials(), 1) : 1), counters(counters),
      row(b.rowBlock()), softmax(b, heads, laneElements()) {
  slice = b.div(b.otherBlock(), splits);
  split = b.rem(b.otherBlock(), splits);
  firstHead = b.mul(slice, heads);
  head.kvHead = b.div(firstHead, head.group);
}

//===----------------------------------------------------------------------===//
// Keys and values
//===----------------------------------------------------------------------===//

/// Queries in shared memory; zeros where lanes have more than a head.
void SingleQueryAttention::emitLoadQueries() {
  queries = b.shared({heads, lanesElements()});
  Value scale = head.getScale();
  b.loop(b.thread(), b.index(heads * lanesElements()), kThreads, [&](Value i) {
    Value which = b.div(i, lanesElements()), column = b.rem(i, lanesElements());
    Value inside = b.lt(column, b.index(head.headDim));
    Value x = b.ifElse(inside, b.f32(0.0), [&] {
      return b.mulf(
          b.load(op.getQuery(), head.getRow(row, getHead(which), column)),
          scale);
    });
    b.store(x, queries, {which, column});
  });
}

/// What a lane has of a key or value. Lanes beyond a head repeat its end, which
/// queries of zero leave out.
Values SingleQueryAttention::loadLane(Value buffer, bool isKey, Value token) {
  Values elements;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    Value column =
        b.mul(b.add(b.rem(b.lane(), lanes), b.index(chunk * lanes)), width);
    column = b.min(column, b.index(head.headDim - width));
    Value x = b.loadVector(buffer,
                           isKey ? head.getKey(token, column)
                                 : head.getValue(token, column),
                           width);
    for (int64_t i = 0; i < width; ++i)
      elements.push_back(b.extract(x, i));
  }
  return elements;
}

/// What a lane has of a query: 16 bytes of f32 are the most that is loaded at a
/// time.
Values SingleQueryAttention::loadQuery(int64_t which) {
  Values query;
  int64_t part = std::min<int64_t>(width, kLoadBytes / sizeof(float));
  for (int64_t i = 0; i < laneElements(); i += part) {
    Value column = b.add(getColumn(i / width), b.index(i % width));
    Value x = b.loadVector(queries, {b.index(which), column}, part);
    for (int64_t e = 0; e < part; ++e)
      query.push_back(b.extract(x, e));
  }
  return query;
}

/// The scores of some keys in one head, in all lanes that have the key.
Values SingleQueryAttention::emitScores(int64_t which, ArrayRef<Values> keys,
                                        ArrayRef<Value> isIn) {
  Values query = loadQuery(which), scores;
  for (auto [key, inside] : llvm::zip_equal(keys, isIn)) {
    Value score = b.f32(0.0);
    for (auto [x, y] : llvm::zip_equal(query, key))
      score = b.fma(x, y, score);
    score = b.reduceLanes(score, 1, lanes,
                          [&](Value x, Value y) { return b.addf(x, y); });
    scores.push_back(b.select(inside, score, OnlineSoftmax::getUnseen(b)));
  }
  return scores;
}

void SingleQueryAttention::addKeys(int64_t which, Values scores,
                                   ArrayRef<Values> values) {
  SmallVector<Value *> places;
  for (Value &score : scores)
    places.push_back(&score);
  softmax.add(which, places, /*lanes=*/1);
  for (auto [power, value] : llvm::zip_equal(scores, values))
    for (auto [sum, x] : llvm::zip_equal(softmax.values[which], value))
      sum = b.fma(power, x, sum);
}

/// Adds the keys of a round of all warps. Behind the last, that one is loaded.
void SingleQueryAttention::emitRound(Value firstKey, Value end) {
  Value own =
      b.add(b.mul(b.warp(), kAtOnce * keysOfWarp()), b.div(b.lane(), lanes));
  Value last = b.sub(end, b.index(1));
  SmallVector<Values> keys, values;
  Values isIn;
  for (int64_t i = 0; i < kAtOnce; ++i) {
    Value token = b.add(b.add(firstKey, own), b.index(i * keysOfWarp()));
    isIn.push_back(b.lt(token, end));
    token = b.min(token, last);
    keys.push_back(loadLane(op.getKeys(), /*isKey=*/true, token));
    values.push_back(loadLane(op.getValues(), /*isKey=*/false, token));
  }
  for (int64_t which = 0; which < heads; ++which)
    addKeys(which, emitScores(which, keys, isIn), values);
}

/// Adds the keys from `first` below `end`, of which there is one at least.
void SingleQueryAttention::emitKeys(Value first, Value end) {
  softmax.setCarried(b.loop(first, end, kWarps * kAtOnce * keysOfWarp(),
                            softmax.getCarried(),
                            [&](Value round, ValueRange carried) {
                              softmax.setCarried(carried);
                              emitRound(round, end);
                              return softmax.getCarried();
                            }));
}

//===----------------------------------------------------------------------===//
// Parts of the keys
//===----------------------------------------------------------------------===//

/// What lanes with other keys of the warp have, too.
void SingleQueryAttention::combineLanes(int64_t which) {
  auto reduce = [&](Value x, ThreadBuilder::Combine combine) {
    return b.reduceLanes(x, lanes, kWarpThreads, combine);
  };
  auto plus = [&](Value x, Value y) { return b.addf(x, y); };
  Value &own = softmax.largest[which];
  Value largest = reduce(own, [&](Value x, Value y) { return b.maxf(x, y); });
  Value correction = b.exp2(b.subf(own, largest));
  own = largest;
  Value &total = softmax.sums[which];
  total = reduce(b.mulf(total, correction), plus);
  for (Value &sum : softmax.values[which])
    sum = reduce(b.mulf(sum, correction), plus);
}

/// Each warp's part in shared memory: values, the largest score, the sum.
void SingleQueryAttention::storeWarp() {
  int64_t headDim = head.headDim;
  warps = b.shared({kWarps, heads, headDim + 2});
  for (int64_t which = 0; which < heads; ++which) {
    combineLanes(which);
    Value at = b.index(which);
    b.ifThen(b.lt(b.lane(), b.index(lanes)), [&] {
      for (int64_t i : llvm::seq(laneElements())) {
        Value column = b.add(getColumn(i / width), b.index(i % width));
        b.ifThen(b.lt(column, b.index(headDim)), [&] {
          b.store(softmax.values[which][i], warps, {b.warp(), at, column});
        });
      }
    });
    b.ifThen(b.eq(b.lane(), b.index(0)), [&] {
      b.store(softmax.largest[which], warps, {b.warp(), at, b.index(headDim)});
      b.store(softmax.sums[which], warps, {b.warp(), at, b.index(headDim + 1)});
    });
  }
}

/// One column of what sources have made of their keys.
Part SingleQueryAttention::combine(
    Value count, Value column,
    function_ref<Values(Value source, Value column)> getPlace, Value buffer) {
  auto load = [&](Value source, Value column) {
    return b.load(buffer, getPlace(source, column));
  };
  Value largestAt = b.index(head.headDim), sumAt = b.index(head.headDim + 1);
  Value largest =
      b.loop(b.index(0), count, 1, {b.f32(-FLT_MAX)},
             [&](Value source, ValueRange carried) {
               return Values{b.maxf(carried[0], load(source, largestAt))};
             })[0];
  Values sums =
      b.loop(b.index(0), count, 1, {b.f32(0.0), b.f32(0.0)},
             [&](Value source, ValueRange sums) {
               Value own = load(source, largestAt);
               Value correction = b.exp2(b.subf(own, largest));
               return Values{b.fma(load(source, sumAt), correction, sums[0]),
                             b.fma(load(source, column), correction, sums[1])};
             });
  return {largest, sums[0], sums[1]};
}

void SingleQueryAttention::forResults(function_ref<void(Value, Value)> body) {
  b.loop(b.thread(), b.index(heads * head.headDim), kThreads, [&](Value i) {
    body(b.div(i, head.headDim), b.rem(i, head.headDim));
  });
}

void SingleQueryAttention::storeResult(Value which, Value column,
                                       const Part &part) {
  b.store(b.divf(part.value, part.sum), op.getInto(),
          head.getRow(row, getHead(which), column));
}

/// Writes what the block has made of its part, or the result where there is no
/// other.
void SingleQueryAttention::emitParts(Value parts) {
  Value headDim = b.index(head.headDim), isOnly = b.eq(parts, b.index(1));
  forResults([&](Value which, Value column) {
    auto place = [&](Value warp, Value column) {
      return Values{warp, which, column};
    };
    Part part = combine(b.index(kWarps), column, place, warps);
    b.ifThen(isOnly, [&] { storeResult(which, column, part); });
    if (!counters)
      return;
    Value at = getHead(which), partials = op.getPartials();
    b.ifThen(b.lt(b.index(1), parts), [&] {
      b.store(part.value, partials, {at, split, column});
      b.ifThen(b.eq(column, b.index(0)), [&] {
        b.store(part.largest, partials, {at, split, headDim});
        b.store(part.sum, partials, {at, split, b.add(headDim, b.index(1))});
      });
    });
  });
}

/// Whether all other blocks that share these heads' keys are done; the counter
/// is then zero again. What they wrote before is there for all threads.
Value SingleQueryAttention::isLast(Value parts) {
  Value flag = b.shared({1}, b.getI32Type()), zero = b.index(0);
  b.barrier();
  b.ifThen(b.eq(b.thread(), zero), [&] {
    Value before = b.countUp(counters, slice);
    Value last = b.eq(before, b.toI32(b.sub(parts, b.index(1))));
    b.ifThen(last, [&] { b.store(b.i32(0), counters, {slice}); });
    b.store(b.select(last, b.i32(1), b.i32(0)), flag, {zero});
  });
  b.barrier();
  return b.eq(b.load(flag, {zero}), b.i32(1));
}

void SingleQueryAttention::combineParts(Value parts) {
  forResults([&](Value which, Value column) {
    auto place = [&](Value part, Value column) {
      return Values{getHead(which), part, column};
    };
    storeResult(which, column, combine(parts, column, place, op.getPartials()));
  });
}

Geometry SingleQueryAttention::emit() {
  // Parts are whole rounds of all warps, and as many as there are keys for.
  Value end = head.countSeen(row), isRow = b.lt(row, head.rows);
  Value begin =
      b.ifElse(isRow, b.index(0), [&] { return head.getFirstKey(end); });
  Value keys = b.sub(end, begin);
  Value partKeys = b.mul(b.ceilDiv(keys, splits * kPartKeys), kPartKeys);
  Value first = b.add(begin, b.mul(split, partKeys));
  b.ifThen(b.both(isRow, b.lt(first, end)), [&] {
    emitLoadQueries();
    b.barrier();
    emitKeys(first, b.min(b.add(first, partKeys), end));
    storeWarp();
    b.barrier();
    Value parts = counters ? b.ceilDiv(keys, partKeys) : b.index(1);
    emitParts(parts);
    if (counters)
      b.ifThen(b.lt(b.index(1), parts),
               [&] { b.ifThen(isLast(parts), [&] { combineParts(parts); }); });
  });
  int64_t slices = int64_t(op.getHeads()) / heads;
  return {kThreads, head.rows, 1, slices * splits};
}

Geometry mod::emitSingleQueryAttention(ThreadBuilder &b, PanelAttentionOp op,
                                       Value counters) {
  return SingleQueryAttention(b, op, counters).emit();
}
