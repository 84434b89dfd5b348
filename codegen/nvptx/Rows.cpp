//===- Rows.cpp - Kernels that reduce rows --------------------------------===//
//
// Norms and routers: one warp per row, or per head. A softmax over the tokens
// of a sequence has one block.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cfloat>

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t kWarps = 4;

Geometry mod::emitRows(ThreadBuilder &b, Value rows,
                       function_ref<void(Value)> body) {
  Value row = b.add(b.mul(b.rowBlock(), kWarps), b.warp());
  b.ifThen(b.lt(row, rows), [&] { body(row); });
  return {kWarps * kWarpThreads, rows, kWarps};
}

Geometry mod::emitHeads(ThreadBuilder &b, Value rows, int64_t heads,
                        function_ref<void(Value, Value)> body) {
  Value head = b.add(b.mul(b.otherBlock(), kWarps), b.warp());
  Value inside = b.both(b.lt(b.rowBlock(), rows), b.lt(head, b.index(heads)));
  b.ifThen(inside, [&] { body(b.rowBlock(), head); });
  return {kWarps * kWarpThreads, rows, 1,
          int64_t(llvm::divideCeil(heads, kWarps))};
}

static Values append(ValueRange indices, Value last) {
  Values result(indices);
  result.push_back(last);
  return result;
}

Value mod::emitDot(ThreadBuilder &b, Value x, ValueRange xRow, Value y,
                   ValueRange yRow, int64_t width) {
  Value sum =
      b.loop(b.lane(), b.index(width), kWarpThreads, {b.f32(0.0)},
             [&](Value column, ValueRange sums) {
               return Values{b.fma(b.load(x, append(xRow, column)),
                                   b.load(y, append(yRow, column)), sums[0])};
             })[0];
  return b.sumWarp(sum);
}

Value mod::emitInverseRMS(ThreadBuilder &b, Value squares, int64_t width,
                          const APFloat &eps) {
  Value mean = b.mulf(squares, b.f32(1.0 / double(width)));
  Value root =
      math::SqrtOp::create(b, b.addf(mean, b.f32(eps.convertToDouble())));
  return b.divf(b.f32(1.0), root);
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, InverseRMSOp op) {
  int64_t width = getBound(op.getX(), 2);
  return emitRows(b, b.dim(op.getInto(), 1), [&](Value row) {
    Value at[] = {b.index(0), row};
    Values from{at[0], row};
    if (Value rows = op.getRows())
      from[1] = b.toIndex(b.load(rows, at));
    Value squares = emitDot(b, op.getX(), from, op.getX(), from, width);
    Value inverse = emitInverseRMS(b, squares, width, op.getEps());
    b.ifThen(b.eq(b.lane(), b.index(0)),
             [&] { b.store(inverse, op.getInto(), at); });
  });
}

Value mod::emitHeadInverseRMS(ThreadBuilder &b, RMSNormOp op, Value row,
                              Value head) {
  int64_t width = getBound(op.getX(), 2) / op.getNumHeads();
  Value first = b.mul(head, width);
  Value squares = b.loop(b.lane(), b.index(width), kWarpThreads, {b.f32(0.0)},
                         [&](Value column, ValueRange sums) {
                           Value at[] = {b.index(0), row, b.add(first, column)};
                           Value x = b.load(op.getX(), at);
                           return Values{b.fma(x, x, sums[0])};
                         })[0];
  return emitInverseRMS(b, b.sumWarp(squares), width, op.getEps());
}

/// Normalises a head by the lanes of a warp.
static void emitHead(ThreadBuilder &b, RMSNormOp op, Value row, Value head) {
  int64_t width = getBound(op.getX(), 2) / op.getNumHeads();
  Value first = b.mul(head, width);
  Value inverse = emitHeadInverseRMS(b, op, row, head);
  b.loop(b.lane(), b.index(width), kWarpThreads, [&](Value column) {
    Value at[] = {b.index(0), row, b.add(first, column)};
    Value x = b.mulf(b.load(op.getX(), at), inverse);
    b.store(b.mulf(x, b.load(op.getScale(), {column})), op.getInto(), at);
  });
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, RMSNormOp op) {
  Value rows = b.dim(op.getX(), 1);
  if (op.getHeads())
    return emitHeads(b, rows, op.getNumHeads(), [&](Value row, Value head) {
      emitHead(b, op, row, head);
    });
  return emitRows(b, rows,
                  [&](Value row) { emitHead(b, op, row, b.index(0)); });
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, RouterOp op) {
  return emitRows(b, b.dim(op.getX(), 1), [&](Value row) {
    Value zero = b.index(0);
    Value score = emitDot(b, op.getX(), {zero, row}, op.getWeight(), {zero},
                          getBound(op.getX(), 2));
    if (Value bias = op.getBias())
      score = b.addf(score, b.load(bias, {zero}));
    b.ifThen(b.eq(b.lane(), zero),
             [&] { b.store(score, op.getInto(), {zero, row}); });
  });
}

