//===- Linear.cpp - Kernels of products with weights ----------------------===//
//
// Packed weights stream past a register tile of sums; rows of the input are
// broadcast scalar by scalar and need no packing.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/LinearClauses.h"
#include "codegen/cpu/LinearTiling.h"
#include "codegen/cpu/MatrixTiles.h"

using namespace mlir;
using namespace mlir::mod;

/// Bytes of the panels of one task where rows are few: enough to pay for
/// handing it out.
static constexpr int64_t rowGroupBytes = 128 * 1024;

/// Where rows are many a task takes a run of panels, since it asks memory for
/// the next one meanwhile, as long as there are tasks enough to share out.
static constexpr int64_t mostPanels = 8, wantedTasks = 32;

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
  /// Some of things that lie behind each other.
  struct Part {
    Value first, size;
  };
  Part deal(Value count, Value parts, Value part);
  /// What a tile of many rows does at once: some of the steps along the inputs.
  struct Turn {
    Value firstStep, endStep;
    /// The row of `results` where the tile's begin.
    Value firstResult;
  };

  static SmallVector<int64_t> getTileSizes(int64_t least, int64_t most);
  Value roundUp(Value count, int64_t most);

  Task decode(Value task);
  void emitTask(Task task);
  int64_t getTilePanels(int64_t rows);
  void emitFewRows(Task task, int64_t rows);
  void emitManyRows(Task task);
  void emitTiles(Task task, TilePanels panels);
  TilePanels::Ahead getAhead(TilePanels panels, Value tiles, Value tile,
                             Value firstStep, Value endStep);
  void emitTurn(Task task, TilePanels panels, Value firstStep, Value endStep);
  void emitMatrixTiles(Task task);
  void emitMatrixRows(MatrixTiles &tiles, Task task, Value size);
  Part getTile(Value count, Value tiles, Value tile);
  void prefetchOutputs(Value row, Value panel);
  void emitTile(int64_t rows, Value firstRow, Value lastRow, TilePanels panels,
                std::optional<Turn> turn = {});
  void emitResults(Part part, TilePanels panels, Value firstResult);
  void emitResult(Value row, Value panel, ArrayRef<Value> sums);
  void emitEpilogue(Value row, Value panel, ArrayRef<Value> sums,
                    int64_t valid);

  KernelBuilder &b;
  LinearOp op;
  LinearClauses clauses;
  PackedWeight weight;
  int64_t n, panel, panels, vectors;
  LinearTiling tiling;
  /// Whether there is one row, whatever happens.
  bool isRow;
  Value rows;
  /// Whether there are so few rows that memory is the limit.
  Value isFew;
  /// Panels of one task, and how many such groups there are; blocks of rows.
  Value groupPanels, groups, blocks;
  /// `[panels of a tile][rows][panel]`: what a tile came to, on the stack of
  /// the task.
  Value results;
};
} // namespace

PackedLinear::PackedLinear(KernelBuilder &builder, LinearOp op)
    : b(builder), op(op), clauses(builder, op), weight(builder, op),
      n(op.getNumOutputs()), panel(op.getPanel()),
      panels(getStaticDim(op.getWeight(), 0)),
      vectors(panel / b.target.getLanes()), tiling(b.target, weight),
      rows(clauses.getTokens()) {
  isRow = getConstantIntValue(rows) == 1;
  // Tiles of few rows take up to as many panels as there are streams.
  int64_t fewPanels =
      llvm::alignTo(std::max<int64_t>(1, rowGroupBytes / getPanelBytes(op)),
                    std::min(streams, panels));
  isFew = b.less(rows, b.index(tiling.fewRows + 1));
  blocks = b.ceilDiv(rows, tiling.blockRows);
  Value manyPanels = b.ceilDiv(b.mul(blocks, panels), wantedTasks);
  manyPanels = b.mul(
      b.ceilDiv(b.min(manyPanels, b.index(mostPanels)), tiling.tilePanels),
      tiling.tilePanels);
  groupPanels =
      b.createOrFold<arith::SelectOp>(isFew, b.index(fewPanels), manyPanels);
  groups = b.ceilDiv(b.index(panels), groupPanels);
}

/// One of `parts` parts of `count` things that differ by one at most.
PackedLinear::Part PackedLinear::deal(Value count, Value parts, Value part) {
  Value least = b.div(count, parts), larger = b.rem(count, parts);
  Value first = b.add(b.mul(part, least), b.min(part, larger));
  Value size = b.createOrFold<arith::SelectOp>(b.less(part, larger),
                                               b.add(least, 1), least);
  return {first, size};
}

