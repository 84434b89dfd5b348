//===- TensorLinear.cpp - Products by tensor cores ------------------------===//
//
// Tiles of 128 x 128 outputs and 64 bytes of inputs. Copies to shared memory
// run two tiles ahead. Of these, eight warps load fragments and multiply 16 x 8
// numbers with 32 bytes of each at a time; or two warpgroups multiply 64 x 128
// from where they lie, and the weight comes by TMA.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/nvptx/BoxCopies.h"
#include "codegen/nvptx/LinearClauses.h"
#include "codegen/nvptx/Warpgroups.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kTile = 128; // rows and columns of a block
constexpr int64_t kChunks = 4; // of a row of a tile
constexpr int64_t kStages = 3; // tiles in shared memory
// Of inputs, for warpgroups: barriers need a place in 48 KiB, too.
constexpr int64_t kGroupStages = 2;
constexpr int64_t kThreads = 256;

/// The part of a block's tile that a warp has sums of.
struct WarpTile {
  int64_t rows, columns;
};
constexpr WarpTile kOfWarp = {64, 32}, kOfGroupWarp = {kMmaRows, kTile};
static_assert(kChunks * kChunkBytes == kGroupRowBytes &&
              kGroupRowBytes == kBoxRowBytes && kTile == 2 * kBoxRows);

/// A product whose operands are both of one type of float.
class TensorLinear {
public:
  TensorLinear(ThreadBuilder &b, LinearOp op,
               ArrayRef<linalg::LinalgOp> followers, Value map)
      : b(b), op(op), clauses(b, op, followers), tokens(clauses.getTokens()),
        map(map), element(getElementTypeOrSelf(op.getWeight())),
        chunk(getChunk(element)), part(map ? kOfGroupWarp : kOfWarp) {}

  Geometry emit();

private:
  Values emitSums();
  Values emitGroupSums();
  Value swizzle(Value row, Value place);
  Value getOutput(Value column);
  void ifStep(Value step, function_ref<void(Value depth)> body);
  void emitInputs(Value step, int64_t stages);
  void emitWeights(Value step);
  void emitCopies(Value step);
  void emitCopy(Value into, Value stage, Value row, Value place, Value source,
                ArrayRef<Value> sourceRow, Value depth, Value inside);
  Values loadRows(Value stage, int64_t tile, int64_t inner);
  Values loadColumns(Value stage, int64_t pair, int64_t inner);
  Values emitProducts(Value stage, ValueRange sums);
  Values emitGroupProducts(Value step, ValueRange sums);
  Value makeTile(int64_t stages);
  Values loopSteps(function_ref<Values(Value step, ValueRange sums)> body);
  void emitStores(ValueRange sums);
  void emitRow(ValueRange sums, int64_t tile, int64_t half);
  int64_t getOutputsPerTile() { return op.getGlu() ? kTile / 2 : kTile; }
  int64_t getOutputsPerWarp() { return getOutputsPerTile() / warpsAcross(); }
  int64_t warpsAcross() { return kTile / part.columns; }
  int64_t rowTiles() { return part.rows / kMmaRows; }
  int64_t columnTiles() { return part.columns / kMmaColumns; }
  Value warpRow() { return b.mul(b.div(b.warp(), warpsAcross()), part.rows); }
  Value warpColumn() { return b.rem(b.warp(), warpsAcross()); }
  /// Inputs at a time.
  int64_t getDepth() { return kChunks * chunk; }

  ThreadBuilder &b;
  LinearOp op;
  GpuLinearClauses clauses;
  Value tokens, x, w;
  Value map; ///< of the weight, for warpgroups; else null
  Type element;
  int64_t chunk; ///< elements of a chunk
  WarpTile part;
};
} // namespace

/// Chunks change places from row to row, so that eight rows of one column lie
/// in different banks.
Value TensorLinear::swizzle(Value row, Value place) {
  Value turn = b.rem(b.div(row, 2), kChunks);
  return b.mul(arith::XOrIOp::create(b, place, turn), chunk);
}

