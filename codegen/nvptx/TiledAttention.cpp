//===- TiledAttention.cpp - Attention of many queries in f32 --------------===//
//
// A block for a tile of queries reads each key and value once. Each thread has
// the scores of some queries and keys, and then some columns of the values;
// eight lanes share the queries, so that they keep the softmax online.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Attention.h"
#include "codegen/nvptx/OnlineSoftmax.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kAcross = 8, kDown = 16; // threads along keys and queries
constexpr int64_t kThreads = kAcross * kDown;
constexpr int64_t kWidth = 4; // elements in 16 bytes

/// How many queries and keys are in shared memory at a time.
struct TileShape {
  int64_t queries, keys;
};

class TiledAttention {
public:
  TiledAttention(ThreadBuilder &b, PanelAttentionOp op);

  Geometry emit();

private:
  void emitQueries();
  void emitRange(Value last);
  void emitTile(Value firstKey);
  void emitLoads(Value into, int64_t count,
                 function_ref<Value(Value row, Value column)> load);
  void emitKeyLoads(Value firstKey, bool isKey);
  Values emitScores();
  void emitPowers(Value firstKey, ValueRange scores);
  void addValues(Value key);
  void emitLoop(Value first, Value end, int64_t step,
                function_ref<void(Value)> body);
  void emitResult();

  /// Of one of the thread's queries, keys or chunks of columns.
  Value getQuery(int64_t i) { return b.add(down, b.index(i * kDown)); }
  Value getKey(int64_t j) { return b.add(across, b.index(j * kAcross)); }
  Value getColumn(int64_t j) {
    Value chunk = b.add(across, b.index(j * kAcross));
    return b.mul(b.min(chunk, b.index(chunks - 1)), kWidth);
  }

  ThreadBuilder &b;
  PanelAttentionOp op;
  AttentionHead head;
  TileShape shape;
  int64_t chunks;    ///< of four elements, of a head
  int64_t loadWidth; ///< elements that are loaded at a time
  int64_t ownQueries, ownKeys, ownChunks; ///< of a thread
  Value headIndex, firstRow, down, across;
  Values firstKeys;            ///< that the thread's queries see
  Value queries, tile, powers; ///< in shared memory
  OnlineSoftmax softmax;       ///< of the thread's queries and columns
};
} // namespace

/// The elements of a row in shared memory: an odd number of chunks, so that
/// neighbouring rows lie in different banks.
static int64_t getStride(int64_t headDim) {
  return kWidth * (llvm::divideCeil(headDim, kWidth) | 1);
}

static std::optional<TileShape> chooseShape(int64_t headDim) {
  constexpr TileShape shapes[] = {{64, 32}, {32, 32}, {16, 16}};
  for (TileShape shape : shapes) {
    int64_t elements = (shape.queries + shape.keys) * getStride(headDim) +
                       shape.queries * getStride(shape.keys);
    if (elements * int64_t(sizeof(float)) <= kMaxSharedBytes)
      return shape;
  }
  return std::nullopt;
}

/// Rows of caches and queries in whole chunks are loaded by chunks.
static int64_t getLoadWidth(PanelAttentionOp op) {
  bool isWhole = op.getHeadDim() % kWidth == 0 && op->hasAttr(kAlignedAttr);
  auto type = cast<MemRefType>(op.getQuery().getType());
  auto [strides, offset] = type.getStridesAndOffset();
  return isWhole && strides[1] % kWidth == 0 ? kWidth : 1;
}