/// A task is a block of rows and a group of panels.
PackedLinear::Task PackedLinear::decode(Value task) {
  Value firstPanel = b.mul(b.rem(task, groups), groupPanels);
  Part block = deal(rows, blocks, b.div(task, groups));
  return {firstPanel, b.min(b.add(firstPanel, groupPanels), b.index(panels)),
          block.first, b.add(block.first, block.size)};
}

void PackedLinear::emit() {
  b.forall(b.mul(blocks, groups), [&](Value task) {
    int64_t resultRows = getTileRows(b.target, op);
    if (tiling.hasTurns)
      resultRows = std::max(resultRows, tiling.blockRows);
    results = b.scratch({streams, resultRows, panel});
    emitTask(decode(task));
  });
}

/// The numbers of rows that tiles have, where at most `most` and at least
/// `least` are asked for: code for each would take long to compile, so that
/// only every other one has its own, and a row may stand in for one that is not
/// there.
SmallVector<int64_t> PackedLinear::getTileSizes(int64_t least, int64_t most) {
  SmallVector<int64_t> sizes = {most};
  while (sizes.back() - 2 >= least)
    sizes.push_back(sizes.back() - 2);
  if (sizes.back() > 1 && least == 1)
    sizes.push_back(1);
  return SmallVector<int64_t>(llvm::reverse(sizes));
}

/// The least of these that is not below `count`.
Value PackedLinear::roundUp(Value count, int64_t most) {
  Value missing = b.div(b.sub(b.index(most), count), 2);
  Value size = b.sub(b.index(most), b.mul(missing, 2));
  return b.createOrFold<arith::SelectOp>(b.less(count, b.index(2)), count,
                                         size);
}

void PackedLinear::emitTask(Task task) {
  if (isRow)
    return emitFewRows(task, 1);
  b.ifElse(
      isFew,
      [&] {
        b.switchOn(roundUp(rows, tiling.fewRows),
                   getTileSizes(1, tiling.fewRows),
                   [&](int64_t count) { emitFewRows(task, count); });
      },
      [&] { emitManyRows(task); });
}

/// As many panels as registers have room for beside each other, and beside a
/// constant of what finishes them, which LLVM moves out of their loop.
int64_t PackedLinear::getTilePanels(int64_t rows) {
  if (rows == 1)
    return std::min({streams, tiling.tileRows, panels});
  int64_t tilePanels = streams;
  while (tilePanels > 1 && (tilePanels > panels ||
                            getTileRows(b.target, op, tilePanels, 1) < rows))
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
  Part part{task.firstRow, isRow ? b.index(1) : this->rows};
  Value lastRow = b.sub(b.add(part.first, part.size), b.index(1));
  auto emit = [&](TilePanels panels) {
    emitTile(rows, part.first, lastRow, panels);
    emitResults(part, panels, b.index(0));
  };
  b.loop(task.firstPanel, endTiles, 1,
         [&](Value panel) { emit({panel, tiles, tilePanels}); });
  // Groups are of whole tiles, and so are all panels together.
  if (panels % tilePanels == 0)
    return;
  b.loop(b.add(task.firstPanel, b.mul(tiles, tilePanels)), task.endPanel, 1,
         [&](Value panel) { emit({panel, b.index(0), 1}); });
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
  tiles.registers.emitRelease();
}

/// Rows of a task, `size` at a time, with each panel.
void PackedLinear::emitMatrixRows(MatrixTiles &tiles, Task task, Value size) {
  tiles.registers.emitConfigure(size);
  b.loop(task.firstPanel, task.endPanel, 1, [&](Value panel) {
    b.loop(task.firstRow, task.endRow, MatrixTiles::rows, [&](Value firstRow) {
      tiles.emitSums(firstRow, size, panel,
                     [&](Value row) { prefetchOutputs(row, panel); });
      b.loop(b.index(0), size, 1, [&](Value i) {
        Value row = b.add(firstRow, i);
        Values sums = tiles.loadSums(i, row, panel);
        emitResult(row, panel, sums);
      });
    });
  });
}

