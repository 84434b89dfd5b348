//===- Linear.cpp - Kernels of products with weights ----------------------===//
//
// Packed weights stream past a register tile of sums; rows of the input are
// broadcast scalar by scalar and need no packing.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/LinearClauses.h"
#include "codegen/cpu/Multipliers.h"

using namespace mlir;
using namespace mlir::mod;

/// Bytes of the panels of one task: enough to pay for handing it out and, where
/// rows are many, for the first panel, which nobody has asked memory for.
static constexpr int64_t rowGroupBytes = 128 * 1024;
static constexpr int64_t groupBytes = 256 * 1024;

/// Panels that are read at once where one row makes memory the limit: a core
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
  void emitTiles(Task task, TilePanels panels);
  void emitTile(int64_t rows, Value firstRow, TilePanels panels);
  void emitPanel(TileResult result);
  void emitEpilogue(TileResult result, int64_t valid);

  KernelBuilder &b;
  LinearOp op;
  LinearClauses clauses;
  PackedWeight weight;
  int64_t n, panel, panels, vectors, tileRows, blockRows;
  /// Whether there is one row, whatever happens.
  bool isRow;
  /// Panels of one tile and of one task.
  int64_t tilePanels, groupPanels;
  Value rows;
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
      vectors(panel / b.target.getLanes()), tileRows(getTileRows(b.target, op)),
      blockRows(getBlockRows(b.target, getRowBytes(op), tileRows)),
      rows(clauses.getTokens()) {
  isRow = getConstantIntValue(rows) == 1;
  tilePanels = isRow ? std::min({streams, tileRows, panels}) : 1;
  int64_t bytes = isRow ? rowGroupBytes : groupBytes;
  groupPanels = llvm::alignTo(std::max<int64_t>(1, bytes / getPanelBytes(op)),
                              tilePanels);
}

/// A task is a block of rows and a group of panels.
PackedLinear::Task PackedLinear::decode(Value task) {
  Value groups = b.index(llvm::divideCeil(panels, groupPanels));
  Value firstPanel = b.mul(b.rem(task, groups), groupPanels);
  Value firstRow = b.mul(b.div(task, groups), blockRows);
  return {firstPanel, b.min(b.add(firstPanel, groupPanels), b.index(panels)),
          firstRow, b.min(b.add(firstRow, blockRows), rows)};
}

void PackedLinear::emit() {
  Value groups = b.index(llvm::divideCeil(panels, groupPanels));
  Value tasks = b.mul(b.ceilDiv(rows, blockRows), groups);
  b.forall(tasks, [&](Value task) { emitTask(decode(task)); });
}

/// Panels of one tile are far apart, so that each begins where the one that the
/// tile before had in its place ends: memory is read in few long streams.
void PackedLinear::emitTask(Task task) {
  Value count = b.sub(task.endPanel, task.firstPanel);
  Value tiles = b.div(count, tilePanels);
  Value endTiles = b.add(task.firstPanel, tiles);
  b.loop(task.firstPanel, endTiles, 1,
         [&](Value panel) { emitTiles(task, {panel, tiles, tilePanels}); });
  if (panels % tilePanels)
    b.loop(b.add(task.firstPanel, b.mul(tiles, tilePanels)), task.endPanel, 1,
           [&](Value panel) { emitTiles(task, {panel, b.index(0), 1}); });
}

/// The rows are dealt out to tiles as evenly as can be: a tile of a few rows
/// would leave multiply-adds unused.
void PackedLinear::emitTiles(Task task, TilePanels panels) {
  if (isRow)
    return emitTile(1, b.index(0), panels);
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