/// Threads of what one block does for all tokens.
static constexpr int64_t tokenThreads = 256;

/// The threads give all tokens one score.
static void emitFill(ThreadBuilder &b, Value score, Value scores) {
  b.loop(b.thread(), b.dim(scores, 1), tokenThreads,
         [&](Value token) { b.store(score, scores, {b.index(0), token}); });
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, MembersOp op) {
  emitFill(b, b.f32(-INFINITY), op.getInto());
  b.barrier();
  Value zero = b.index(0);
  b.loop(b.thread(), b.dim(op.getIndices(), 1), tokenThreads, [&](Value i) {
    Value token = b.toIndex(b.load(op.getIndices(), {zero, i}));
    b.store(b.f32(0.0), op.getInto(), {zero, token});
  });
  return {tokenThreads};
}

static Value emitMean(ThreadBuilder &b, Value scores) {
  Value tokens = b.dim(scores, 1);
  Value own = b.loop(b.thread(), tokens, tokenThreads, {b.f32(0.0)},
                     [&](Value token, ValueRange sums) {
                       Value score = b.load(scores, {b.index(0), token});
                       return Values{b.addf(sums[0], score)};
                     })[0];
  Value sum = b.reduceBlock(own, tokenThreads,
                            [&](Value x, Value y) { return b.addf(x, y); });
  Value count = arith::SIToFPOp::create(b, b.getF32Type(), b.toI32(tokens));
  return b.divf(sum, count);
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, PoolOp op) {
  Value scores = op.getScores(), zero = b.index(0), token = zero;
  if (op.getPooling() == Pooling::last)
    token = b.sub(b.dim(scores, 1), b.index(1));
  bool isMean = op.getPooling() == Pooling::mean;
  emitFill(b, isMean ? emitMean(b, scores) : b.load(scores, {zero, token}),
           op.getInto());
  return {tokenThreads};
}

/// The place of the i-th token of a softmax.
static Values getMember(ThreadBuilder &b, SoftmaxOp op, Value i) {
  Values at{b.index(0), i};
  if (Value indices = op.getIndices())
    at[1] = b.toIndex(b.load(indices, at));
  return at;
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, SoftmaxOp op) {
  Value count = b.dim(op.getIndices() ? op.getIndices() : op.getScores(), 1);
  auto load = [&](Value i) {
    return b.load(op.getScores(), getMember(b, op, i));
  };
  auto fold = [&](Value init, function_ref<Value(Value, Value)> next,
                  ThreadBuilder::Combine combine) {
    Value own = b.loop(b.thread(), count, tokenThreads, {init},
                       [&](Value i, ValueRange carried) {
                         return Values{next(carried[0], i)};
                       })[0];
    return b.reduceBlock(own, tokenThreads, combine);
  };
  auto larger = [&](Value x, Value y) { return b.maxf(x, y); };
  auto plus = [&](Value x, Value y) { return b.addf(x, y); };
  Value largest = fold(
      b.f32(-FLT_MAX), [&](Value x, Value i) { return larger(x, load(i)); },
      larger);
  auto power = [&](Value i) { return b.exp(b.subf(load(i), largest)); };
  Value sum = fold(
      b.f32(0.0), [&](Value x, Value i) { return plus(x, power(i)); }, plus);
  // Tokens that take no part have no weight.
  if (op.getIndices()) {
    emitFill(b, b.f32(0.0), op.getInto());
    b.barrier();
  }
  b.loop(b.thread(), count, tokenThreads, [&](Value i) {
    b.store(b.divf(power(i), sum), op.getInto(), getMember(b, op, i));
  });
  return {tokenThreads};
}
