//===- Select.cpp - The kernel that selects tokens ------------------------===//
//
// The k-th largest score is found bit by bit, in time linear in the tokens;
// one scan then writes the indices in ascending order.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Elementwise.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// Bits of f32 values, scalar or vector, as i32 that order as the values do.
static Value emitKey(KernelBuilder &b, Value score, Type integers, Value zero,
                     Value shift, Value magnitude) {
  // -0.0 + 0.0 is 0.0, so that both zeros have one key.
  Value bits = arith::BitcastOp::create(b, integers, b.addf(score, zero));
  Value sign = arith::ShRSIOp::create(b, bits, shift);
  Value flip = arith::AndIOp::create(b, sign, magnitude);
  return arith::XOrIOp::create(b, bits, flip);
}

static Value emitVectorKey(KernelBuilder &b, Value scores) {
  return emitKey(b, scores, b.ints(), b.splat(0.0), b.splatInt(31),
                 b.splatInt(0x7fffffff));
}

static Value emitScalarKey(KernelBuilder &b, Value score) {
  return emitKey(b, score, b.getI32Type(), b.f32(0.0), b.i32(31),
                 b.i32(0x7fffffff));
}

/// How many scores have keys that compare so with `key`.
static Value emitCount(KernelBuilder &b, SelectOp op, Value tokens, Value key,
                       arith::CmpIPredicate predicate) {
  Value wanted = b.broadcast(key);
  Values counts = b.forColumns(
      tokens, {b.splatInt(0)}, [&](Columns columns, ValueRange counts) {
        Value scores = b.load(op.getScores(), {b.index(0)}, columns);
        Value hit = arith::CmpIOp::create(b, predicate,
                                          emitVectorKey(b, scores), wanted);
        if (columns.mask)
          hit = arith::AndIOp::create(b, hit, columns.mask);
        Value one = arith::ExtUIOp::create(b, b.ints(), hit);
        return Values{arith::AddIOp::create(b, counts[0], one)};
      });
  return vector::ReductionOp::create(b, vector::CombiningKind::ADD, counts[0]);
}

/// The largest key that at least `k` scores reach. From the top bit down, a
/// bit stays where still enough scores are left.
static Value emitThreshold(KernelBuilder &b, SelectOp op, Value tokens,
                           Value k) {
  Value lowest = b.i32(INT32_MIN), wanted = b.toI32(k);
  Values found = b.loop(
      b.index(0), b.index(32), 1, {lowest}, [&](Value i, ValueRange found) {
        Value shift = arith::SubIOp::create(b, b.i32(31), b.toI32(i));
        Value bit = arith::ShLIOp::create(b, b.i32(1), shift);
        Value candidate = arith::XOrIOp::create(b, found[0], bit);
        Value count =
            emitCount(b, op, tokens, candidate, arith::CmpIPredicate::sge);
        Value enough =
            arith::CmpIOp::create(b, arith::CmpIPredicate::sge, count, wanted);
        return Values{arith::SelectOp::create(b, enough, candidate, found[0])};
      });
  return found[0];
}

/// A share of the tokens as a whole number.
static Value emitRounded(KernelBuilder &b, Value share, Attribute capacity) {
  auto truncate = [&](Value x) {
    return b.toIndex(arith::FPToSIOp::create(b, b.getI64Type(), x));
  };
  auto rounded = dyn_cast<RoundedAttr>(capacity);
  if (!rounded)
    return truncate(share);
  auto f64 = [&](double x) {
    return arith::ConstantOp::create(b, b.getF64FloatAttr(x));
  };
  if (rounded.getRounding() == Rounding::nearest)
    return truncate(b.addf(share, f64(0.5)));
  Value whole = arith::FPToSIOp::create(b, b.getI64Type(), share);
  Value back = arith::SIToFPOp::create(b, share.getType(), whole);
  Value isShort =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, back, share);
  Value one = arith::ExtUIOp::create(b, b.getI64Type(), isShort);
  return b.toIndex(arith::AddIOp::create(b, whole, one));
}

/// k of `tokens` tokens; none of none.
static Value emitCapacity(KernelBuilder &b, Attribute capacity, Value tokens) {
  if (auto count = dyn_cast<IntegerAttr>(capacity))
    return b.min(b.index(count.getInt()), tokens);
  auto rounded = dyn_cast<RoundedAttr>(capacity);
  Value ratio = arith::ConstantOp::create(
      b, rounded ? rounded.getRatio() : cast<FloatAttr>(capacity));
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(), tokens);
  Value exact =
      b.mulf(arith::SIToFPOp::create(b, b.getF64Type(), integer), ratio);
  Value k = emitRounded(b, exact, capacity);
  return b.min(arith::MaxUIOp::create(b, k, b.index(1)), tokens);
}

