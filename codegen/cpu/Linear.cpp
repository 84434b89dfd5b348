//===- Linear.cpp - Kernels of products with weights ----------------------===//
//
// Packed weights stream past a register tile of sums; rows of the input are
// broadcast scalar by scalar and need no packing.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/LinearClauses.h"
#include "codegen/cpu/MatrixTiles.h"

using namespace mlir;
using namespace mlir::mod;

/// Bytes of the panels of one task: enough to pay for handing it out and, where
/// rows are many, for the first panel, which nobody has asked memory for.
static constexpr int64_t rowGroupBytes = 128 * 1024;
static constexpr int64_t groupBytes = 256 * 1024;

/// Panels that are read at once where few rows make memory the limit: a core
/// reads several streams faster than one.
static constexpr int64_t streams = 4;

namespace {
/// The kernel of one product, `M x K` by packed `K x N`.
struct PackedLinear {
  PackedLinear(KernelBuilder &builder, LinearOp op);

  void emit();

private:
  /// The panels `firstPanel` to `endPanel - 1` and rows of one task.
  struct Task {
    Value firstPanel, endPanel, firstRow, endRow;
  };
  /// Sums of a tile, and where those from vector `firstVector` on belong.
  struct TileResult {
    RegisterTile tile;
    ArrayRef<Value> sums, tokens;
    int64_t firstVector;
    Value panel;
  };

  Task decode(Value task);
  void emitTask(Task task);
  int64_t getTilePanels(int64_t rows);
  void emitFewRows(Task task, int64_t rows);
  void emitManyRows(Task task);
  void emitTiles(Task task, TilePanels panels);
  void emitMatrixTiles(Task task);
  void emitMatrixRows(MatrixTiles &tiles, Task task, Value size);
  void emitTile(int64_t rows, Value firstRow, TilePanels panels);
  void emitPanel(TileResult result);
  void emitEpilogue(TileResult result, int64_t valid);

  KernelBuilder &b;
  LinearOp op;
  LinearClauses clauses;
  PackedWeight weight;
  int64_t n, panel, panels, vectors;
  /// Whether many rows are multiplied by tile registers.
  bool hasTiles;
  int64_t tileRows, blockRows;
  /// Rows that leave room for a second panel in a tile: as many as a batch has,
  /// or a routed block of it.
  int64_t fewRows;
  /// Whether there is one row, whatever happens.
  bool isRow;
  Value rows;
  /// Whether there are so few rows that memory is the limit.
  Value isFew;
  /// Panels of one task, and how many such groups there are.
  Value groupPanels, groups;
};
} // namespace

/// Rows of one task: a block of the input that stays in half of the second
/// level cache while panels pass by, in whole tiles.
static int64_t getBlockRows(CpuTarget target, int64_t rowBytes,
                            int64_t tileRows) {
  int64_t tiles = target.level2Bytes / 2 / (rowBytes * tileRows);
  return std::clamp<int64_t>(tiles, 4, 32) * tileRows;
}

/// Bytes of one row of the input.
static int64_t getRowBytes(LinearOp op) {
  auto type = cast<ShapedType>(op.getInput().getType());
  return op.getNumInputs() * type.getElementTypeBitWidth() / 8;
}

PackedLinear::PackedLinear(KernelBuilder &builder, LinearOp op)
    : b(builder), op(op), clauses(builder, op), weight(builder, op),
      n(op.getNumOutputs()), panel(op.getPanel()),
      panels(getStaticDim(op.getWeight(), 0)),
      vectors(panel / b.target.getLanes()),
      hasTiles(MatrixTiles::canDo(b.target, op)),
      tileRows(hasTiles ? MatrixTiles::rows : getTileRows(b.target, op)),
      blockRows(getBlockRows(b.target, getRowBytes(op), tileRows)),
      rows(clauses.getTokens()) {
  isRow = getConstantIntValue(rows) == 1;
  for (fewRows = 1; getTilePanels(fewRows + 1) > 1;)
    ++fewRows;
  // Tiles of few rows take up to as many panels as there are streams.
  int64_t fewPanels =
      llvm::alignTo(std::max<int64_t>(1, rowGroupBytes / getPanelBytes(op)),
                    std::min(streams, panels));
  int64_t manyPanels = std::max<int64_t>(1, groupBytes / getPanelBytes(op));
  isFew = b.less(rows, b.index(fewRows + 1));
  auto choose = [&](int64_t few, int64_t many) {
    return b.createOrFold<arith::SelectOp>(isFew, b.index(few), b.index(many));
  };
  groupPanels = choose(fewPanels, manyPanels);
  groups = choose(llvm::divideCeil(panels, fewPanels),
                  llvm::divideCeil(panels, manyPanels));
}

