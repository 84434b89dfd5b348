//===- Linear.cpp - Products in f32 ---------------------------------------===//
//
// Many rows: tiles of both operands in shared memory, a part of the tile's
// sums in the registers of each thread.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/LinearClauses.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kTile = 64;               // rows and columns of a block
constexpr int64_t kDepth = 16;              // inputs at a time
constexpr int64_t kSide = 16;               // threads along a side
constexpr int64_t kThreads = kSide * kSide; //
constexpr int64_t kSums = kTile / kSide;    // of a thread, along a side
constexpr int64_t kRowStride = kDepth + 1;  // keeps banks apart

/// A product with many rows.
class TiledLinear {
public:
  TiledLinear(ThreadBuilder &b, LinearOp op,
              ArrayRef<linalg::LinalgOp> followers)
      : b(b), op(op), clauses(b, op, followers), tokens(clauses.getTokens()) {}

  Geometry emit();

private:
  void emitTile();
  void emitLoads(Value depth);
  void emitRow(Value into, Value place, Value inside, Value source, Value row,
               Value depth, bool isInput);
  Values emitSums(ValueRange sums);
  void emitStores(ValueRange sums);
  Value getOutput(Value column);
  int64_t getOutputsPerTile() { return op.getGlu() ? kTile / 2 : kTile; }

  ThreadBuilder &b;
  LinearOp op;
  GpuLinearClauses clauses;
  Value tokens, x, w;
};
} // namespace

/// The row of the weight for a column of the tile: with an activation, the
/// second half of the tile has the second half of the weight.
Value TiledLinear::getOutput(Value column) {
  Value first = b.mul(b.otherBlock(), getOutputsPerTile());
  if (!op.getGlu())
    return b.add(first, column);
  Value half = b.div(column, kTile / 2);
  Value output = b.add(first, b.rem(column, kTile / 2));
  return b.add(output, b.mul(half, op.getNumOutputs()));
}

/// Puts one element of a row into shared memory, zero where there is none.
void TiledLinear::emitRow(Value into, Value place, Value inside, Value source,
                          Value row, Value depth, bool isInput) {
  Value column = b.rem(b.thread(), kDepth), k = b.add(depth, column);
  inside = b.both(inside, b.lt(k, b.index(op.getNumInputs())));
  Value element = b.ifElse(inside, b.f32(0.0), [&] {
    if (!isInput)
      return b.load(source, {row, k});
    return b.load(source, {b.index(0), clauses.getInputRow(row), k});
  });
  b.store(element, into, {place, column});
}

void TiledLinear::emitLoads(Value depth) {
  constexpr int64_t rowsAtOnce = kThreads / kDepth;
  Value first = b.div(b.thread(), kDepth);
  for (int64_t i = 0; i < kTile; i += rowsAtOnce) {
    Value place = b.add(first, b.index(i));
    Value token = b.add(b.mul(b.rowBlock(), kTile), place);
    emitRow(x, place, b.lt(token, tokens), op.getInput(), token, depth, true);
    Value output = getOutput(place);
    Value inside = b.lt(output, b.index(op.getNumSums()));
    emitRow(w, place, inside, op.getWeight(), output, depth, false);
  }
}

/// Adds the products of what is in shared memory.
Values TiledLinear::emitSums(ValueRange sums) {
  Value tx = b.rem(b.thread(), kSide), ty = b.div(b.thread(), kSide);
  Values next(sums);
  for (int64_t k = 0; k < kDepth; ++k) {
    Values left, right;
    for (int64_t i = 0; i < kSums; ++i) {
      Value step = b.index(i * kSide);
      left.push_back(b.load(x, {b.add(ty, step), b.index(k)}));
      right.push_back(b.load(w, {b.add(tx, step), b.index(k)}));
    }
    for (int64_t i = 0; i < kSums * kSums; ++i)
      next[i] = b.fma(left[i / kSums], right[i % kSums], next[i]);
  }
  return next;
}

void TiledLinear::emitStores(ValueRange sums) {
  Value tx = b.rem(b.thread(), kSide), ty = b.div(b.thread(), kSide);
  int64_t columns = op.getGlu() ? kSums / 2 : kSums;
  for (int64_t i = 0; i < kSums; ++i) {
    Value row =
        b.add(b.mul(b.rowBlock(), kTile), b.add(ty, b.index(i * kSide)));
    b.ifThen(b.lt(row, tokens), [&] {
      GpuLinearClauses::Token token = clauses.loadToken(row);
      for (int64_t j = 0; j < columns; ++j) {
        Value output = b.add(b.mul(b.otherBlock(), getOutputsPerTile()),
                             b.add(tx, b.index(j * kSide)));
        Value other = op.getGlu() ? sums[i * kSums + j + columns] : Value();
        b.ifThen(b.lt(output, b.index(op.getNumOutputs())), [&] {
          clauses.store(token, output, sums[i * kSums + j], other);
        });
      }
    });
  }
}

void TiledLinear::emitTile() {
  x = b.shared({kTile, kRowStride});
  w = b.shared({kTile, kRowStride});
  Values zeros(kSums * kSums, b.f32(0.0));
  Values sums = b.loop(b.index(0), b.index(op.getNumInputs()), kDepth, zeros,
                       [&](Value depth, ValueRange sums) {
                         b.barrier();
                         emitLoads(depth);
                         b.barrier();
                         return emitSums(sums);
                       });
  emitStores(sums);
}

Geometry TiledLinear::emit() {
  b.ifThen(b.lt(b.mul(b.rowBlock(), kTile), tokens), [&] { emitTile(); });
  return {kThreads, tokens, kTile,
          int64_t(llvm::divideCeil(op.getNumOutputs(), getOutputsPerTile()))};
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, LinearOp op,
                            ArrayRef<linalg::LinalgOp> followers, Value map) {
  if (!hasManyRows(op))
    return emitSingleRowLinear(b, op, followers);
  if (wantsTensorCores(op) && canUseTensorCores(op))
    return emitTensorLinear(b, op, followers, map);
  if (wantsTensorCores(op))
    remarkSlow(op, "TensorLinear", "inputs", op.getNumInputs(),
               "tensor cores need rows of inputs of a multiple of 16 bytes, "
               "and buffers that are aligned");
  return TiledLinear(b, op, followers).emit();
}
