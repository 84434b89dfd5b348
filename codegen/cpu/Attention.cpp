//===- Attention.cpp - The kernel of attention of many queries ------------===//
//
// Blocks of queries pass over blocks of keys; what the causal mask leaves of
// these is known panel by panel.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/AttentionTiles.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
/// How queries are shared out: tiles of rows of registers, and blocks of whole
/// tiles that are one task.
struct QueryTiling {
  QueryTiling(CpuTarget target, PanelAttentionOp op);

  /// Whether tiles are those of AMX.
  bool byTiles;
  /// Rows of a tile of scores, and of one of values, a multiple of it.
  int64_t scoreRows, valueRows;
  /// The most rows of a block: their state stays in the cache and on the stack.
  int64_t mostRows;
};

/// A task is a block of queries of one head.
struct QueryBlock {
  QueryBlock(KernelBuilder &builder, PanelAttentionOp op, QueryTiling tiling,
             Value head, Value firstQuery, Value rows);
  void emit();

private:
  void emitQueries();
  void emitWindows();
  void emitKeys(Value firstKey);
  void emitPanels(Value firstKey, Value count);
  Values maskScores(ValueRange scores, Value row, Value key);
  void emitValues(Value firstRow, Value firstKey, Value count);
  Value getEnd(Value row);
  Value getLastEnd() { return getEnd(b.sub(rows, b.index(1))); }
  Value getFirstRow(Value key);
  Value findFirstRow(Value key);
  Value getCount(Value row, Value firstKey, Value count);
  void maskRow(Value row, Value firstKey, Value count);

  KernelBuilder &b;
  PanelAttentionOp op;
  QueryTiling tiling;
  Value queries, firstQuery, rows, column;
  /// Rows with those that fill the last tile.
  Value allRows;
  /// Keys that are seen by queries before the block; null where these are not
  /// the last tokens.
  Value seen;
  /// Of each row the first key that a window shows.
  Value begins;
  OnlineSoftmax softmax;
  std::optional<AttentionTiles> tiles;
};
} // namespace

QueryTiling::QueryTiling(CpuTarget target, PanelAttentionOp op)
    : byTiles(AttentionTiles::canDo(target, op)) {
  // State of a task: a part of the second level cache, and of a stack.
  constexpr int64_t blockBytes = 256 * 1024, mostRowsOfAny = 96;
  int64_t lanes = target.getLanes();
  auto getRows = [&](Value panels) {
    if (byTiles)
      return AttentionTiles::rows;
    int64_t vectors = getStaticDim(panels, 3) / lanes;
    return OnlineSoftmax::getTileRows(target, op, vectors);
  };
  scoreRows = getRows(op.getKeys());
  int64_t rows = getRows(op.getValues());
  valueRows = std::max<int64_t>(rows / scoreRows, 1) * scoreRows;
  int64_t fitting = blockBytes / OnlineSoftmax::getRowBytes(op);
  mostRows =
      std::max(std::min(fitting, mostRowsOfAny) / valueRows, int64_t(1)) *
      valueRows;
}

static Value getKeyHead(KernelBuilder &b, PanelAttentionOp op, Value head) {
  return b.div(head, op.getHeads() / op.getKvHeads());
}

QueryBlock::QueryBlock(KernelBuilder &builder, PanelAttentionOp op,
                       QueryTiling tiling, Value head, Value firstQuery,
                       Value rows)
    : b(builder), op(op), tiling(tiling), queries(b.dim(op.getQuery(), 1)),
      firstQuery(firstQuery), rows(rows), column(b.mul(head, op.getHeadDim())),
      allRows(b.mul(b.ceilDiv(rows, tiling.valueRows), tiling.valueRows)),
      softmax(b, op, getKeyHead(b, op, head), tiling.mostRows, tiling.byTiles) {
  if (tiling.byTiles)
    tiles.emplace(b, softmax);
  if (op.getCount())
    seen = b.add(b.sub(op.getCount(), queries), firstQuery);
}

