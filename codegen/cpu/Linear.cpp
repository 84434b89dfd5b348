//===- Linear.cpp - Kernels of products with weights ----------------------===//
//
// Packed weights stream past a register tile of sums; rows of the input are
// broadcast scalar by scalar and need no packing.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/RegisterTile.h"

using namespace mlir;
using namespace mlir::mod;

/// Bytes of the panels of one task: enough to pay for handing it out.
static constexpr int64_t groupBytes = 128 * 1024;

namespace {
/// Rows of the input with one panel of weights, both f32.
struct F32Multiplier : Multiplier {
  F32Multiplier(KernelBuilder &builder, LinearOp op, Value panel,
                ArrayRef<Value> rows)
      : Multiplier(builder), op(op), panel(panel), rows(rows) {}

  Values loadA(int64_t i, Value step) override {
    return {b.broadcast(b.load(op.getInput(), {b.index(0), rows[i], step}))};
  }
  Values loadB(int64_t j, Value step) override {
    Columns columns{b.index(j * b.target.getLanes())};
    return {b.load(op.getWeight(), {panel, step}, columns)};
  }

  LinearOp op;
  Value panel;
  ArrayRef<Value> rows;
};

/// The kernel of one product, `M x K` by packed `K x N`.
struct PackedLinear {
  PackedLinear(KernelBuilder &builder, LinearOp op);

  void emit();

private:
  /// The panels `firstPanel` to `endPanel - 1` and rows of one task.
  struct Task {
    Value firstPanel, endPanel, firstRow, endRow;
  };
  /// Sums of a tile, and where they belong.
  struct TileResult {
    RegisterTile tile;
    ArrayRef<Value> sums, rows;
    Value firstColumn;
  };

  Task decode(Value task);
  void emitTask(Task task);
  void emitTile(int64_t rows, Value panel, Value firstRow);
  void emitEpilogue(TileResult result, int64_t valid);

  KernelBuilder &b;
  LinearOp op;
  int64_t k, n, panel, panels, groupPanels, vectors, tileRows, blockRows;
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

PackedLinear::PackedLinear(KernelBuilder &builder, LinearOp op)
    : b(builder), op(op), k(op.getNumInputs()), n(op.getNumOutputs()),
      panel(getStaticDim(op.getWeight(), 2)),
      panels(getStaticDim(op.getWeight(), 0)),
      groupPanels(std::max<int64_t>(1, groupBytes / (4 * k * panel))),
      vectors(panel / b.target.getLanes()),
      tileRows(b.target.getTileRows(vectors)),
      blockRows(getBlockRows(b.target, 4 * k, tileRows)),
      rows(b.dim(op.getInput(), 1)) {}

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

/// The rows are dealt out to tiles as evenly as can be: a tile of a few rows
/// would leave multiply-adds unused.
void PackedLinear::emitTask(Task task) {
  Value count = b.sub(task.endRow, task.firstRow);
  Value tiles = b.ceilDiv(count, tileRows);
  Value least = b.div(count, tiles), larger = b.rem(count, tiles);
  Value one = b.index(1);
  b.loop(task.firstPanel, task.endPanel, 1, [&](Value panel) {
    b.loop(b.index(0), tiles, 1, [&](Value tile) {
      Value before = b.add(b.mul(tile, least), b.min(tile, larger));
      Value firstRow = b.add(task.firstRow, before);
      Value isLarger = b.less(tile, larger);
      Value size =
          b.createOrFold<arith::SelectOp>(isLarger, b.add(least, one), least);
      b.switchOn(size, tileRows,
                 [&](int64_t rows) { emitTile(rows, panel, firstRow); });
    });
  });
}

void PackedLinear::emitTile(int64_t rows, Value panel, Value firstRow) {
  auto tile = RegisterTile::get(b.target, rows, vectors);
  Values tileRows;
  for (int64_t i = 0; i < rows; ++i)
    tileRows.push_back(b.add(firstRow, i));
  F32Multiplier multiplier(b, op, panel, tileRows);
  Values sums =
      emitProducts(b, tile, b.index(0), b.index(k),
                   Values(tile.size(), multiplier.getZero()), multiplier);
  TileResult result{tile, sums, tileRows, b.mul(panel, this->panel)};
  if (n % this->panel == 0)
    return emitEpilogue(result, this->panel);
  b.ifElse(
      b.less(panel, b.index(panels - 1)),
      [&] { emitEpilogue(result, this->panel); },
      [&] { emitEpilogue(result, n % this->panel); });
}

/// Finishes and stores the first `valid` columns of a tile.
void PackedLinear::emitEpilogue(TileResult result, int64_t valid) {
  int64_t lanes = b.target.getLanes(), vectors = result.tile.vectors;
  for (int64_t j = 0; j < vectors && j * lanes < valid; ++j) {
    Columns columns = b.columnsAt(j * lanes, valid);
    columns.index = b.add(result.firstColumn, j * lanes);
    Value bias;
    if (op.getBias())
      bias = b.load(op.getBias(), {}, columns);
    for (auto [i, row] : llvm::enumerate(result.rows)) {
      Value sum = result.sums[i * vectors + j];
      b.store(bias ? b.addf(sum, bias) : sum, op.getInto(), {b.index(0), row},
              columns);
    }
  }
}

/// A product with a weight that is not packed: one dot product per output.
static void emitUnpacked(KernelBuilder &b, LinearOp op) {
  Value outputs = b.index(op.getNumOutputs());
  b.forall(b.dim(op.getInput(), 1), [&](Value row) {
    b.loop(b.index(0), outputs, 1, [&](Value output) {
      Value sum = emitDot(b, op.getInput(), {b.index(0), row}, op.getWeight(),
                          {output}, op.getNumInputs());
      if (Value bias = op.getBias())
        sum = b.addf(sum, b.load(bias, {output}));
      b.store(sum, op.getInto(), {b.index(0), row, output});
    });
  });
}

void mod::emitKernel(KernelBuilder &b, LinearOp op) {
  if (op.isPacked())
    PackedLinear(b, op).emit();
  else
    emitUnpacked(b, op);
}