/// A task is a block of rows and a group of panels.
PackedLinear::Task PackedLinear::decode(Value task) {
  Value firstPanel = b.mul(b.rem(task, groups), groupPanels);
  Value firstRow = b.mul(b.div(task, groups), blockRows);
  return {firstPanel, b.min(b.add(firstPanel, groupPanels), b.index(panels)),
          firstRow, b.min(b.add(firstRow, blockRows), rows)};
}

void PackedLinear::emit() {
  Value tasks = b.mul(b.ceilDiv(rows, blockRows), groups);
  b.forall(tasks, [&](Value task) { emitTask(decode(task)); });
}

void PackedLinear::emitTask(Task task) {
  if (isRow)
    return emitFewRows(task, 1);
  b.ifElse(
      isFew,
      [&] {
        b.switchOn(rows, fewRows,
                   [&](int64_t count) { emitFewRows(task, count); });
      },
      [&] { emitManyRows(task); });
}

/// As many panels as registers have room for beside each other.
int64_t PackedLinear::getTilePanels(int64_t rows) {
  if (rows == 1)
    return std::min({streams, tileRows, panels});
  int64_t tilePanels = streams;
  while (tilePanels > 1 &&
         (tilePanels > panels || getTileRows(b.target, op, tilePanels) < rows))
    tilePanels /= 2;
  return tilePanels;
}

/// Panels of one tile are far apart, so that each begins where the one that the
/// tile before had in its place ends: memory is read in few long streams.
void PackedLinear::emitFewRows(Task task, int64_t rows) {
  int64_t tilePanels = getTilePanels(rows);
  Value count = b.sub(task.endPanel, task.firstPanel);
  Value tiles = b.div(count, tilePanels);
  Value endTiles = b.add(task.firstPanel, tiles);
  b.loop(task.firstPanel, endTiles, 1, [&](Value panel) {
    emitTile(rows, task.firstRow, {panel, tiles, tilePanels});
  });
  if (tilePanels > 1)
    b.loop(b.add(task.firstPanel, b.mul(tiles, tilePanels)), task.endPanel, 1,
           [&](Value panel) {
             emitTile(rows, task.firstRow, {panel, b.index(0), 1});
           });
}

/// As many whole tiles as there are, then the rest.
void PackedLinear::emitMatrixTiles(Task task) {
  MatrixTiles tiles(b, weight);
  Value count = b.sub(task.endRow, task.firstRow);
  Value rest = b.rem(count, b.index(MatrixTiles::rows));
  Task whole = task;
  whole.endRow = b.sub(task.endRow, rest);
  emitMatrixRows(tiles, whole, b.index(MatrixTiles::rows));
  task.firstRow = whole.endRow;
  b.ifThen(b.less(b.index(0), rest),
           [&] { emitMatrixRows(tiles, task, rest); });
  tiles.emitRelease();
}

/// Rows of a task, `size` at a time, with each panel.
void PackedLinear::emitMatrixRows(MatrixTiles &tiles, Task task, Value size) {
  tiles.emitConfigure(size);
  b.loop(task.firstPanel, task.endPanel, 1, [&](Value panel) {
    b.loop(task.firstRow, task.endRow, MatrixTiles::rows, [&](Value firstRow) {
      tiles.emitSums(firstRow, size, panel);
      b.loop(b.index(0), size, 1, [&](Value i) {
        Value row = b.add(firstRow, i);
        Values sums = tiles.loadSums(i, row, panel);
        emitPanel({{1, vectors}, sums, row, 0, panel});
      });
    });
  });
}

void PackedLinear::emitManyRows(Task task) {
  if (hasTiles)
    return emitMatrixTiles(task);
  b.loop(task.firstPanel, task.endPanel, 1,
         [&](Value panel) { emitTiles(task, {panel, b.index(0), 1}); });
}