void QueryBlock::emit() {
  if (tiles)
    tiles->registers.emitConfigure(b.index(AttentionTiles::rows));
  emitQueries();
  if (op.getWindow())
    emitWindows();
  // Rows that see none of the first keys leave what is of no weight later.
  Value firstKey = OnlineSoftmax::getFirstPanelKey(b, op, getEnd(b.index(0)));
  b.loop(firstKey, getLastEnd(), OnlineSoftmax::getBlockKeys(op),
         [&](Value key) { emitKeys(key); });
  b.loop(b.index(0), rows, 1, [&](Value row) {
    softmax.emitResult(row, b.add(firstQuery, row), column);
  });
  if (tiles)
    tiles->registers.emitRelease();
}

/// Rows that are beyond the last query repeat it; their results are dropped.
void QueryBlock::emitQueries() {
  Value last = b.sub(queries, b.index(1));
  b.loop(b.index(0), allRows, 1, [&](Value row) {
    softmax.emitQuery(row, b.min(b.add(firstQuery, row), last), column);
  });
}

void QueryBlock::emitWindows() {
  begins = b.scratch({tiling.mostRows}, b.getI32Type());
  Value last = b.sub(rows, b.index(1));
  b.loop(b.index(0), allRows, 1, [&](Value row) {
    Value end = getEnd(b.min(row, last));
    Value begin = OnlineSoftmax::getFirstKey(b, op, end);
    b.store(b.toI32(begin), begins, {row});
  });
}

/// Where the keys end that a row sees. Rows beyond the last query are where it
/// is.
Value QueryBlock::getEnd(Value row) {
  if (seen)
    return b.add(b.add(seen, row), 1);
  Value last = b.sub(queries, b.index(1));
  return OnlineSoftmax::getEnd(b, op, b.min(b.add(firstQuery, row), last));
}

/// The first row of the first tile in which some query sees `key`.
Value QueryBlock::getFirstRow(Value key) {
  if (!seen)
    return findFirstRow(key);
  Value row = b.sub(key, b.min(key, seen));
  return b.mul(b.div(row, tiling.valueRows), tiling.valueRows);
}

/// The same of queries at positions: a tile sees what its last query sees.
Value QueryBlock::findFirstRow(Value key) {
  return b.loop(b.index(0), allRows, tiling.valueRows, {b.index(0)},
                [&](Value tile, ValueRange first) {
                  Value next = b.add(tile, tiling.valueRows);
                  Value isSeen = b.less(key, getEnd(b.sub(next, b.index(1))));
                  return Values{
                      arith::SelectOp::create(b, isSeen, first[0], next)};
                })[0];
}

/// How many of `count` keys the last query of the tile at `row` sees.
Value QueryBlock::getCount(Value row, Value firstKey, Value count) {
  Value end = getEnd(b.add(row, tiling.valueRows - 1));
  return b.min(count, b.sub(end, firstKey));
}

void QueryBlock::emitKeys(Value firstKey) {
  Value left = b.sub(getLastEnd(), firstKey);
  Value count = b.min(b.index(OnlineSoftmax::getBlockKeys(op)), left);
  Value firstRow = getFirstRow(firstKey);
  softmax.emitBlock(firstRow, allRows);
  emitPanels(firstKey, count);
  emitValues(firstRow, firstKey, count);
}

void QueryBlock::emitPanels(Value firstKey, Value count) {
  int64_t panelKeys = getStaticDim(op.getKeys(), 3);
  b.loop(b.index(0), count, panelKeys, [&](Value key) {
    Value absolute = b.add(firstKey, key);
    Value panel = b.div(absolute, panelKeys);
    if (tiles)
      tiles->emitPanel(panel);
    b.loop(getFirstRow(absolute), allRows, tiling.scoreRows, [&](Value row) {
      if (tiles)
        return tiles->emitScores(row, panel, key);
      softmax.emitScores(
          tiling.scoreRows, row, panel, key,
          [&](ValueRange scores) { return maskScores(scores, row, absolute); });
    });
  });
}

