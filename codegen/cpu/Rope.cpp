//===- Rope.cpp - The kernel of rotary position embeddings ----------------===//
//
// The cosines and sines of a token are computed once for all of its heads.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/RotaryAngles.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t blockRows = 16;

/// Rotates the heads of one row.
static void emitRow(KernelBuilder &b, RopeOp op, RotaryAngles &angles,
                    Value row, int64_t headDim) {
  Values at{b.index(0), row};
  Value token = b.index(0);
  angles.emitAngles(token, b.load(op.getPositions(), at));
  int64_t width = getStaticDim(op.getX(), 2);
  b.loop(b.index(0), b.index(width), headDim, [&](Value first) {
    auto shift = [&](Columns columns) {
      return Columns{b.add(first, columns.index), columns.mask};
    };
    angles.emitHead(
        token,
        [&](Columns columns) { return b.load(op.getX(), at, shift(columns)); },
        [&](Value x, Columns columns) {
          b.store(x, op.getInto(), at, shift(columns));
        });
  });
}

void mod::emitKernel(KernelBuilder &b, RopeOp op) {
  int64_t headDim = getStaticDim(op.getX(), 2) / op.getHeads();
  RotaryAngles angles(b, op,
                      getRotaryFrequencies(op.getTheta().convertToDouble(),
                                           headDim, op.getScalingAttr()));
  Value rows = b.dim(op.getX(), 1);
  b.forall(b.ceilDiv(rows, blockRows), [&](Value task) {
    angles.allocate(/*tokens=*/1);
    Value first = b.mul(task, blockRows);
    b.loop(first, b.min(b.add(first, blockRows), rows), 1,
           [&](Value row) { emitRow(b, op, angles, row, headDim); });
  });
}
