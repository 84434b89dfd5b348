//===- Tokens.cpp - Kernels that move tokens ------------------------------===//
//
// Embedding, positions and gather: rows are copied, nothing is computed.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t blockRows = 64;

/// Copies one row of `width` columns.
static void emitCopy(KernelBuilder &b, Value from, ArrayRef<Value> fromRow,
                     Value to, ArrayRef<Value> toRow, int64_t width) {
  b.forColumns(width, [&](Columns columns) {
    b.store(b.load(from, fromRow, columns), to, toRow, columns);
  });
}

void mod::emitKernel(KernelBuilder &b, EmbeddingOp op) {
  int64_t width = getStaticDim(op.getTable(), 1);
  b.forallItems(b.dim(op.getTokens(), 1), blockRows, [&](Value row) {
    Value token = b.toIndex(b.load(op.getTokens(), {b.index(0), row}));
    emitCopy(b, op.getTable(), {token}, op.getInto(), {b.index(0), row}, width);
  });
}

void mod::emitKernel(KernelBuilder &b, PositionsOp op) {
  Value start = op.getStart() ? op.getStart() : b.index(0);
  b.loop(b.index(0), b.dim(op.getInto(), 1), 1, [&](Value row) {
    b.store(b.toI32(b.add(start, row)), op.getInto(), {b.index(0), row});
  });
}

void mod::emitKernel(KernelBuilder &b, GatherOp op) {
  bool wide = cast<ShapedType>(op.getX().getType()).getRank() == 3;
  b.forallItems(b.dim(op.getIndices(), 1), blockRows, [&](Value row) {
    Values to{b.index(0), row};
    Values from{b.index(0), b.toIndex(b.load(op.getIndices(), to))};
    if (wide)
      emitCopy(b, op.getX(), from, op.getInto(), to,
               getStaticDim(op.getX(), 2));
    else
      b.store(b.load(op.getX(), from), op.getInto(), to);
  });
}
