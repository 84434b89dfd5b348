//===- Routing.cpp - Kernels of routing -----------------------------------===//
//
// Router, predictor, gates and the gated scatter.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/VectorMath.h"
#include <cfloat>
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t blockRows = 16;

/// Sums of a dot product that do not wait for each other.
static constexpr int64_t dotSums = 4;

Value mod::emitDot(KernelBuilder &b, Value x, ArrayRef<Value> xRow, Value y,
                   ArrayRef<Value> yRow, int64_t width) {
  auto multiplyAdd = [&](Columns columns, Value sum) {
    return b.fma(b.load(x, xRow, columns), b.load(y, yRow, columns), sum);
  };
  int64_t lanes = b.target.getLanes(), step = dotSums * lanes;
  int64_t whole = width / step * step;
  Values sums(whole ? dotSums : 1, b.splat(0.0));
  if (whole)
    sums =
        b.loop(b.index(0), b.index(whole), step, sums,
               [&](Value column, ValueRange sums) {
                 Values next;
                 for (auto [i, sum] : llvm::enumerate(sums))
                   next.push_back(multiplyAdd({b.add(column, i * lanes)}, sum));
                 return next;
               });
  for (int64_t column = whole; column < width; column += lanes)
    sums[0] = multiplyAdd(b.columnsAt(column, width), sums[0]);
  for (Value sum : llvm::drop_begin(sums))
    sums[0] = b.addf(sums[0], sum);
  return b.sum(sums[0]);
}

void mod::emitKernel(KernelBuilder &b, RouterOp op) {
  int64_t width = getStaticDim(op.getX(), 2);
  b.forallItems(b.dim(op.getX(), 1), blockRows, [&](Value row) {
    Values at{b.index(0), row};
    Value score =
        emitDot(b, op.getX(), at, op.getWeight(), {b.index(0)}, width);
    if (Value bias = op.getBias())
      score = b.addf(score, b.load(bias, {b.index(0)}));
    b.store(score, op.getInto(), at);
  });
}

/// Fills `hidden` with the products of the token of `row` and `down`.
static void emitHidden(KernelBuilder &b, PredictorOp op, Value row,
                       Value hidden) {
  int64_t width = getStaticDim(op.getX(), 2);
  Value units = b.index(getStaticDim(op.getDownWeight(), 0));
  b.loop(b.index(0), units, 1, [&](Value unit) {
    Value product = emitDot(b, op.getX(), {b.index(0), row}, op.getDownWeight(),
                            {unit}, width);
    b.store(b.addf(product, b.load(op.getDownBias(), {unit})), hidden, {unit});
  });
}

/// sum(silu(hidden) * up)
static Value emitLogit(KernelBuilder &b, PredictorOp op, Value hidden) {
  int64_t units = getStaticDim(op.getDownWeight(), 0);
  Values sums = b.forColumns(
      units, {b.splat(0.0)}, [&](Columns columns, ValueRange sums) {
        Value x = b.load(hidden, {}, columns);
        Value up = b.load(op.getUpWeight(), {b.index(0)}, columns);
        return Values{b.fma(b.mulf(x, emitSigmoid(b, x)), up, sums[0])};
      });
  return b.addf(b.sum(sums[0]), b.load(op.getUpBias(), {b.index(0)}));
}

void mod::emitKernel(KernelBuilder &b, PredictorOp op) {
  Value rows = b.dim(op.getX(), 1);
  b.forall(b.ceilDiv(rows, blockRows), [&](Value task) {
    Value hidden = b.scratch({getStaticDim(op.getDownWeight(), 0)});
    Value first = b.mul(task, blockRows);
    b.loop(first, b.min(b.add(first, blockRows), rows), 1, [&](Value row) {
      emitHidden(b, op, row, hidden);
      b.store(emitLogit(b, op, hidden), op.getInto(), {b.index(0), row});
    });
  });
}

static Value emitGateKind(KernelBuilder &b, GateKind kind, Value score) {
  switch (kind) {
  case GateKind::raw:
    return score;
  case GateKind::sigmoid:
    return emitSigmoid(b, score);
  case GateKind::tanh:
    return emitTanh(b, score);
  case GateKind::none:
    return b.splat(1.0);
  case GateKind::softmax:
  case GateKind::softmax_topk:
    break;
  }
  llvm_unreachable("the verifier refuses gates of several tokens");
}

Value mod::emitGate(KernelBuilder &b, GateAttr gate, Value score) {
  Value weight = emitGateKind(b, gate.getKind(), score);
  if (gate.getScaleValue() != 1)
    weight = b.mulf(weight, b.splat(gate.getScaleValue()));
  if (gate.getBiasValue() != 0)
    weight = b.addf(weight, b.splat(gate.getBiasValue()));
  return weight;
}