/// Masks the scores of a tile some row of which does not see all of the panel.
Values QueryBlock::maskScores(ValueRange scores, Value row, Value key) {
  RegisterTile tile{tiling.scoreRows, softmax.keyVectors};
  auto getEndOf = [&](int64_t i) { return getEnd(b.add(row, i)); };
  auto getBegin = [&](int64_t i) {
    return b.toIndex(b.load(begins, {b.add(row, i)}));
  };
  Value isCrossing =
      b.less(getEndOf(0), b.add(key, getStaticDim(op.getKeys(), 3)));
  if (op.getWindow())
    isCrossing = arith::OrIOp::create(
        b, isCrossing, b.less(key, getBegin(tiling.scoreRows - 1)));
  auto branch = scf::IfOp::create(b, TypeRange(scores), isCrossing,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  Values masked = softmax.emitMask(tile, scores, key, getEndOf, getBegin);
  scf::YieldOp::create(b, masked);
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, scores);
  return Values(branch.getResults());
}

/// Masks the first `count` scores of a row, which tiles do not.
void QueryBlock::maskRow(Value row, Value firstKey, Value count) {
  auto getInBlock = [&](Value key) { return b.sub(key, b.min(key, firstKey)); };
  Value begin;
  if (op.getWindow())
    begin = getInBlock(b.toIndex(b.load(begins, {row})));
  tiles->emitMask(row, begin, getInBlock(getEnd(row)), count);
}

void QueryBlock::emitValues(Value firstRow, Value firstKey, Value count) {
  int64_t panelKeys = getStaticDim(op.getKeys(), 3);
  b.loop(firstRow, allRows, tiling.valueRows, [&](Value tile) {
    Value scored = getCount(tile, firstKey, count);
    scored = b.mul(b.ceilDiv(scored, panelKeys), panelKeys);
    b.loop(tile, b.add(tile, tiling.valueRows), 1, [&](Value row) {
      if (tiles)
        maskRow(row, firstKey, scored);
      softmax.emitWeights(row, scored);
    });
  });
  // Panels outside: a block of one stays in the first level cache.
  b.loop(b.index(0), b.index(softmax.valuePanels), 1, [&](Value panel) {
    b.loop(firstRow, allRows, tiling.valueRows, [&](Value row) {
      Value seen = getCount(row, firstKey, count);
      if (tiles)
        tiles->emitValues(row, panel, firstKey, seen);
      else
        softmax.emitValues(tiling.valueRows, row, panel, firstKey, seen);
    });
  });
}

/// Rows of one task, never none: few queries of few heads still make tasks for
/// all threads.
static Value getBlockRows(KernelBuilder &b, PanelAttentionOp op,
                          QueryTiling tiling) {
  constexpr int64_t wantedTasks = 32;
  Value all = b.mul(b.dim(op.getQuery(), 1), op.getHeads());
  Value tiles = b.add(b.div(all, wantedTasks * tiling.valueRows), 1);
  return b.min(b.mul(tiles, tiling.valueRows), b.index(tiling.mostRows));
}

/// Head by head, whose keys and values stay in the second level cache as far as
/// they fit, and the last queries first: they see the most keys, so that what
/// is left for the end is short.
static void emitQueryBlocks(KernelBuilder &b, PanelAttentionOp op) {
  QueryTiling tiling(b.target, op);
  Value queries = b.dim(op.getQuery(), 1);
  Value blockRows = getBlockRows(b, op, tiling);
  Value one = b.index(1), heads = b.index(op.getHeads());
  Value blocks = b.div(b.sub(b.add(queries, blockRows), one), blockRows);
  b.forall(b.mul(blocks, heads), [&](Value task) {
    Value block = b.sub(b.sub(blocks, one), b.rem(task, blocks));
    Value first = b.mul(block, blockRows);
    Value rows = b.min(blockRows, b.sub(queries, first));
    QueryBlock(b, op, tiling, b.div(task, blocks), first, rows).emit();
  });
}

void mod::emitKernel(KernelBuilder &b, PanelAttentionOp op) {
  if (getStaticDim(op.getQuery(), 1) == 1)
    emitSingleQuery(b, op);
  else
    emitQueryBlocks(b, op);
}