void PackedLinear::emitManyRows(Task task) {
  if (tiling.hasTiles)
    return emitMatrixTiles(task);
  Value rest =
      b.rem(b.sub(task.endPanel, task.firstPanel), b.index(tiling.tilePanels));
  Value endTiles = b.sub(task.endPanel, rest);
  b.loop(task.firstPanel, endTiles, tiling.tilePanels, [&](Value panel) {
    emitTiles(task, {panel, b.index(1), tiling.tilePanels});
  });
  // Groups are of whole tiles, and so are all panels together.
  if (panels % tiling.tilePanels == 0)
    return;
  b.loop(endTiles, task.endPanel, 1,
         [&](Value panel) { emitTiles(task, {panel, b.index(0), 1}); });
}

/// One of the tiles that `count` rows take: all are whole but for the last two,
/// which share what is left, since a tile of a few rows would leave
/// multiply-adds unused.
PackedLinear::Part PackedLinear::getTile(Value count, Value tiles, Value tile) {
  Value shared = b.min(tiles, b.index(2)), whole = b.sub(tiles, shared);
  Part last = deal(b.sub(count, b.mul(whole, tiling.tileRows)), shared,
                   b.sub(tile, whole));
  Value isWhole = b.less(tile, whole);
  auto select = [&](Value x, Value y) {
    return b.createOrFold<arith::SelectOp>(isWhole, x, y);
  };
  return {select(b.mul(tile, tiling.tileRows),
                 b.add(b.mul(whole, tiling.tileRows), last.first)),
          select(b.index(tiling.tileRows), last.size)};
}

/// Turns add up in `results`, tile by tile.
void PackedLinear::emitTiles(Task task, TilePanels panels) {
  if (!tiling.hasTurns)
    return emitTurn(task, panels, b.index(0), b.index(weight.steps));
  b.loop(b.index(0), b.index(panels.count), 1, [&](Value number) {
    b.loop(b.index(0), b.index(tiling.blockRows), 1, [&](Value row) {
      for (int64_t j = 0; j < vectors; ++j)
        b.store(b.splat(0.0), results, {number, row},
                Columns{b.index(j * b.target.getLanes())});
    });
  });
  Value end = b.index(weight.steps);
  b.loop(b.index(0), end, tiling.turnSteps, [&](Value step) {
    emitTurn(task, panels, step, b.min(b.add(step, tiling.turnSteps), end));
  });
}

/// What a tile asks memory for: its share of the panels of the next turn.
TilePanels::Ahead PackedLinear::getAhead(TilePanels panels, Value tiles,
                                         Value tile, Value firstStep,
                                         Value endStep) {
  Value isLast = b.less(b.index(weight.steps - 1), endStep);
  auto select = [&](Value x, Value y) {
    return b.createOrFold<arith::SelectOp>(isLast, x, y);
  };
  Value next = b.add(panels.first, panels.count);
  Value done = b.sub(b.mul(tile, tiling.turnSteps), firstStep);
  Value sharers = b.createOrFold<arith::MaxSIOp>(
      tiles, b.index(TilePanels::Ahead::kLeastTiles));
  return {select(next, panels.first), select(b.index(0), endStep), done,
          b.ceilDiv(b.index(TilePanels::Ahead::kWhole), sharers)};
}

void PackedLinear::emitTurn(Task task, TilePanels panels, Value firstStep,
                            Value endStep) {
  Value count = b.sub(task.endRow, task.firstRow);
  Value tiles = b.ceilDiv(count, tiling.tileRows);
  Value lastRow = b.sub(task.endRow, b.index(1));
  // Two tiles that share more rows than one has have half as many each.
  int64_t leastRows = std::min(tiling.fewRows + 1, (tiling.tileRows + 1) / 2);
  b.loop(b.index(0), tiles, 1, [&](Value tile) {
    Part part = getTile(count, tiles, tile);
    Value firstRow = b.add(task.firstRow, part.first);
    // A row that stands in for none has a place of its own.
    Value firstResult =
        tiling.hasTurns ? b.mul(tile, tiling.tileRows) : b.index(0);
    // Narrow ones gain nothing: their panels are small.
    if (getElementTypeOrSelf(op.getInput()).isF32())
      panels.ahead = getAhead(panels, tiles, tile, firstStep, endStep);
    b.switchOn(roundUp(part.size, tiling.tileRows),
               getTileSizes(leastRows, tiling.tileRows), [&](int64_t rows) {
                 emitTile(rows, firstRow, lastRow, panels,
                          Turn{firstStep, endStep, firstResult});
               });
    auto emit = [&] {
      emitResults({firstRow, part.size}, panels, firstResult);
    };
    if (!tiling.hasTurns)
      return emit();
    b.ifThen(b.less(b.index(weight.steps - 1), endStep), emit);
  });
}