/// How many scores are `value`.
static Value emitEqual(KernelBuilder &b, SelectOp op, Value tokens,
                       double value) {
  Value key = emitScalarKey(b, b.f32(value));
  return b.toIndex(emitCount(b, op, tokens, key, arith::CmpIPredicate::eq));
}

/// k, where forced tokens come on top and excluded ones do not count.
static Value emitLargestCount(KernelBuilder &b, SelectOp op, Value tokens) {
  if (!op.getForced())
    return emitCapacity(b, *op.getCapacity(), tokens);
  Value forced = emitEqual(b, op, tokens, INFINITY);
  Value excluded = emitEqual(b, op, tokens, -INFINITY);
  Value others = b.sub(b.sub(tokens, forced), excluded);
  return b.add(forced, emitCapacity(b, *op.getCapacity(), others));
}

/// How many of the scores that equal the k-th largest are selected.
static Value emitTies(KernelBuilder &b, SelectOp op, Value k, Value larger) {
  Value all = b.i32(INT32_MAX);
  switch (op.getTies()) {
  case Ties::first:
    return arith::SubIOp::create(b, k, larger);
  case Ties::all:
    return all;
  case Ties::none:
    break;
  }
  Value isOne = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, k, b.i32(1));
  return arith::SelectOp::create(b, isOne, all, b.i32(0));
}

namespace {
/// Says of one token after the other whether it is selected; `left` is how many
/// scores that equal the k-th largest may still be.
struct Selector {
  Selector(KernelBuilder &b, SelectOp op, Value tokens);

  Value takes(Value score);

  KernelBuilder &b;
  SelectOp op;
  Value threshold, left;

private:
  Value isLargest(Value score);
};
} // namespace

Selector::Selector(KernelBuilder &b, SelectOp op, Value tokens)
    : b(b), op(op), left(b.i32(0)) {
  if (!op.getCapacity())
    return;
  Value k = emitLargestCount(b, op, tokens);
  threshold = emitThreshold(b, op, tokens, k);
  Value larger = emitCount(b, op, tokens, threshold, arith::CmpIPredicate::sgt);
  left = emitTies(b, op, b.toI32(k), larger);
}

Value Selector::isLargest(Value score) {
  Value key = emitScalarKey(b, score);
  auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) {
    return Value(arith::CmpIOp::create(b, predicate, x, y));
  };
  Value above = compare(arith::CmpIPredicate::sgt, key, threshold);
  Value equal = compare(arith::CmpIPredicate::eq, key, threshold);
  Value some = compare(arith::CmpIPredicate::sgt, left, b.i32(0));
  Value tie = arith::AndIOp::create(b, equal, some);
  left = arith::SubIOp::create(b, left,
                               arith::ExtUIOp::create(b, b.getI32Type(), tie));
  return arith::OrIOp::create(b, above, tie);
}

Value Selector::takes(Value score) {
  Value taken;
  if (op.getCapacity())
    taken = isLargest(score);
  if (op.getThreshold()) {
    Value passes = createTest(b, b.getLoc(), score, *op.getThreshold());
    taken = taken ? arith::AndIOp::create(b, taken, passes) : passes;
  }
  if (!op.getRest())
    return taken;
  Value yes = arith::ConstantOp::create(b, b.getBoolAttr(true));
  return arith::XOrIOp::create(b, taken, yes);
}

/// Writes the index of each selected token, ascending.
void mod::emitKernel(KernelBuilder &b, SelectOp op) {
  Value tokens = b.dim(op.getScores(), 1);
  Selector selector(b, op, tokens);
  Values results = b.loop(
      b.index(0), tokens, 1, {b.index(0), selector.left},
      [&](Value token, ValueRange carried) {
        selector.left = carried[1];
        Value taken =
            selector.takes(b.load(op.getScores(), {b.index(0), token}));
        b.ifThen(taken, [&] {
          b.store(b.toI32(token), op.getInto(), {b.index(0), carried[0]});
        });
        Value one = arith::IndexCastUIOp::create(b, b.getIndexType(), taken);
        return Values{b.add(carried[0], one), selector.left};
      });
  op.getCount().replaceAllUsesWith(results[0]);
}
