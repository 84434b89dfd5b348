//===- MatrixTiles.cpp - Products with weights by tiles -------------------===//
//
// Sums of many rows of narrow inputs with one panel of weights.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/MatrixTiles.h"
#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace mlir::mod;

bool MatrixTiles::canDo(CpuTarget target, LinearOp op) {
  Type x = getElementTypeOrSelf(op.getInput());
  bool isKnown = x.isBF16() || (x.isInteger(8) && !op.isFourBit());
  int64_t whole = TileRegisters::words * op.getInputsTogether();
  return target.hasTiles && isKnown && !op.getRows() &&
         op.getNumInputs() >= whole;
}

MatrixTiles::MatrixTiles(KernelBuilder &builder, PackedWeight weight)
    : registers(builder), b(builder), op(weight.op), weight(weight),
      vectors(op.getPanel() / b.target.getLanes()),
      tileSteps(weight.steps / TileRegisters::words * TileRegisters::words),
      sums(b.scratch({rows, op.getPanel()})) {}

void MatrixTiles::emitPart(TileSums part, int64_t firstVector, Value firstRow,
                           Value panel,
                           function_ref<void(Value step)> lookAhead) {
  int64_t together = op.getInputsTogether(), lanes = b.target.getLanes();
  part.emitZero();
  b.loop(b.index(0), b.index(tileSteps), TileRegisters::words, [&](Value step) {
    lookAhead(step);
    part.emitStep(
        [&](int64_t i) -> TileAddress {
          Value row = b.add(firstRow, i * TileRegisters::rows);
          return {op.getInput(), {b.index(0), row, b.mul(step, together)}, 1};
        },
        [&](int64_t j) -> TileAddress {
          Value column = b.index((firstVector + j) * lanes * together);
          return {weight.panels, {panel, step, column}, 1};
        });
  });
  part.emitStore([&](int64_t i, int64_t j) -> TileAddress {
    Value column = b.index((firstVector + j) * lanes);
    return {sums, {b.index(i * TileRegisters::rows), column}, 0};
  });
}

/// Rows are asked for in equal shares by all steps: products hide the time that
/// stores would wait.
void MatrixTiles::emitSums(Value firstRow, Value count, Value panel,
                           Prefetch prefetch) {
  int64_t steps = tileSteps / TileRegisters::words;
  int64_t share = llvm::divideCeil(rows, steps);
  Value last = b.sub(count, b.index(1));
  auto lookAhead = [&](Value step) {
    Value first = b.mul(b.div(step, TileRegisters::words), share);
    for (int64_t i = 0; i < share; ++i)
      prefetch(b.add(firstRow, b.min(b.add(first, i), last)));
  };
  auto isTwo = b.less(b.index(TileRegisters::rows), count);
  auto emitTwo = [&] {
    for (int64_t j = 0; j < vectors; j += 2)
      emitPart({b, 2, 2}, j, firstRow, panel, lookAhead);
  };
  if (isConstantIntValue(isTwo, 1) || isConstantIntValue(isTwo, -1))
    return emitTwo();
  b.ifElse(isTwo, emitTwo,
           [&] { emitPart({b, 1, vectors}, 0, firstRow, panel, lookAhead); });
}

Values MatrixTiles::loadSums(Value i, Value row, Value panel) {
  Values loaded;
  for (int64_t j = 0; j < vectors; ++j)
    loaded.push_back(
        b.load(sums, {i}, Columns{b.index(j * b.target.getLanes())}));
  auto multiplier = LinearMultiplier::createSigned(
      b, weight, {panel, b.index(0), 1}, ArrayRef(row));
  return multiplier->emitSums({1, vectors}, b.index(tileSteps),
                              b.index(weight.steps), loaded);
}
