//===- Linear.cpp - Kernels of products with weights ----------------------===//
//
// Packed weights stream past a register tile of sums; rows of the input are
// broadcast scalar by scalar and need no packing.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/RegisterTile.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
/// Rows of one task, a multiple of any tile's: a block of the input that stays
/// in the second level cache while panels pass by.
constexpr int64_t blockRows = 96;

/// Bytes of the panels of one task: enough to pay for handing it out.
constexpr int64_t groupBytes = 128 * 1024;

/// The kernel of one product, `M x K` by packed `K x N`.
struct PackedLinear {
  PackedLinear(KernelBuilder &builder, LinearOp op);

  void emit();

private:
  /// The panels `first`, `first + 1`, ... and rows of one task.
  struct Task {
    Value firstPanel, endPanel, firstRow, endRow;
  };

  Task decode(Value task);
  void emitTask(Task task);
  void emitFullTiles(Task task, Value endFull);
  void emitRest(Task task, Value firstRow);
  void emitRestOf(int64_t rows, Task task, Value firstRow);
  void emitTile(RegisterTile tile, Value panel, Value row);
  void store(RegisterTile tile, ValueRange sums, Value panel, Value row,
             int64_t valid);

  KernelBuilder &b;
  LinearOp op;
  int64_t k, n, panel, panels, groupPanels, vectors, tileRows;
  Value rows;
};
} // namespace

PackedLinear::PackedLinear(KernelBuilder &builder, LinearOp op)
    : b(builder), op(op), k(op.getNumInputs()), n(op.getNumOutputs()),
      panel(getStaticDim(op.getWeight(), 2)),
      panels(getStaticDim(op.getWeight(), 0)),
      groupPanels(std::max<int64_t>(1, groupBytes / (4 * k * panel))),
      vectors(panel / b.target.getLanes()),
      tileRows(b.target.getTileRows(vectors)), rows(b.dim(op.getInput(), 1)) {}

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

void PackedLinear::emitTask(Task task) {
  Value count = b.sub(task.endRow, task.firstRow);
  Value full = b.mul(b.div(count, tileRows), tileRows);
  Value endFull = b.add(task.firstRow, full);
  emitFullTiles(task, endFull);
  emitRest(task, endFull);
}

void PackedLinear::emitFullTiles(Task task, Value endFull) {
  b.loop(task.firstPanel, task.endPanel, 1, [&](Value panel) {
    b.loop(task.firstRow, endFull, tileRows,
           [&](Value row) { emitTile({tileRows, vectors}, panel, row); });
  });
}

/// The rows that do not fill a tile, by a tile of exactly as many rows.
void PackedLinear::emitRest(Task task, Value firstRow) {
  auto cases = llvm::to_vector(llvm::seq<int64_t>(1, tileRows));
  if (cases.empty())
    return;
  auto choice = scf::IndexSwitchOp::create(
      b, TypeRange(), b.sub(task.endRow, firstRow), cases, cases.size());
  OpBuilder::InsertionGuard guard(b);
  for (auto [rows, region] : llvm::zip_equal(cases, choice.getCaseRegions())) {
    b.setInsertionPointToStart(&region.emplaceBlock());
    emitRestOf(rows, task, firstRow);
    scf::YieldOp::create(b);
  }
  b.setInsertionPointToStart(&choice.getDefaultRegion().emplaceBlock());
  scf::YieldOp::create(b);
}

void PackedLinear::emitRestOf(int64_t rows, Task task, Value firstRow) {
  b.loop(task.firstPanel, task.endPanel, 1,
         [&](Value panel) { emitTile({rows, vectors}, panel, firstRow); });
}

void PackedLinear::emitTile(RegisterTile tile, Value panel, Value row) {
  Value zero = b.index(0);
  Values inits(tile.size(), b.splat(0.0));
  Values inputRows;
  for (int64_t i = 0; i < tile.rows; ++i)
    inputRows.push_back(b.add(row, i));
  Values sums = emitProducts(
      b, tile, zero, b.index(k), inits,
      [&](int64_t i, Value k) {
        return b.load(op.getInput(), {zero, inputRows[i], k});
      },
      [&](int64_t j, Value k) {
        return b.load(op.getWeight(), {panel, k},
                      Columns{b.index(j * b.target.getLanes())});
      });
  if (n % this->panel == 0)
    return store(tile, sums, panel, row, this->panel);
  b.ifElse(
      b.less(panel, b.index(panels - 1)),
      [&] { store(tile, sums, panel, row, this->panel); },
      [&] { store(tile, sums, panel, row, n % this->panel); });
}

/// Stores the first `valid` columns of a tile.
void PackedLinear::store(RegisterTile tile, ValueRange sums, Value panel,
                         Value row, int64_t valid) {
  int64_t lanes = b.target.getLanes();
  Value first = b.mul(panel, this->panel);
  for (int64_t j = 0; j < tile.vectors && j * lanes < valid; ++j) {
    Columns columns = b.columnsAt(j * lanes, valid);
    columns.index = b.add(first, j * lanes);
    Value bias;
    if (op.getBias())
      bias = b.load(op.getBias(), {}, columns);
    for (int64_t i = 0; i < tile.rows; ++i) {
      Value sum = sums[i * tile.vectors + j];
      b.store(bias ? b.addf(sum, bias) : sum, op.getInto(),
              {b.index(0), b.add(row, i)}, columns);
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