TiledAttention::TiledAttention(ThreadBuilder &b, PanelAttentionOp op)
    : b(b), op(op), head(b, op), shape(*chooseShape(head.headDim)),
      chunks(llvm::divideCeil(head.headDim, kWidth)),
      loadWidth(getLoadWidth(op)), ownQueries(shape.queries / kDown),
      ownKeys(shape.keys / kAcross),
      ownChunks(llvm::divideCeil(chunks, kAcross)), headIndex(b.otherBlock()),
      down(b.div(b.thread(), kAcross)), across(b.rem(b.thread(), kAcross)),
      softmax(b, ownQueries, ownChunks * kWidth) {
  head.kvHead = b.div(headIndex, head.group);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Fills rows of shared memory; elements beyond the head are zero.
void TiledAttention::emitLoads(Value into, int64_t count,
                               function_ref<Value(Value, Value)> load) {
  int64_t perRow = chunks * kWidth / loadWidth;
  auto zeros = b.getZeroAttr(VectorType::get({loadWidth}, b.getF32Type()));
  Value none = arith::ConstantOp::create(b, cast<TypedAttr>(zeros));
  b.loop(b.thread(), b.index(count * perRow), kThreads, [&](Value i) {
    Value row = b.div(i, perRow), column = b.mul(b.rem(i, perRow), loadWidth);
    Value x = b.ifElse(b.lt(column, b.index(head.headDim)), none,
                       [&] { return load(row, column); });
    b.storeVector(x, into, {row, column});
  });
}

/// Keys or values; behind the last, that one: nobody sees it there.
void TiledAttention::emitKeyLoads(Value firstKey, bool isKey) {
  emitLoads(tile, shape.keys, [&](Value row, Value column) {
    Value token =
        b.min(b.add(firstKey, row), b.sub(head.countKeys(), b.index(1)));
    return isKey ? b.loadVector(op.getKeys(), head.getKey(token, column),
                                loadWidth)
                 : b.loadVector(op.getValues(), head.getValue(token, column),
                                loadWidth);
  });
}

//===----------------------------------------------------------------------===//
// One tile of keys
//===----------------------------------------------------------------------===//

/// Adds `x * y`, element by element.
static Value addProducts(ThreadBuilder &b, Value x, Value y, Value sum) {
  for (int64_t i = 0; i < kWidth; ++i)
    sum = b.fma(b.extract(x, i), b.extract(y, i), sum);
  return sum;
}

Values TiledAttention::emitScores() {
  Values zeros(ownQueries * ownKeys, b.f32(0.0));
  return b.loop(
      b.index(0), b.index(chunks * kWidth), kWidth, zeros,
      [&](Value column, ValueRange sums) {
        Values next(sums), x, y;
        for (int64_t i = 0; i < ownQueries; ++i)
          x.push_back(b.loadVector(queries, {getQuery(i), column}, kWidth));
        for (int64_t j = 0; j < ownKeys; ++j)
          y.push_back(b.loadVector(tile, {getKey(j), column}, kWidth));
        for (auto [i, sum] : llvm::enumerate(next))
          sum = addProducts(b, x[i / ownKeys], y[i % ownKeys], sum);
        return next;
      });
}

/// Leaves powers of scores in shared memory.
void TiledAttention::emitPowers(Value firstKey, ValueRange scores) {
  for (int64_t i = 0; i < ownQueries; ++i) {
    Value seen = head.countSeen(b.add(firstRow, getQuery(i)));
    Values row;
    for (int64_t j = 0; j < ownKeys; ++j)
      row.push_back(
          b.select(head.isSeen(b.add(firstKey, getKey(j)), firstKeys[i], seen),
                   scores[i * ownKeys + j], OnlineSoftmax::getUnseen(b)));
    SmallVector<Value *> places;
    for (Value &score : row)
      places.push_back(&score);
    softmax.add(i, places, kAcross);
    for (auto [j, power] : llvm::enumerate(row))
      b.store(power, powers, {getQuery(i), getKey(j)});
  }
}

/// Adds four values by their powers.
void TiledAttention::addValues(Value key) {
  Values power;
  for (int64_t i = 0; i < ownQueries; ++i)
    power.push_back(b.loadVector(powers, {getQuery(i), key}, kWidth));
  for (int64_t k = 0; k < kWidth; ++k)
    for (int64_t j = 0; j < ownChunks; ++j) {
      Value x =
          b.loadVector(tile, {b.add(key, b.index(k)), getColumn(j)}, kWidth);
      for (int64_t i = 0; i < ownQueries; ++i)
        for (int64_t e = 0; e < kWidth; ++e) {
          Value &sum = softmax.values[i][j * kWidth + e];
          sum = b.fma(b.extract(power[i], k), b.extract(x, e), sum);
        }
    }
}

/// A loop that goes on with the softmax.
void TiledAttention::emitLoop(Value first, Value end, int64_t step,
                              function_ref<void(Value)> body) {
  softmax.setCarried(b.loop(first, end, step, softmax.getCarried(),
                            [&](Value i, ValueRange carried) {
                              softmax.setCarried(carried);
                              body(i);
                              return softmax.getCarried();
                            }));
}

void TiledAttention::emitTile(Value firstKey) {
  // Nobody reads the values before any more.
  b.barrier();
  emitKeyLoads(firstKey, /*isKey=*/true);
  b.barrier();
  emitPowers(firstKey, emitScores());
  // Values take the place of keys.
  b.barrier();
  emitKeyLoads(firstKey, /*isKey=*/false);
  b.barrier();
  emitLoop(b.index(0), b.index(shape.keys), kWidth,
           [&](Value key) { addValues(key); });
}

//===----------------------------------------------------------------------===//
// All tiles
//===----------------------------------------------------------------------===//

void TiledAttention::emitResult() {
  auto plus = [&](Value x, Value y) { return b.addf(x, y); };
  for (int64_t i = 0; i < ownQueries; ++i) {
    Value sum = b.reduceLanes(softmax.sums[i], 1, kAcross, plus);
    Value inverse = b.divf(b.f32(1.0), sum);
    Value row = b.add(firstRow, getQuery(i));
    Value isRow = b.lt(row, head.rows);
    for (int64_t j = 0; j < ownChunks * kWidth; ++j) {
      Value chunk = b.add(across, b.index(j / kWidth * kAcross));
      Value column = b.add(b.mul(chunk, kWidth), b.index(j % kWidth));
      b.ifThen(b.both(isRow, b.lt(column, b.index(head.headDim))), [&] {
        Value x = softmax.values[i][j];
        b.store(b.mulf(x, inverse), op.getInto(),
                head.getRow(row, headIndex, column));
      });
    }
  }
}

void TiledAttention::emitQueries() {
  int64_t stride = getStride(head.headDim);
  queries = b.shared({shape.queries, stride});
  tile = b.shared({shape.keys, stride});
  powers = b.shared({shape.queries, getStride(shape.keys)});
  firstRow = b.mul(head.getTile(shape.queries), shape.queries);
  Value last = b.sub(head.rows, b.index(1)), scale = head.getScale();
  Value scales = vector::BroadcastOp::create(
      b, VectorType::get({loadWidth}, b.getF32Type()), scale);
  // Rows beyond the last are not written: they may be any.
  emitLoads(queries, shape.queries, [&](Value row, Value column) {
    row = b.min(b.add(firstRow, row), last);
    return b.mulf(b.loadVector(op.getQuery(),
                               head.getRow(row, headIndex, column), loadWidth),
                  scales);
  });
  emitRange(last);
  emitResult();
}

/// The tiles with keys that some of the queries see, of which `last` is the
/// last there is.
void TiledAttention::emitRange(Value last) {
  auto getFirstKey = [&](Value query) {
    return head.getFirstKey(head.countSeen(b.min(query, last)));
  };
  for (int64_t i = 0; i < ownQueries; ++i)
    firstKeys.push_back(getFirstKey(b.add(firstRow, getQuery(i))));
  Value first = b.mul(b.div(getFirstKey(firstRow), shape.keys), shape.keys);
  Value end = b.min(b.add(firstRow, b.index(shape.queries - 1)), last);
  emitLoop(first, head.countSeen(end), shape.keys,
           [&](Value firstKey) { emitTile(firstKey); });
}

Geometry TiledAttention::emit() {
  b.ifThen(b.lt(b.mul(b.rowBlock(), shape.queries), head.rows),
           [&] { emitQueries(); });
  return {kThreads, head.rows, shape.queries, int64_t(op.getHeads())};
}

bool mod::canTileAttention(PanelAttentionOp op) {
  return chooseShape(op.getHeadDim()).has_value();
}

Geometry mod::emitTiledAttention(ThreadBuilder &b, PanelAttentionOp op) {
  return TiledAttention(b, op).emit();
}
