//===- Tokens.cpp - Kernels that work on each element ---------------------===//
//
// Embedding, positions, gather, scatter, noise, quantisation and elementwise
// linalg ops: one element per thread.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t kThreads = 256;

Geometry mod::emitElements(ThreadBuilder &b, Value rows, int64_t width,
                           function_ref<void(Value, Value)> body) {
  if (width >= kThreads) {
    Value column = b.add(b.mul(b.otherBlock(), kThreads), b.thread());
    Value inside =
        b.both(b.lt(b.rowBlock(), rows), b.lt(column, b.index(width)));
    b.ifThen(inside, [&] { body(b.rowBlock(), column); });
    return {kThreads, rows, 1, int64_t(llvm::divideCeil(width, kThreads))};
  }
  int64_t rowsPerBlock = kThreads / width;
  Value row =
      b.add(b.mul(b.rowBlock(), rowsPerBlock), b.div(b.thread(), width));
  Value inside =
      b.both(b.lt(row, rows), b.lt(b.thread(), b.index(rowsPerBlock * width)));
  b.ifThen(inside, [&] { body(row, b.rem(b.thread(), width)); });
  return {kThreads, rows, rowsPerBlock};
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, EmbeddingOp op) {
  return emitElements(b, b.dim(op.getTokens(), 1), getBound(op.getTable(), 1),
                      [&](Value row, Value column) {
                        Value at[] = {b.index(0), row};
                        Value token = b.toIndex(b.load(op.getTokens(), at));
                        b.store(b.load(op.getTable(), {token, column}),
                                op.getInto(), {at[0], row, column});
                      });
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, PositionsOp op) {
  Value start = op.getStart() ? op.getStart() : b.index(0);
  return emitElements(b, b.dim(op.getInto(), 1), 1, [&](Value row, Value) {
    b.store(b.toI32(b.add(start, row)), op.getInto(), {b.index(0), row});
  });
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, GatherOp op) {
  bool wide = cast<ShapedType>(op.getX().getType()).getRank() == 3;
  int64_t width = wide ? getBound(op.getX(), 2) : 1;
  return emitElements(
      b, b.dim(op.getIndices(), 1), width, [&](Value row, Value column) {
        Values to{b.index(0), row};
        Values from{to[0], b.toIndex(b.load(op.getIndices(), to))};
        if (wide) {
          to.push_back(column);
          from.push_back(column);
        }
        b.store(b.load(op.getX(), from), op.getInto(), to);
      });
}

static Value emitGateKind(ThreadBuilder &b, GateKind kind, Value score) {
  switch (kind) {
  case GateKind::raw:
    return score;
  case GateKind::sigmoid:
    return b.sigmoid(score);
  case GateKind::tanh:
    return math::TanhOp::create(b, score);
  case GateKind::none:
    return b.f32(1.0);
  case GateKind::softmax:
  case GateKind::softmax_topk:
    break;
  }
  llvm_unreachable("the verifier refuses gates of several tokens");
}

Value mod::emitGate(ThreadBuilder &b, GateAttr gate, Value score) {
  Value weight = emitGateKind(b, gate.getKind(), score);
  if (gate.getScaleValue() != 1)
    weight = b.mulf(weight, b.f32(gate.getScaleValue()));
  if (gate.getBiasValue() != 0)
    weight = b.addf(weight, b.f32(gate.getBiasValue()));
  return weight;
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, ScatterOp op) {
  return emitElements(b, b.dim(op.getUpdate(), 1), getBound(op.getX(), 2),
                      [&](Value row, Value column) {
                        Value zero = b.index(0), to = row;
                        if (Value indices = op.getIndices())
                          to = b.toIndex(b.load(indices, {zero, row}));
                        Value score = b.load(op.getScores(), {zero, to});
                        Value gate = emitGate(b, op.getGate(), score);
                        Value update =
                            b.load(op.getUpdate(), {zero, row, column});
                        Value place[] = {zero, to, column};
                        Value y =
                            op.getReplace()
                                ? b.mulf(gate, update)
                                : b.fma(gate, update, b.load(op.getX(), place));
                        b.store(y, op.getX(), place);
                      });
}

/// Spreads the bits of an i32.
static Value emitMix(ThreadBuilder &b, Value x) {
  auto fold = [&](Value x, int64_t shift) -> Value {
    return arith::XOrIOp::create(b, x,
                                 arith::ShRUIOp::create(b, x, b.i32(shift)));
  };
  auto scale = [&](Value x, uint32_t factor) -> Value {
    return arith::MulIOp::create(b, x, b.i32(int32_t(factor)));
  };
  x = scale(fold(x, 16), 0x7feb352d);
  x = scale(fold(x, 15), 0x846ca68b);
  return fold(x, 16);
}