/// The rows are dealt out to tiles as evenly as can be: a tile of a few rows
/// would leave multiply-adds unused.
void PackedLinear::emitTiles(Task task, TilePanels panels) {
  Value count = b.sub(task.endRow, task.firstRow);
  Value tiles = b.ceilDiv(count, tileRows);
  Value least = b.div(count, tiles), larger = b.rem(count, tiles);
  b.loop(b.index(0), tiles, 1, [&](Value tile) {
    // Narrow ones gain nothing: their panels are small.
    if (getElementTypeOrSelf(op.getInput()).isF32())
      panels.quarter = b.min(tile, b.index(3));
    Value before = b.add(b.mul(tile, least), b.min(tile, larger));
    Value firstRow = b.add(task.firstRow, before);
    Value isLarger = b.less(tile, larger);
    Value size =
        b.createOrFold<arith::SelectOp>(isLarger, b.add(least, 1), least);
    b.switchOn(size, tileRows,
               [&](int64_t rows) { emitTile(rows, firstRow, panels); });
  });
}

void PackedLinear::emitTile(int64_t rows, Value firstRow, TilePanels panels) {
  auto tile = RegisterTile::get(b.target, rows, panels.count * vectors,
                                getOperandRegisters(b.target, op));
  Values tokens, inputRows;
  for (int64_t i = 0; i < rows; ++i) {
    tokens.push_back(b.add(firstRow, i));
    inputRows.push_back(clauses.getInputRow(tokens.back()));
  }
  Values sums =
      LinearMultiplier::create(b, weight, panels, inputRows)->emitSums(tile);
  for (int64_t i = 0; i < panels.count; ++i)
    emitPanel({tile, sums, tokens, i * vectors, panels.get(b, i)});
}

/// The last panel may have columns beyond the last output.
void PackedLinear::emitPanel(TileResult result) {
  int64_t width = op.getGlu() ? panel / 2 : panel;
  if (n % width == 0)
    return emitEpilogue(result, width);
  b.ifElse(
      b.less(result.panel, b.index(panels - 1)),
      [&] { emitEpilogue(result, width); },
      [&] { emitEpilogue(result, n % width); });
}

/// Finishes and stores the first `valid` outputs of a panel.
void PackedLinear::emitEpilogue(TileResult result, int64_t valid) {
  int64_t lanes = b.target.getLanes();
  int64_t outputVectors = op.getGlu() ? vectors / 2 : vectors;
  Value firstColumn = b.mul(result.panel, outputVectors * lanes);
  auto tokens = llvm::map_to_vector(
      result.tokens, [&](Value token) { return clauses.loadToken(token); });
  for (int64_t j = 0; j < outputVectors && j * lanes < valid; ++j) {
    Columns columns = b.columnsAt(j * lanes, valid);
    columns.index = b.add(firstColumn, j * lanes);
    LinearClauses::Outputs outputs = clauses.loadOutputs(columns);
    for (auto [i, token] : llvm::enumerate(tokens)) {
      int64_t sum = i * result.tile.vectors + result.firstVector + j;
      clauses.store(token, outputs, result.sums[sum],
                    op.getGlu() ? result.sums[sum + outputVectors] : Value());
    }
  }
}

/// A product with a weight that is not packed: one dot product per sum.
static void emitUnpacked(KernelBuilder &b, LinearOp op) {
  LinearClauses clauses(b, op);
  Value mask = b.firstLanes(b.index(1));
  b.forall(clauses.getTokens(), [&](Value index) {
    LinearClauses::Token token = clauses.loadToken(index);
    Values row{b.index(0), clauses.getInputRow(index)};
    auto emitSum = [&](Value output) {
      return b.broadcast(emitDot(b, op.getInput(), row, op.getWeight(),
                                 {output}, op.getNumInputs()));
    };
    b.loop(b.index(0), b.index(op.getNumOutputs()), 1, [&](Value output) {
      Value other;
      if (op.getGlu())
        other = emitSum(b.add(output, op.getNumOutputs()));
      clauses.store(token, clauses.loadOutputs({output, mask}), emitSum(output),
                    other);
    });
  });
}

void mod::emitKernel(KernelBuilder &b, LinearOp op) {
  if (op.isPacked())
    PackedLinear(b, op).emit();
  else
    emitUnpacked(b, op);
}
