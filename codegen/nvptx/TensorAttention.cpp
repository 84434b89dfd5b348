//===- TensorAttention.cpp - Attention by tensor cores
//---------------------===//
//
// Four warps have 16 or 32 queries each, and go through the keys together: a
// tile is copied to shared memory while the one before is at work. Scores and
// powers stay in registers; the softmax is kept online.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Attention.h"
#include "codegen/nvptx/OnlineSoftmax.h"
#include "codegen/nvptx/TensorCores.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kWarps = 4, kThreads = kWarps * kWarpThreads;
constexpr int64_t kStages = 2;   // tiles in shared memory
constexpr int64_t kWidest = 128; // head that registers have room for
constexpr int64_t kHalves = 2;   // rows of a lane in each product
constexpr int64_t kRowLanes = 4; // that share a row of a product
constexpr int64_t kNarrow = 64;  // head that leaves room for 32 queries
constexpr int64_t kChunk = 8;    // elements of two bytes
constexpr int64_t kMmaInner = kMmaChunks * kChunk;

class TensorAttention {
public:
  TensorAttention(ThreadBuilder &b, PanelAttentionOp op);

  Geometry emit();

private:
  void emitQueries();
  void emitTiles(Value last);
  void emitCopies(Value tile);
  void emitCopy(Value into, Value stage, Value token, Value row, Value chunk,
                bool isKey);
  void loadQueries();
  Values loadKeys(Value stage, int64_t pair, int64_t inner);
  Values loadValues(Value stage, int64_t inner, int64_t pair);
  SmallVector<Values> emitScores(Value stage);
  void emitMask(Value tile, int64_t rowTile, Values &scores);
  void emitPowers(int64_t rowTile, Values &scores);
  void emitSums(Value stage, ArrayRef<Values> powers);
  void multiplyValues(ValueRange powers, ValueRange loaded, int64_t rowTile,
                      int64_t column);
  Values emitTile(Value tile, ValueRange carried, bool isMasked);
  Values getCarried();
  void setCarried(ValueRange carried);
  void emitResult(int64_t rowTile, int64_t half);

  /// The row of a product's half that a lane has.
  Value getRow(int64_t rowTile, int64_t half) {
    Value row = b.add(b.mul(b.warp(), rowTiles * kMmaRows),
                      b.index(rowTile * kMmaRows + half * kMmaRows / kHalves));
    return b.add(b.add(firstRow, row), b.div(b.lane(), kRowLanes));
  }
  /// The first of its two neighbours among eight columns.
  Value getColumn(int64_t tile) {
    return b.add(b.mul(b.rem(b.lane(), kRowLanes), 2),
                 b.index(tile * kMmaColumns));
  }

  ThreadBuilder &b;
  PanelAttentionOp op;
  AttentionHead head;
  int64_t width;    ///< of a head in shared memory: zeros fill it up
  int64_t tileKeys; ///< of a tile
  int64_t rowTiles; ///< of 16 queries, of a warp
  Type element;     ///< of keys, values and what they are multiplied with
  Value headIndex, firstRow, tiles;
  Value keys, values;            ///< in shared memory
  SmallVector<Values> queries;   ///< fragments of each row tile
  SmallVector<Values> firstKeys; ///< that its rows see, by half
  SmallVector<OnlineSoftmax> state;
};
} // namespace

/// Rows are a chunk longer than they need be, so that eight rows of one column
/// lie in different banks.
static int64_t getRowElements(int64_t width) { return width + kChunk; }

static int64_t chooseTileKeys(int64_t width) {
  int64_t keys = 64, bytes = kStages * 2 * getRowElements(width) * 2;
  while (keys * bytes > kMaxSharedBytes)
    keys /= 2;
  return keys;
}