/// The halves of six hashes are twelve uniform numbers.
Geometry mod::emitGpuKernel(ThreadBuilder &b, NoiseOp op) {
  Value tokens = b.dim(op.getPositions(), 1);
  return emitElements(b, tokens, 1, [&](Value row, Value) {
    Value at[] = {b.index(0), row};
    Value seed = emitMix(b, b.i32(int32_t(op.getSeed())));
    Value base = emitMix(b, b.add(b.load(op.getPositions(), at), seed));
    Value sum = b.i32(-393210);
    for (int64_t j = 0; j < 6; ++j) {
      Value hash = emitMix(b, b.add(base, b.i32(j)));
      sum = b.add(sum, b.both(hash, b.i32(0xffff)));
      sum = b.add(sum, arith::ShRUIOp::create(b, hash, b.i32(16)));
    }
    Value number = arith::SIToFPOp::create(b, b.getF32Type(), sum);
    b.store(b.mulf(number, b.f32(1.0 / 65536)), op.getInto(), at);
  });
}

/// Rounds tokens, and makes them wider with zeros.
Geometry mod::emitGpuKernel(ThreadBuilder &b, QuantizeOp op) {
  int64_t width = getBound(op.getX(), 2);
  Value rows = b.dim(op.getInto(), 1);
  return emitElements(
      b, rows, getBound(op.getInto(), 2), [&](Value row, Value column) {
        Value zero = b.index(0), from = row;
        if (Value indices = op.getRows())
          from = b.toIndex(b.load(indices, {zero, row}));
        Value x = b.ifElse(b.lt(column, b.index(width)), b.f32(0.0), [&] {
          return b.load(op.getX(), {zero, from, column});
        });
        b.store(x, op.getInto(), {zero, row, column});
      });
}

//===----------------------------------------------------------------------===//
// linalg
//===----------------------------------------------------------------------===//

/// Where an operand has the element of a place of the iteration space.
static Values getElement(ThreadBuilder &b, AffineMap map, ValueRange place) {
  Values indices;
  for (AffineExpr expr : map.getResults())
    indices.push_back(affine::AffineApplyOp::create(
        b, AffineMap::get(map.getNumDims(), 0, expr), place));
  return indices;
}

/// The places along all dimensions but that of rows, from a flat column.
static Values getPlace(ThreadBuilder &b, ArrayRef<int64_t> sizes,
                       unsigned rowDim, Value row, Value column) {
  Values place(sizes.size(), row);
  for (unsigned dim = sizes.size(); dim-- > 0;) {
    if (dim == rowDim)
      continue;
    place[dim] = b.rem(column, sizes[dim]);
    column = b.div(column, sizes[dim]);
  }
  return place;
}

void mod::emitElement(ThreadBuilder &b, linalg::LinalgOp op, ValueRange place) {
  IRMapping mapping;
  Block *body = op.getBlock();
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = op.getMatchingBlockArgument(&operand);
    if (!argument || argument.use_empty())
      continue;
    Value element = operand.get();
    if (isa<MemRefType>(element.getType()))
      element = memref::LoadOp::create(
          b, element,
          getElement(b, op.getMatchingIndexingMap(&operand), place));
    mapping.map(argument, element);
  }
  for (Operation &inner : body->without_terminator()) {
    if (auto index = dyn_cast<linalg::IndexOp>(inner))
      mapping.map(index.getResult(), place[index.getDim()]);
    else
      b.clone(inner, mapping);
  }
  for (auto [yielded, init] : llvm::zip_equal(
           body->getTerminator()->getOperands(), op.getDpsInitsMutable()))
    memref::StoreOp::create(
        b, mapping.lookupOrDefault(yielded), init.get(),
        getElement(b, op.getMatchingIndexingMap(&init), place));
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, linalg::LinalgOp op) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  unsigned rowDim = sizes.size() > 1 ? 1 : 0;
  int64_t width = 1;
  for (auto [dim, size] : llvm::enumerate(sizes))
    if (dim != rowDim)
      width *= size;
  Value rows = b.index(sizes.empty() ? 1 : sizes[rowDim]);
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type || sizes.size() < 2 || type.getRank() < 2)
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (map.getResult(1) == getAffineDimExpr(rowDim, op.getContext()))
      rows = b.dim(operand.get(), 1);
  }
  return emitElements(b, rows, width, [&](Value row, Value column) {
    emitElement(b, op, getPlace(b, sizes, rowDim, row, column));
  });
}
