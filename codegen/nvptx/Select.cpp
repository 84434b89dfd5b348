//===- Select.cpp - The kernel that selects tokens ------------------------===//
//
// One block: the k-th largest score is found bit by bit; scans of what is
// selected give the indices in ascending order.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include "codegen/nvptx/ScoreKeys.h"
#include "passes/Elementwise.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kThreads = 256;

/// Selects the tokens of one sequence.
class Selector {
public:
  Selector(ThreadBuilder &b, SelectOp op)
      : b(b), op(op), tokens(b.dim(op.getScores(), 1)) {}

  void emit(Value count);

private:
  Value load(Value token) {
    return b.load(op.getScores(), {b.index(0), token});
  }
  Value emitCount(Value key, arith::CmpIPredicate predicate,
                  bool isAlone = false);
  Value emitCapacity(Value among);
  Value emitRounded(Value share);
  Value emitLargestCount();
  Value emitTies(Value k, Value larger);
  Value isAmongLargest(Value score, Value inside, Value &tiesBefore);
  Value emitTaken(Value token, Value &tiesBefore);
  Value compare(arith::CmpIPredicate predicate, Value x, Value y) {
    return arith::CmpIOp::create(b, predicate, x, y);
  }
  Value toNumber(Value flag) {
    return arith::ExtUIOp::create(b, b.getI32Type(), flag);
  }

  ThreadBuilder &b;
  SelectOp op;
  Value tokens;
  Value threshold, ties; ///< the k-th largest key, how many such are taken
};
} // namespace

/// How many scores have keys that compare so with `key`.
Value Selector::emitCount(Value key, arith::CmpIPredicate predicate,
                          bool isAlone) {
  Value own = b.loop(b.thread(), tokens, kThreads, {b.i32(0)},
                     [&](Value token, ValueRange counts) {
                       Value hit =
                           compare(predicate, emitKey(b, load(token)), key);
                       return Values{b.add(counts[0], toNumber(hit))};
                     })[0];
  return b.reduceBlock(
      own, kThreads, [&](Value x, Value y) { return b.add(x, y); }, isAlone);
}

/// A share of the tokens as a whole number, an i32.
Value Selector::emitRounded(Value share) {
  auto truncate = [&](Value x) -> Value {
    return arith::FPToSIOp::create(b, b.getI32Type(), x);
  };
  auto rounded = dyn_cast<RoundedAttr>(*op.getCapacity());
  if (!rounded)
    return truncate(share);
  if (rounded.getRounding() == Rounding::nearest) {
    Value half = arith::ConstantOp::create(b, b.getF64FloatAttr(0.5));
    return truncate(b.addf(share, half));
  }
  Value whole = truncate(share);
  Value back = arith::SIToFPOp::create(b, share.getType(), whole);
  Value isShort =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, back, share);
  return b.add(whole, toNumber(isShort));
}

/// k of `among` tokens, an i32; none of none.
Value Selector::emitCapacity(Value among) {
  Attribute capacity = *op.getCapacity();
  if (auto count = dyn_cast<IntegerAttr>(capacity)) {
    int64_t most = std::min<int64_t>(count.getInt(), INT32_MAX);
    return arith::MinSIOp::create(b, b.i32(most), among);
  }
  auto rounded = dyn_cast<RoundedAttr>(capacity);
  Value ratio = arith::ConstantOp::create(
      b, rounded ? rounded.getRatio() : cast<FloatAttr>(capacity));
  Value exact =
      b.mulf(arith::SIToFPOp::create(b, b.getF64Type(), among), ratio);
  Value k = arith::MaxSIOp::create(b, emitRounded(exact), b.i32(1));
  return arith::MinSIOp::create(b, k, among);
}

/// k, where forced tokens come on top and excluded ones do not count.
Value Selector::emitLargestCount() {
  Value all = b.toI32(tokens);
  if (!op.getForced())
    return emitCapacity(all);
  auto countEqual = [&](double value) {
    return emitCount(emitKey(b, b.f32(value)), arith::CmpIPredicate::eq);
  };
  Value forced = countEqual(INFINITY), excluded = countEqual(-INFINITY);
  return b.add(forced, emitCapacity(b.sub(b.sub(all, forced), excluded)));
}

/// How many of the scores that equal the k-th largest are selected.
Value Selector::emitTies(Value k, Value larger) {
  Value all = b.i32(INT32_MAX);
  switch (op.getTies()) {
  case Ties::first:
    return b.sub(k, larger);
  case Ties::all:
    return all;
  case Ties::none:
    break;
  }
  return b.select(b.eq(k, b.i32(1)), all, b.i32(0));
}

/// Whether a score is among the largest, given how many earlier ones equal the
/// k-th largest.
Value Selector::isAmongLargest(Value score, Value inside, Value &tiesBefore) {
  Value key = emitKey(b, score);
  Value above = compare(arith::CmpIPredicate::sgt, key, threshold);
  Value equal = b.both(b.eq(key, threshold), inside);
  // The scan of what is taken has barriers in the same loop.
  auto [before, total] =
      b.scanBlock(toNumber(equal), kThreads, /*isAlone=*/false);
  Value some =
      compare(arith::CmpIPredicate::slt, b.add(tiesBefore, before), ties);
  tiesBefore = b.add(tiesBefore, total);
  return arith::OrIOp::create(b, above, b.both(equal, some));
}

/// Whether the token of this thread is selected.
Value Selector::emitTaken(Value token, Value &tiesBefore) {
  Value inside = b.lt(token, tokens);
  Value score = b.ifElse(inside, b.f32(0.0), [&] { return load(token); });
  Value taken;
  if (op.getCapacity())
    taken = isAmongLargest(score, inside, tiesBefore);
  if (op.getThreshold()) {
    Value passes = createTest(b, b.getLoc(), score, *op.getThreshold());
    taken = taken ? b.both(taken, passes) : passes;
  }
  Value yes = arith::ConstantOp::create(b, b.getBoolAttr(true));
  if (op.getRest())
    taken = arith::XOrIOp::create(b, taken, yes);
  return b.both(taken, inside);
}

void Selector::emit(Value count) {
  if (op.getCapacity()) {
    Value k = emitLargestCount();
    threshold = emitLargest(b, /*bits=*/32, k, [&](Value key) {
      return emitCount(key, arith::CmpIPredicate::sge, /*isAlone=*/true);
    });
    ties = emitTies(k, emitCount(threshold, arith::CmpIPredicate::sgt));
  }
  Values totals =
      b.loop(b.index(0), tokens, kThreads, {b.i32(0), b.i32(0)},
             [&](Value first, ValueRange carried) {
               Value token = b.add(first, b.thread()), tiesBefore = carried[0];
               Value taken = emitTaken(token, tiesBefore);
               auto [before, total] = b.scanBlock(
                   toNumber(taken), kThreads, /*isAlone=*/!op.getCapacity());
               Value place = b.toIndex(b.add(carried[1], before));
               b.ifThen(taken, [&] {
                 b.store(b.toI32(token), op.getInto(), {b.index(0), place});
               });
               return Values{tiesBefore, b.add(carried[1], total)};
             });
  b.ifThen(b.eq(b.thread(), b.index(0)), [&] {
    Value wide = arith::ExtSIOp::create(b, b.getI64Type(), totals[1]);
    b.store(wide, count, {b.index(0)});
  });
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, SelectOp op, Value count) {
  Selector(b, op).emit(count);
  return {kThreads};
}
