//===- Rope.cpp - The kernel of rotary position embeddings ----------------===//
//
// The cosines and sines of a token are computed once for all of its heads.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/VectorMath.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t blockRows = 16;

/// theta^(-2 i / headDim) for i < headDim / 2.
static SmallVector<float> getFrequencies(double theta, int64_t headDim) {
  return llvm::map_to_vector(
      llvm::seq<int64_t>(0, headDim / 2), [&](int64_t i) {
        return float(std::pow(theta, -2.0 * double(i) / double(headDim)));
      });
}

/// The module's table of frequencies of this kernel.
static Value getFrequencyTable(KernelBuilder &b, RopeOp op, int64_t headDim) {
  auto kernel = op->getParentOfType<FunctionOpInterface>();
  auto type = MemRefType::get({headDim / 2}, b.getF32Type());
  auto values = DenseElementsAttr::get(
      RankedTensorType::get(type.getShape(), type.getElementType()),
      ArrayRef(getFrequencies(op.getTheta().convertToDouble(), headDim)));
  std::string name = kernel.getName().str() + ".frequencies";
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(kernel);
    memref::GlobalOp::create(b, name, b.getStringAttr("private"), type, values,
                             /*constant=*/true, /*alignment=*/IntegerAttr());
  }
  return memref::GetGlobalOp::create(b, type, name);
}

/// Fills `cosines` and `sines` for the token of `row`.
static void emitAngles(KernelBuilder &b, RopeOp op, Value row,
                       Value frequencies, Value cosines, Value sines,
                       int64_t half) {
  Value position = b.load(op.getPositions(), {b.index(0), row});
  Value scalar = arith::SIToFPOp::create(b, b.getF32Type(), position);
  Value angle = b.broadcast(scalar);
  b.forColumns(half, [&](Columns columns) {
    Value frequency = b.load(frequencies, {}, columns);
    auto [cosine, sine] = emitCosSin(b, b.mulf(angle, frequency));
    b.store(cosine, cosines, {}, columns);
    b.store(sine, sines, {}, columns);
  });
}

/// Rotates the head of `row` that starts at column `first`.
static void emitHead(KernelBuilder &b, RopeOp op, Value row, Value first,
                     Value cosines, Value sines, int64_t half) {
  b.forColumns(half, [&](Columns columns) {
    Columns low{b.add(first, columns.index), columns.mask};
    Columns high{b.add(low.index, half), columns.mask};
    Values at{b.index(0), row};
    Value x = b.load(op.getX(), at, low), y = b.load(op.getX(), at, high);
    Value cosine = b.load(cosines, {}, columns);
    Value sine = b.load(sines, {}, columns);
    Value negated = b.subf(b.splat(0.0), sine);
    b.store(b.fma(x, cosine, b.mulf(y, negated)), op.getInto(), at, low);
    b.store(b.fma(y, cosine, b.mulf(x, sine)), op.getInto(), at, high);
  });
}

void mod::emitKernel(KernelBuilder &b, RopeOp op) {
  int64_t width = getStaticDim(op.getX(), 2);
  int64_t headDim = width / op.getHeads(), half = headDim / 2;
  Value frequencies = getFrequencyTable(b, op, headDim);
  Value rows = b.dim(op.getX(), 1);
  b.forall(b.ceilDiv(rows, blockRows), [&](Value task) {
    Value cosines = b.scratch({half}), sines = b.scratch({half});
    Value first = b.mul(task, blockRows);
    b.loop(first, b.min(b.add(first, blockRows), rows), 1, [&](Value row) {
      emitAngles(b, op, row, frequencies, cosines, sines, half);
      b.loop(b.index(0), b.index(width), headDim, [&](Value column) {
        emitHead(b, op, row, column, cosines, sines, half);
      });
    });
  });
}
