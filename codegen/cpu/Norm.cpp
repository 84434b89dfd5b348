//===- Norm.cpp - Kernels of norms ----------------------------------------===//
//
// A row is read for its mean square, and once more where it is to be scaled.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::mod;

/// Rows of one task: enough work to be worth handing to a thread.
static constexpr int64_t blockRows = 16;

/// 1 / sqrt(mean + eps), the mean being that of `sum` over `width` squares.
static Value emitInverseRMS(KernelBuilder &b, Value sum, int64_t width,
                            APFloat eps) {
  Value mean = b.divf(sum, b.f32(width));
  Value shifted = b.addf(mean, b.f32(eps.convertToDouble()));
  return b.divf(b.f32(1.0), math::SqrtOp::create(b, shifted));
}

/// The same of a whole row.
static Value emitInverseRMS(KernelBuilder &b, Value x, Value row, APFloat eps) {
  Values at{b.index(0), row};
  int64_t width = getStaticDim(x, 2);
  return emitInverseRMS(b, emitDot(b, x, at, x, at, width), width, eps);
}

/// Normalises the `width` elements of a row from `first` on.
static void emitHead(KernelBuilder &b, RMSNormOp op, Value row, Value first,
                     int64_t width) {
  Values at{b.index(0), row};
  auto shift = [&](Columns columns) {
    return Columns{b.add(first, columns.index), columns.mask};
  };
  auto addSquares = [&](Columns columns, ValueRange sums) {
    Value x = b.load(op.getX(), at, shift(columns));
    return Values{b.fma(x, x, sums[0])};
  };
  Value sum = b.sum(b.forColumns(width, {b.splat(0.0)}, addSquares)[0]);
  Value factor = b.broadcast(emitInverseRMS(b, sum, width, op.getEps()));
  b.forColumns(width, [&](Columns columns) {
    Value x = b.load(op.getX(), at, shift(columns));
    Value scale = b.load(op.getScale(), {}, columns);
    b.store(b.mulf(b.mulf(x, factor), scale), op.getInto(), at, shift(columns));
  });
}

void mod::emitKernel(KernelBuilder &b, RMSNormOp op) {
  int64_t width = getStaticDim(op.getX(), 2);
  if (op.getHeads())
    return b.forallItems(b.dim(op.getX(), 1), blockRows, [&](Value row) {
      b.loop(b.index(0), b.index(width), width / op.getNumHeads(),
             [&](Value first) {
               emitHead(b, op, row, first, width / op.getNumHeads());
             });
    });
  b.forallItems(b.dim(op.getX(), 1), blockRows, [&](Value row) {
    Value factor = b.broadcast(emitInverseRMS(b, op.getX(), row, op.getEps()));
    b.forColumns(width, [&](Columns columns) {
      Value x = b.load(op.getX(), {b.index(0), row}, columns);
      Value scale = b.load(op.getScale(), {}, columns);
      Value result = b.mulf(b.mulf(x, factor), scale);
      b.store(result, op.getInto(), {b.index(0), row}, columns);
    });
  });
}

void mod::emitKernel(KernelBuilder &b, InverseRMSOp op) {
  Value rows = op.getRows();
  Value tokens = b.dim(rows ? rows : op.getX(), 1);
  b.forallItems(tokens, blockRows, [&](Value token) {
    Values at{b.index(0), token};
    Value row = rows ? b.toIndex(b.load(rows, at)) : token;
    b.store(emitInverseRMS(b, op.getX(), row, op.getEps()), op.getInto(), at);
  });
}