TensorAttention::TensorAttention(ThreadBuilder &b, PanelAttentionOp op)
    : b(b), op(op), head(b, op), width(llvm::alignTo(head.headDim, kMmaInner)),
      tileKeys(chooseTileKeys(width)), rowTiles(width <= kNarrow ? 2 : 1),
      element(head.getElement()), headIndex(b.otherBlock()) {
  head.kvHead = b.div(headIndex, head.group);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Copies a chunk of a key or value; zeros, where there is none.
void TensorAttention::emitCopy(Value into, Value stage, Value token, Value row,
                               Value chunk, bool isKey) {
  Value column = b.mul(chunk, kChunk);
  Value inside = b.both(b.lt(token, head.countKeys()),
                        b.lt(column, b.index(head.headDim)));
  Values from =
      isKey ? head.getKey(token, column) : head.getValue(token, column);
  emitAsyncCopy(b, into, {stage, row, column},
                isKey ? op.getKeys() : op.getValues(), from, inside);
}

/// Begins the copies of a tile, if there is such a tile.
void TensorAttention::emitCopies(Value tile) {
  int64_t chunks = width / kChunk, count = tileKeys * chunks;
  Value stage = b.rem(tile, kStages);
  b.ifThen(b.lt(tile, tiles), [&] {
    for (int64_t first = 0; first < count; first += kThreads) {
      Value i = b.add(b.thread(), b.index(first));
      Value row = b.div(i, chunks), chunk = b.rem(i, chunks);
      Value token = b.add(b.mul(tile, tileKeys), row);
      auto copy = [&] {
        emitCopy(keys, stage, token, row, chunk, /*isKey=*/true);
        emitCopy(values, stage, token, row, chunk, /*isKey=*/false);
      };
      if (first + kThreads <= count)
        copy();
      else
        b.ifThen(b.lt(i, b.index(count)), copy);
    }
  });
  emitCommit(b);
}

/// The fragments of the warp's queries, scaled and rounded. Rows beyond the
/// last are not written: they may be any.
void TensorAttention::loadQueries() {
  Value last = b.sub(head.rows, b.index(1)), scale = head.getScale();
  auto load = [&](Value row, Value column) {
    Value x = b.load(op.getQuery(), head.getRow(row, headIndex, column));
    return b.mulf(x, scale);
  };
  queries.assign(rowTiles, {});
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t tile = 0; tile < width / kMmaColumns; ++tile)
      for (int64_t half = 0; half < kHalves; ++half) {
        Value row = b.min(getRow(i, half), last), column = getColumn(tile);
        bool isInside = tile * kMmaColumns < head.headDim;
        queries[i].push_back(
            isInside ? packPair(b, load(row, column),
                                load(row, b.add(column, b.index(1))), element)
                     : b.i32(0));
      }
}

/// 16 columns of scores, that is keys.
Values TensorAttention::loadKeys(Value stage, int64_t pair, int64_t inner) {
  Value matrix = b.div(b.lane(), kMmaColumns);
  Value row =
      b.add(b.mul(b.div(matrix, 2), kMmaColumns), b.rem(b.lane(), kMmaColumns));
  Value chunk = b.add(b.rem(matrix, 2), b.index(inner * 2));
  return loadMatrices(
      b, keys,
      {stage, b.add(row, b.index(pair * kMmaRows)), b.mul(chunk, kChunk)});
}

/// 16 columns of values, of 16 keys.
Values TensorAttention::loadValues(Value stage, int64_t inner, int64_t pair) {
  Value row = b.add(b.rem(b.lane(), kMmaInner), b.index(inner * kMmaInner));
  Value chunk = b.add(b.div(b.lane(), kMmaInner), b.index(pair * 2));
  return loadMatrices(b, values, {stage, row, b.mul(chunk, kChunk)},
                      /*transposed=*/true);
}

//===----------------------------------------------------------------------===//
// One tile of keys
//===----------------------------------------------------------------------===//