/// The row of the weight for a column of the tile: with an activation, half of
/// the columns of each warp are of the second half of the weight.
Value TensorLinear::getOutput(Value column) {
  Value first = b.mul(b.otherBlock(), getOutputsPerTile());
  if (!op.getGlu())
    return b.add(first, column);
  int64_t outputs = getOutputsPerWarp();
  Value inWarp = b.rem(column, part.columns);
  Value warps = b.mul(b.div(column, part.columns), outputs);
  Value output = b.add(b.add(first, warps), b.rem(inWarp, outputs));
  return b.add(output, b.mul(b.div(inWarp, outputs), op.getNumOutputs()));
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Copies 16 bytes; zeros, where there is nothing to copy.
void TensorLinear::emitCopy(Value into, Value stage, Value row, Value place,
                            Value source, ArrayRef<Value> sourceRow,
                            Value depth, Value inside) {
  Value column = b.add(depth, b.mul(place, chunk));
  inside = b.both(inside, b.lt(column, b.index(op.getNumInputs())));
  Values from(sourceRow);
  from.push_back(column);
  emitAsyncCopy(b, into, {stage, row, swizzle(row, place)}, source, from,
                inside);
}

/// What is done where there are inputs for a step.
void TensorLinear::ifStep(Value step, function_ref<void(Value depth)> body) {
  Value depth = b.mul(step, getDepth());
  b.ifThen(b.lt(depth, b.index(op.getNumInputs())), [&] { body(depth); });
}

/// The rows of a tile of which a thread copies a chunk.
static void forRows(ThreadBuilder &b, function_ref<void(Value row)> body) {
  constexpr int64_t rowsAtOnce = kThreads / kChunks;
  for (int64_t i = 0; i < kTile; i += rowsAtOnce)
    body(b.add(b.div(b.thread(), kChunks), b.index(i)));
}

/// Begins the copies of a tile of inputs.
void TensorLinear::emitInputs(Value step, int64_t stages) {
  Value place = b.rem(b.thread(), kChunks), stage = b.rem(step, stages);
  ifStep(step, [&](Value depth) {
    forRows(b, [&](Value row) {
      Value token = b.add(b.mul(b.rowBlock(), kTile), row);
      Value inside = b.lt(token, tokens);
      Value input = op.getRows()
                        ? b.ifElse(inside, b.index(0),
                                   [&] { return clauses.getInputRow(token); })
                        : token;
      emitCopy(x, stage, row, place, op.getInput(), {b.index(0), input}, depth,
               inside);
    });
  });
}

void TensorLinear::emitWeights(Value step) {
  Value place = b.rem(b.thread(), kChunks), stage = b.rem(step, kStages);
  ifStep(step, [&](Value depth) {
    forRows(b, [&](Value row) {
      Value output = getOutput(row);
      emitCopy(w, stage, row, place, op.getWeight(), {output}, depth,
               b.lt(output, b.index(op.getNumSums())));
    });
  });
}

/// A group of the copies of both tiles; empty, where there is no such step.
void TensorLinear::emitCopies(Value step) {
  emitInputs(step, kStages);
  emitWeights(step);
  emitCommit(b);
}

/// 16 rows of the input.
Values TensorLinear::loadRows(Value stage, int64_t tile, int64_t inner) {
  Value row = b.add(b.add(warpRow(), b.index(tile * kMmaRows)),
                    b.rem(b.lane(), kMmaRows));
  Value place = b.add(b.div(b.lane(), kMmaRows), b.index(inner * kMmaChunks));
  return loadMatrices(b, x, {stage, row, swizzle(row, place)});
}

/// 16 columns of the tile, that is rows of the weight.
Values TensorLinear::loadColumns(Value stage, int64_t pair, int64_t inner) {
  Value matrix = b.div(b.lane(), kMmaColumns);
  Value first = b.mul(warpColumn(), part.columns);
  Value row = b.add(b.add(first, b.index(pair * 2 * kMmaColumns)),
                    b.add(b.mul(b.div(matrix, 2), kMmaColumns),
                          b.rem(b.lane(), kMmaColumns)));
  Value place = b.add(b.rem(matrix, 2), b.index(inner * kMmaChunks));
  return loadMatrices(b, w, {stage, row, swizzle(row, place)});
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Adds the products of one stage to the sums of all tiles of the warp.
Values TensorLinear::emitProducts(Value stage, ValueRange sums) {
  Values next(sums);
  for (int64_t inner = 0; inner < kChunks / kMmaChunks; ++inner) {
    SmallVector<Values> rows, columns;
    for (int64_t i = 0; i < rowTiles(); ++i)
      rows.push_back(loadRows(stage, i, inner));
    for (int64_t j = 0; j < columnTiles() / 2; ++j)
      columns.push_back(loadColumns(stage, j, inner));
    for (int64_t i = 0; i < rowTiles(); ++i)
      for (int64_t j = 0; j < columnTiles(); ++j) {
        int64_t first = (i * columnTiles() + j) * kMmaSums;
        auto pair = ValueRange(columns[j / 2]).slice(j % 2 * 2, 2);
        Values done = multiplyMatrices(
            b, rows[i], pair, ValueRange(next).slice(first, kMmaSums), element);
        llvm::copy(done, next.begin() + first);
      }
  }
  return next;
}

Values TensorLinear::emitGroupProducts(Value step, ValueRange sums) {
  Value row = b.mul(b.div(b.warp(), kGroupWarps), kGroupRows);
  return multiplyGroups(b, getDescriptor(b, x, b.rem(step, kGroupStages), row),
                        getDescriptor(b, w, b.rem(step, kStages), b.index(0)),
                        kChunks / kMmaChunks, sums, element);
}

Value TensorLinear::makeTile(int64_t stages) {
  return b.shared({stages, kTile, getDepth()}, element, kGroupPatternBytes);
}

Values TensorLinear::loopSteps(
    function_ref<Values(Value step, ValueRange sums)> body) {
  int64_t steps = llvm::divideCeil(op.getNumInputs(), getDepth());
  Values zeros(rowTiles() * columnTiles() * kMmaSums, b.f32(0.0));
  return b.loop(b.index(0), b.index(steps), 1, zeros, body);
}

Values TensorLinear::emitSums() {
  x = makeTile(kStages);
  w = makeTile(kStages);
  for (int64_t step = 0; step + 1 < kStages; ++step)
    emitCopies(b.index(step));
  return loopSteps([&](Value step, ValueRange sums) {
    // All but the latest group: the tiles of this step are there.
    emitWait(b, kStages - 2);
    b.barrier();
    emitCopies(b.add(step, b.index(kStages - 1)));
    return emitProducts(b.rem(step, kStages), sums);
  });
}

Values TensorLinear::emitGroupSums() {
  x = makeTile(kGroupStages);
  w = makeTile(kStages);
  BoxCopies boxes(b, map, w);
  auto copyBoxes = [&](Value step) {
    ifStep(step, [&](Value depth) {
      boxes.copy(step, {getOutput(b.index(0)), getOutput(b.index(kBoxRows))},
                 depth);
    });
  };
  auto copyInputs = [&](Value step) {
    emitInputs(step, kGroupStages);
    emitCommit(b);
  };
  Value isFirst = b.eq(b.thread(), b.index(0));
  b.ifThen(isFirst, [&] {
    boxes.begin();
    for (int64_t step = 0; step + 1 < kStages; ++step)
      copyBoxes(b.index(step));
  });
  for (int64_t step = 0; step + 1 < kGroupStages; ++step)
    copyInputs(b.index(step));
  return loopSteps([&](Value step, ValueRange sums) {
    emitWait(b, kGroupStages - 2);
    emitOperandFence(b);
    // Behind it nobody reads the tiles of the step before.
    b.barrier();
    b.ifThen(isFirst, [&] { copyBoxes(b.add(step, b.index(kStages - 1))); });
    copyInputs(b.add(step, b.index(kGroupStages - 1)));
    boxes.wait(step);
    return emitGroupProducts(step, sums);
  });
}

/// Of one row of a tile a lane has two neighbours in each 8 columns.
void TensorLinear::emitRow(ValueRange sums, int64_t tile, int64_t half) {
  Value row =
      b.add(b.add(warpRow(), b.index(tile * kMmaRows + half * kMmaColumns)),
            b.div(b.lane(), 4));
  row = b.add(row, b.mul(b.rowBlock(), kTile));
  int64_t columns = op.getGlu() ? columnTiles() / 2 : columnTiles();
  b.ifThen(b.lt(row, tokens), [&] {
    GpuLinearClauses::Token token = clauses.loadToken(row);
    for (int64_t i = 0; i < columns * 2; ++i) {
      int64_t j = i / 2, sum = (tile * columnTiles() + j) * kMmaSums + half * 2;
      Value column = b.add(b.mul(warpColumn(), getOutputsPerWarp()),
                           b.add(b.mul(b.rem(b.lane(), 4), 2),
                                 b.index(j * kMmaColumns + i % 2)));
      Value output = b.add(b.mul(b.otherBlock(), getOutputsPerTile()), column);
      Value other =
          op.getGlu() ? sums[sum + columns * kMmaSums + i % 2] : Value();
      b.ifThen(b.lt(output, b.index(op.getNumOutputs())),
               [&] { clauses.store(token, output, sums[sum + i % 2], other); });
    }
  });
}

void TensorLinear::emitStores(ValueRange sums) {
  for (int64_t tile = 0; tile < rowTiles(); ++tile)
    for (int64_t half = 0; half < 2; ++half)
      emitRow(sums, tile, half);
}

Geometry TensorLinear::emit() {
  b.ifThen(b.lt(b.mul(b.rowBlock(), kTile), tokens),
           [&] { emitStores(map ? emitGroupSums() : emitSums()); });
  return {kThreads, tokens, kTile,
          int64_t(llvm::divideCeil(op.getNumOutputs(), getOutputsPerTile()))};
}

bool mod::wantsTensorCores(LinearOp op) {
  Type element = getElementTypeOrSelf(op.getWeight());
  return hasExactProducts(element) ||
         (element.isF32() && op->hasAttr(kTF32Attr));
}

bool mod::canUseTensorCores(LinearOp op) {
  Type element = getElementTypeOrSelf(op.getWeight());
  return op->hasAttr(kAlignedAttr) &&
         op.getNumInputs() % getChunk(element) == 0 &&
         hasChunks(op.getInput(), element) &&
         hasChunks(op.getWeight(), element);
}

bool mod::canUseWarpgroups(LinearOp op) {
  return op->hasAttr(kWarpgroupsAttr) && hasManyRows(op) &&
         hasExactProducts(getElementTypeOrSelf(op.getWeight())) &&
         canUseTensorCores(op);
}

Geometry mod::emitTensorLinear(ThreadBuilder &b, LinearOp op,
                               ArrayRef<linalg::LinalgOp> followers,
                               Value map) {
  return TensorLinear(b, op, followers, map).emit();
}