/// Asks for the places that a row's outputs with a panel go to: a tile has as
/// many lines of them as sums in registers, for which the stores would wait.
void PackedLinear::prefetchOutputs(Value row, Value panel) {
  int64_t width = op.getGlu() ? this->panel / 2 : this->panel;
  Value column = b.mul(panel, width), outputRow = clauses.getOutputRow(row);
  for (int64_t j = 0; j < width; j += b.getLineSize(op.getInto()))
    b.prefetch(op.getInto(), {b.index(0), outputRow, b.add(column, j)},
               /*level=*/1, /*isWrite=*/true);
}

/// Leaves the sums of a tile in `results`, the rows of each panel together.
/// Rows behind the last repeat it.
void PackedLinear::emitTile(int64_t rows, Value firstRow, Value lastRow,
                            TilePanels panels, std::optional<Turn> turn) {
  auto tile = RegisterTile::get(b.target, rows, panels.count * vectors,
                                getOperandRegisters(b.target, op));
  Values inputRows;
  for (int64_t i = 0; i < rows; ++i)
    inputRows.push_back(
        clauses.getInputRow(b.min(b.add(firstRow, i), lastRow)));
  auto multiplier = LinearMultiplier::create(b, weight, panels, inputRows);
  auto prefetch = [&](Value row) {
    for (int64_t i = 0; i < panels.count; ++i)
      prefetchOutputs(b.min(b.add(firstRow, row), lastRow), panels.get(b, i));
  };
  if (turn)
    multiplier->outputs = {rows, prefetch};
  auto locate = [&](int64_t number) -> Values {
    Value row = b.index(number / tile.vectors);
    return {b.index(number % tile.vectors / vectors),
            turn ? b.add(turn->firstResult, row) : row};
  };
  auto getColumns = [&](int64_t number) {
    return Columns{b.index(number % vectors * b.target.getLanes())};
  };
  Values sums;
  if (turn && tiling.hasTurns) {
    for (int64_t number : llvm::seq(tile.size()))
      sums.push_back(b.load(results, locate(number), getColumns(number)));
    sums = multiplier->emitSums(tile, turn->firstStep, turn->endStep, sums);
  } else {
    sums = multiplier->emitSums(tile);
  }
  for (auto [number, sum] : llvm::enumerate(sums))
    b.store(sum, results, locate(number), getColumns(number));
}

/// Finishes a tile row by row: sums that stayed in registers would need the
/// same code for each of them.
void PackedLinear::emitResults(Part part, TilePanels panels,
                               Value firstResult) {
  b.loop(b.index(0), b.index(panels.count), 1, [&](Value number) {
    Value panel = b.add(panels.first, b.mul(panels.stride, number));
    b.loop(b.index(0), part.size, 1, [&](Value row) {
      Values sums;
      for (int64_t j = 0; j < vectors; ++j)
        sums.push_back(b.load(results, {number, b.add(firstResult, row)},
                              Columns{b.index(j * b.target.getLanes())}));
      emitResult(b.add(part.first, row), panel, sums);
    });
  });
}

/// The last panel may have columns beyond the last output.
void PackedLinear::emitResult(Value row, Value panel, ArrayRef<Value> sums) {
  int64_t width = op.getGlu() ? this->panel / 2 : this->panel;
  if (n % width == 0)
    return emitEpilogue(row, panel, sums, width);
  b.ifElse(
      b.less(panel, b.index(panels - 1)),
      [&] { emitEpilogue(row, panel, sums, width); },
      [&] { emitEpilogue(row, panel, sums, n % width); });
}

/// Finishes and stores the first `valid` outputs of a panel.
void PackedLinear::emitEpilogue(Value row, Value panel, ArrayRef<Value> sums,
                                int64_t valid) {
  int64_t lanes = b.target.getLanes();
  int64_t outputVectors = op.getGlu() ? vectors / 2 : vectors;
  Value firstColumn = b.mul(panel, outputVectors * lanes);
  LinearClauses::Token token = clauses.loadToken(row);
  for (int64_t j = 0; j < outputVectors && j * lanes < valid; ++j) {
    Columns columns = b.columnsAt(j * lanes, valid);
    columns.index = b.add(firstColumn, j * lanes);
    clauses.store(token, clauses.loadOutputs(columns), sums[j],
                  op.getGlu() ? sums[j + outputVectors] : Value());
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