/// Of each row tile the sums of `tileKeys / 8` products.
SmallVector<Values> TensorAttention::emitScores(Value stage) {
  int64_t columns = tileKeys / kMmaColumns;
  SmallVector<Values> scores(rowTiles, Values(columns * kMmaSums, b.f32(0.0)));
  for (int64_t inner = 0; inner < width / kMmaInner; ++inner)
    for (int64_t pair = 0; pair < columns / 2; ++pair) {
      Values loaded = loadKeys(stage, pair, inner);
      for (int64_t i = 0; i < rowTiles; ++i)
        for (int64_t j = 0; j < 2; ++j) {
          int64_t first = (pair * 2 + j) * kMmaSums;
          Values sums = multiplyMatrices(
              b, ValueRange(queries[i]).slice(inner * 4, 4),
              ValueRange(loaded).slice(j * 2, 2),
              ValueRange(scores[i]).slice(first, kMmaSums), element);
          llvm::copy(sums, scores[i].begin() + first);
        }
    }
  return scores;
}

/// Scores of keys that a query does not see are less than any other.
void TensorAttention::emitMask(Value tile, int64_t rowTile, Values &scores) {
  Value first = b.mul(tile, tileKeys), unseen = OnlineSoftmax::getUnseen(b);
  for (int64_t half = 0; half < kHalves; ++half) {
    Value seen = head.countSeen(getRow(rowTile, half));
    for (int64_t column = 0; column < tileKeys / kMmaColumns; ++column)
      for (int64_t i = 0; i < 2; ++i) {
        Value key = b.add(first, b.add(getColumn(column), b.index(i)));
        Value &score = scores[column * kMmaSums + half * 2 + i];
        Value isSeen = head.isSeen(key, firstKeys[rowTile][half], seen);
        score = b.select(isSeen, score, unseen);
      }
  }
}

/// Makes scores powers. Four lanes share a row.
void TensorAttention::emitPowers(int64_t rowTile, Values &scores) {
  for (int64_t half = 0; half < kHalves; ++half) {
    SmallVector<Value *> row;
    for (auto [i, score] : llvm::enumerate(scores))
      if (int64_t(i) % kMmaSums / 2 == half)
        row.push_back(&score);
    state[rowTile].add(half, row, kRowLanes);
  }
}

/// Adds the product of powers and eight columns of values.
void TensorAttention::multiplyValues(ValueRange powers, ValueRange loaded,
                                     int64_t rowTile, int64_t column) {
  SmallVector<Values> &values = state[rowTile].values;
  Values sums;
  for (Values &row : values)
    llvm::append_values(sums, row[column * 2], row[column * 2 + 1]);
  sums = multiplyMatrices(b, powers, loaded, sums, element);
  for (auto [half, row] : llvm::enumerate(values))
    std::copy_n(&sums[half * 2], 2, &row[column * 2]);
}

/// Adds the values of a tile by their powers: sums of scores lie as rows of the
/// next product do.
void TensorAttention::emitSums(Value stage, ArrayRef<Values> powers) {
  for (int64_t inner = 0; inner < tileKeys / kMmaInner; ++inner) {
    SmallVector<Values> rows(rowTiles);
    for (int64_t i = 0; i < rowTiles; ++i)
      for (int64_t pair = 0; pair < 4; ++pair) {
        const Value *power = &powers[i][inner * 2 * kMmaSums + pair * 2];
        rows[i].push_back(packPair(b, power[0], power[1], element));
      }
    for (int64_t pair = 0; pair < width / kMmaRows; ++pair) {
      Values loaded = loadValues(stage, inner, pair);
      for (int64_t i = 0; i < rowTiles; ++i)
        for (int64_t j = 0; j < 2; ++j)
          multiplyValues(rows[i], ValueRange(loaded).slice(j * 2, 2), i,
                         pair * 2 + j);
    }
  }
}

Values TensorAttention::getCarried() {
  Values carried;
  for (OnlineSoftmax &softmax : state)
    llvm::append_range(carried, softmax.getCarried());
  return carried;
}

void TensorAttention::setCarried(ValueRange carried) {
  size_t each = carried.size() / state.size();
  for (auto [i, softmax] : llvm::enumerate(state))
    softmax.setCarried(carried.slice(i * each, each));
}

