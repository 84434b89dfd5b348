//===- Select.cpp - The kernel that selects tokens ------------------------===//
//
// The k-th largest score is found bit by bit, in time linear in the tokens;
// one scan then writes the indices in ascending order.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

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

/// k of `tokens` tokens.
static Value emitCapacity(KernelBuilder &b, Attribute capacity, Value tokens) {
  if (auto count = dyn_cast<IntegerAttr>(capacity))
    return b.min(b.index(count.getInt()), tokens);
  Type f64 = b.getF64Type();
  Value ratio = arith::ConstantOp::create(b, cast<FloatAttr>(capacity));
  Value integer = arith::IndexCastOp::create(b, b.getI64Type(), tokens);
  Value exact = b.mulf(arith::SIToFPOp::create(b, f64, integer), ratio);
  Value floor = b.toIndex(arith::FPToSIOp::create(b, b.getI64Type(), exact));
  return b.min(arith::MaxUIOp::create(b, floor, b.index(1)), tokens);
}

/// Writes the index of each token that `takes` says, ascending; `state` is
/// carried from token to token.
using Takes = function_ref<std::pair<Value, Value>(Value score, Value state)>;

static Value emitScan(KernelBuilder &b, SelectOp op, Value tokens, Value state,
                      Takes takes) {
  Values results = b.loop(
      b.index(0), tokens, 1, {b.index(0), state},
      [&](Value token, ValueRange carried) {
        Value score = b.load(op.getScores(), {b.index(0), token});
        auto [taken, next] = takes(score, carried[1]);
        b.ifThen(taken, [&] {
          b.store(b.toI32(token), op.getInto(), {b.index(0), carried[0]});
        });
        Value one = arith::IndexCastUIOp::create(b, b.getIndexType(), taken);
        return Values{b.add(carried[0], one), next};
      });
  return results[0];
}

static Value emitPositive(KernelBuilder &b, SelectOp op, Value tokens) {
  return emitScan(b, op, tokens, b.index(0), [&](Value score, Value state) {
    Value positive =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, score, b.f32(0.0));
    return std::pair(positive, state);
  });
}

static Value emitTopK(KernelBuilder &b, SelectOp op, Value tokens) {
  Value k = emitCapacity(b, *op.getCapacity(), tokens);
  Value threshold = emitThreshold(b, op, tokens, k);
  Value larger = emitCount(b, op, tokens, threshold, arith::CmpIPredicate::sgt);
  // Of the scores that equal the threshold, the first take what is left of k.
  Value ties = arith::SubIOp::create(b, b.toI32(k), larger);
  return emitScan(b, op, tokens, ties, [&](Value score, Value left) {
    Value key = emitScalarKey(b, score);
    auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) {
      return Value(arith::CmpIOp::create(b, predicate, x, y));
    };
    Value above = compare(arith::CmpIPredicate::sgt, key, threshold);
    Value equal = compare(arith::CmpIPredicate::eq, key, threshold);
    Value some = compare(arith::CmpIPredicate::sgt, left, b.i32(0));
    Value tie = arith::AndIOp::create(b, equal, some);
    Value used = arith::ExtUIOp::create(b, b.getI32Type(), tie);
    return std::pair(Value(arith::OrIOp::create(b, above, tie)),
                     Value(arith::SubIOp::create(b, left, used)));
  });
}

void mod::emitKernel(KernelBuilder &b, SelectOp op) {
  Value tokens = b.dim(op.getScores(), 1);
  Value count =
      op.getCapacity() ? emitTopK(b, op, tokens) : emitPositive(b, op, tokens);
  op.getCount().replaceAllUsesWith(count);
}