/// Spreads the bits of an i32.
static Value emitMix(KernelBuilder &b, Value x) {
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
void mod::emitKernel(KernelBuilder &b, NoiseOp op) {
  auto add = [&](Value x, Value y) -> Value {
    return arith::AddIOp::create(b, x, y);
  };
  Value seed = emitMix(b, b.i32(int32_t(op.getSeed())));
  b.loop(b.index(0), b.dim(op.getPositions(), 1), 1, [&](Value token) {
    Values at{b.index(0), token};
    Value base = emitMix(b, add(b.load(op.getPositions(), at), seed));
    Value sum = b.i32(-393210);
    for (int64_t j = 0; j < 6; ++j) {
      Value hash = emitMix(b, add(base, b.i32(j)));
      sum = add(sum, arith::AndIOp::create(b, hash, b.i32(0xffff)));
      sum = add(sum, arith::ShRUIOp::create(b, hash, b.i32(16)));
    }
    Value number = arith::SIToFPOp::create(b, b.getF32Type(), sum);
    b.store(b.mulf(number, b.f32(1.0 / 65536)), op.getInto(), at);
  });
}

/// Gives all tokens one score.
static void emitFill(KernelBuilder &b, Value score, Value scores) {
  b.loop(b.index(0), b.dim(scores, 1), 1,
         [&](Value token) { b.store(score, scores, {b.index(0), token}); });
}

void mod::emitKernel(KernelBuilder &b, MembersOp op) {
  emitFill(b, b.f32(-INFINITY), op.getInto());
  Value zero = b.index(0);
  b.loop(zero, b.dim(op.getIndices(), 1), 1, [&](Value i) {
    Value token = b.toIndex(b.load(op.getIndices(), {zero, i}));
    b.store(b.f32(0.0), op.getInto(), {zero, token});
  });
}

static Value emitMean(KernelBuilder &b, Value scores) {
  Value zero = b.index(0), tokens = b.dim(scores, 1);
  Value sum =
      b.loop(zero, tokens, 1, {b.f32(0.0)}, [&](Value token, ValueRange sums) {
        return Values{b.addf(sums[0], b.load(scores, {zero, token}))};
      })[0];
  Value count = arith::SIToFPOp::create(b, b.getF32Type(), b.toI32(tokens));
  return b.divf(sum, count);
}

void mod::emitKernel(KernelBuilder &b, PoolOp op) {
  Value scores = op.getScores(), zero = b.index(0), token = zero;
  if (op.getPooling() == Pooling::last)
    token = b.sub(b.dim(scores, 1), b.index(1));
  bool isMean = op.getPooling() == Pooling::mean;
  emitFill(b, isMean ? emitMean(b, scores) : b.load(scores, {zero, token}),
           op.getInto());
}

/// The place of the i-th token of a softmax.
static Values getMember(KernelBuilder &b, SoftmaxOp op, Value i) {
  Values at{b.index(0), i};
  if (Value indices = op.getIndices())
    at[1] = b.toIndex(b.load(indices, at));
  return at;
}

/// The scores are few: what runs in vectors is one token's exponential.
void mod::emitKernel(KernelBuilder &b, SoftmaxOp op) {
  Value count = b.dim(op.getIndices() ? op.getIndices() : op.getScores(), 1);
  auto load = [&](Value i) {
    return b.broadcast(b.load(op.getScores(), getMember(b, op, i)));
  };
  Value zero = b.index(0);
  Value largest = b.loop(zero, count, 1, {b.splat(-FLT_MAX)},
                         [&](Value i, ValueRange most) {
                           return Values{b.maxf(load(i), most[0])};
                         })[0];
  auto emitPower = [&](Value i) {
    return emitExp(b, b.subf(load(i), largest));
  };
  Value sum =
      b.loop(zero, count, 1, {b.splat(0.0)}, [&](Value i, ValueRange sums) {
        return Values{b.addf(emitPower(i), sums[0])};
      })[0];
  emitFill(b, b.f32(0.0), op.getInto());
  b.loop(zero, count, 1, [&](Value i) {
    Value share = b.divf(emitPower(i), sum);
    b.store(vector::ExtractOp::create(b, share, 0), op.getInto(),
            getMember(b, op, i));
  });
}

void mod::emitKernel(KernelBuilder &b, ScatterOp op) {
  int64_t width = getStaticDim(op.getX(), 2);
  b.forallItems(b.dim(op.getUpdate(), 1), blockRows, [&](Value row) {
    Values from{b.index(0), row}, to = from;
    if (Value indices = op.getIndices())
      to[1] = b.toIndex(b.load(indices, from));
    Value score = b.broadcast(b.load(op.getScores(), to));
    Value gate = emitGate(b, op.getGate(), score);
    b.forColumns(width, [&](Columns columns) {
      Value update = b.load(op.getUpdate(), from, columns);
      Value y = op.getReplace()
                    ? b.mulf(gate, update)
                    : b.fma(gate, update, b.load(op.getX(), to, columns));
      b.store(y, op.getX(), to, columns);
    });
  });
}