Values TensorAttention::emitTile(Value tile, ValueRange carried,
                                 bool isMasked) {
  setCarried(carried);
  // The tile is there, and nobody reads the one before any more.
  emitWait(b, 0);
  b.barrier();
  emitCopies(b.add(tile, b.index(1)));
  Value stage = b.rem(tile, kStages);
  SmallVector<Values> scores = emitScores(stage);
  for (int64_t i = 0; i < rowTiles; ++i) {
    if (isMasked)
      emitMask(tile, i, scores[i]);
    emitPowers(i, scores[i]);
  }
  emitSums(stage, scores);
  return getCarried();
}

//===----------------------------------------------------------------------===//
// All tiles
//===----------------------------------------------------------------------===//

void TensorAttention::emitResult(int64_t rowTile, int64_t half) {
  OnlineSoftmax &softmax = state[rowTile];
  Value sum = b.reduceLanes(softmax.sums[half], 1, kRowLanes,
                            [&](Value x, Value y) { return b.addf(x, y); });
  Value inverse = b.divf(b.f32(1.0), sum), row = getRow(rowTile, half);
  b.ifThen(b.lt(row, head.rows), [&] {
    for (int64_t tile = 0; tile < head.headDim / kMmaColumns; ++tile)
      for (int64_t i = 0; i < 2; ++i) {
        Value column = b.add(getColumn(tile), b.index(i));
        Value x = softmax.values[half][tile * 2 + i];
        b.store(b.mulf(x, inverse), op.getInto(),
                head.getRow(row, headIndex, column));
      }
  });
}

void TensorAttention::emitQueries() {
  int64_t blockRows = kWarps * rowTiles * kMmaRows;
  firstRow = b.mul(head.getTile(blockRows), blockRows);
  Value last =
      b.sub(b.min(b.add(firstRow, b.index(blockRows)), head.rows), b.index(1));
  for (Value *tile : {&keys, &values})
    *tile = b.shared({kStages, tileKeys, getRowElements(width)}, element,
                     /*alignment=*/128);
  emitTiles(last);
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t half = 0; half < kHalves; ++half)
      emitResult(i, half);
}

/// The tiles with keys that some of the queries see, of which `last` is the
/// last of the block.
void TensorAttention::emitTiles(Value last) {
  auto getFirstKey = [&](Value row) {
    return head.getFirstKey(head.countSeen(b.min(row, last)));
  };
  firstKeys.assign(rowTiles, {});
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t half = 0; half < kHalves; ++half)
      firstKeys[i].push_back(getFirstKey(getRow(i, half)));
  Value first = b.div(getFirstKey(firstRow), tileKeys);
  // All queries of the block see all keys of the first tiles.
  Value whole =
      op.getWindow() ? first : b.div(head.countSeen(firstRow), tileKeys);
  tiles = b.ceilDiv(head.countSeen(last), tileKeys);
  emitCopies(first);
  loadQueries();
  state.clear();
  for (int64_t i = 0; i < rowTiles; ++i)
    state.emplace_back(b, kHalves, width / kMmaColumns * 2);
  auto loop = [&](Value first, Value end, bool isMasked) {
    setCarried(b.loop(first, end, 1, getCarried(),
                      [&](Value tile, ValueRange carried) {
                        return emitTile(tile, carried, isMasked);
                      }));
  };
  loop(first, whole, /*isMasked=*/false);
  loop(whole, tiles, /*isMasked=*/true);
}

Geometry TensorAttention::emit() {
  int64_t blockRows = kWarps * rowTiles * kMmaRows;
  b.ifThen(b.lt(b.mul(b.rowBlock(), blockRows), head.rows),
           [&] { emitQueries(); });
  return {kThreads, head.rows, blockRows, int64_t(op.getHeads())};
}

bool mod::canUseTensorCores(PanelAttentionOp op) {
  Type element = getElementTypeOrSelf(op.getKeys());
  return hasExactProducts(element) && op->hasAttr(kAlignedAttr) &&
         op.getHeadDim() % kChunk == 0 && op.getHeadDim() <= kWidest;
}

Geometry mod::emitTensorAttention(ThreadBuilder &b, PanelAttentionOp op) {
  return TensorAttention(b, op).emit();
}
