//===- Norm.cpp - Kernels of norms ----------------------------------------===//
//
// Each row is read twice: for its mean square, and to be scaled.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::mod;

/// Rows of one task: enough work to be worth handing to a thread.
static constexpr int64_t blockRows = 16;

/// 1 / sqrt(mean(x^2) + eps)
static Value emitInverseRMS(KernelBuilder &b, RMSNormOp op, Value row,
                            int64_t width) {
  Values at{b.index(0), row};
  Value squares = emitDot(b, op.getX(), at, op.getX(), at, width);
  Value mean = b.divf(squares, b.f32(width));
  Value shifted = b.addf(mean, b.f32(op.getEps().convertToDouble()));
  return b.divf(b.f32(1.0), math::SqrtOp::create(b, shifted));
}

void mod::emitKernel(KernelBuilder &b, RMSNormOp op) {
  int64_t width = getStaticDim(op.getX(), 2);
  b.forallItems(b.dim(op.getX(), 1), blockRows, [&](Value row) {
    Value factor = b.broadcast(emitInverseRMS(b, op, row, width));
    b.forColumns(width, [&](Columns columns) {
      Value x = b.load(op.getX(), {b.index(0), row}, columns);
      Value scale = b.load(op.getScale(), {}, columns);
      Value result = b.mulf(b.mulf(x, factor), scale);
      b.store(result, op.getInto(), {b.index(0), row}, columns);
    });
  });
}
