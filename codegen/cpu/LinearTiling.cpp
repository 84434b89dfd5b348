//===- LinearTiling.cpp - How products with weights are cut ---------------===//
//
// Sizes of the tasks, tiles and turns of a product, from the registers and
// caches of a CPU.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/LinearTiling.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/MatrixTiles.h"

using namespace mlir;
using namespace mlir::mod;

/// An even number, since every other one has its code. Tiles of registers are
/// faster than tiles that leave no room for a second panel.
static int64_t getFewRows(CpuTarget target, LinearOp op, bool hasTiles) {
  int64_t rows = getTileRows(target, op, hasTiles ? 2 : 1);
  return std::max<int64_t>(llvm::alignDown(rows, 2), 1);
}

/// Loads per multiply-add of a tile: inputs, weights, and as many requests for
/// weights ahead.
static double getLoads(CpuTarget target, LinearOp op, int64_t panels) {
  int64_t vectors = panels * op.getPanel() / target.getLanes();
  int64_t rows = getTileRows(target, op, panels);
  return double(rows + 2 * vectors) / (rows * vectors);
}

/// Two panels beside each other, where that saves a tenth of the loads.
static int64_t getTilePanels(CpuTarget target, LinearOp op) {
  double loads = getLoads(target, op, 1);
  bool hasTwo = getStaticDim(op.getWeight(), 0) > 1;
  return hasTwo && getLoads(target, op, 2) < 0.9 * loads ? 2 : 1;
}

/// What all tiles of a turn read of their panels takes a quarter of the second
/// level cache at most. Narrow panels are small.
static int64_t getTurnSteps(CpuTarget target, PackedWeight weight,
                            int64_t panels) {
  if (!getElementTypeOrSelf(weight.op.getInput()).isF32())
    return weight.steps;
  int64_t bytes = panels * getPanelBytes(weight.op);
  int64_t turns = llvm::divideCeil(bytes, target.level2Bytes / 4);
  int64_t steps = llvm::divideCeil(weight.steps, turns);
  return std::min<int64_t>(llvm::alignTo(steps, 2), weight.steps);
}

/// A block of the input that stays in the second level cache, as far as a turn
/// needs it, while panels pass by, in whole tiles. Vectors leave a quarter of
/// it to these and to outputs, and read weights seldom enough with some 200
/// rows; tiles of registers, which read rows faster, leave five eighths.
static int64_t getBlockRows(CpuTarget target, LinearOp op, bool hasTiles,
                            int64_t tileRows, double share) {
  int64_t bytes = target.level2Bytes * (hasTiles ? 3 : 6) / 8;
  int64_t mostRows = hasTiles ? 2048 : 192;
  unsigned bits = getElementTypeOrSelf(op.getInput()).getIntOrFloatBitWidth();
  double rowBytes = share * op.getNumInputs() * bits / 8;
  int64_t tiles = bytes / (rowBytes * tileRows);
  return std::clamp<int64_t>(tiles, 4, mostRows / tileRows) * tileRows;
}

LinearTiling::LinearTiling(CpuTarget target, PackedWeight weight)
    : hasTiles(MatrixTiles::canDo(target, weight.op)),
      fewRows(getFewRows(target, weight.op, hasTiles)),
      tilePanels(hasTiles ? 1 : getTilePanels(target, weight.op)),
      tileRows(hasTiles ? MatrixTiles::rows
                        : getTileRows(target, weight.op, tilePanels)),
      turnSteps(getTurnSteps(target, weight, tilePanels)),
      hasTurns(turnSteps < weight.steps),
      blockRows(getBlockRows(target, weight.op, hasTiles, tileRows,
                             double(turnSteps) / weight.steps)) {}
