//===- Sample.cpp - The kernel that chooses the next token ----------------===//
//
// One block. Tokens have an order, an integer that is larger for what is
// likelier; of each step remain those of some order at least, the one at which
// their number or their weight reaches a goal. Few tokens, as top-k leaves,
// look at one another to find it. For more the order is searched bit by bit.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include "codegen/nvptx/ScoreKeys.h"
#include "runtime/TokenWeights.h"
#include "runtime/modrt.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::mod;

using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace {
/// Chooses one token.
class Sampling {
public:
  Sampling(ThreadBuilder &b, SampleOp op)
      : b(b), op(op), vocab(getBound(op.getLogits(), 1)),
        threads(std::clamp<int64_t>(llvm::bit_ceil(uint64_t(vocab)),
                                    kWarpThreads, kMostThreads)) {}

  /// Returns the threads of the block.
  int64_t emit();

private:
  static constexpr int64_t kMostThreads = 1024;
  /// An order is a key, and behind it the bits of a token in reverse.
  static constexpr unsigned kTokenBits = 22, kOrderBits = 32 + kTokenBits;
  static_assert(modrt::maxWeighted == SampleOp::kMostTokens &&
                modrt::maxWeighted == 1 << kTokenBits);
  /// Of keys, so many tell well enough which tokens are few.
  static constexpr unsigned kCoarseBits = 16;

  /// What a token counts as, an i64, by its key.
  using Measure = function_ref<Value(Value key)>;

  void penalize();
  Value findLargest();
  void collect(Value topK);
  Value choose(Value topK);
  Value reach(Value end, Value goal, Measure measure);
  Value reachShare(Value end, Value share, Measure measure);
  Value searchFew(Value end, Value goal, Measure measure);
  Value searchBits(Value end, Value goal, Measure measure);
  Value countFrom(Value end, Value order, Measure measure);
  Value sum(Value end, Measure measure, bool isAlone);
  Value weigh(Value key, Value scale);
  Value emitPower(Value fraction);

  Value forLogits(Value init, function_ref<Value(Value order, Value)> body);
  Value loadOrder(Value token);
  Value loadCollected(Value place);
  Value getKey(Value order) {
    return narrow(arith::ShRSIOp::create(b, order, b.i64(kTokenBits)));
  }
  Value getToken(Value order) {
    Value mask = b.i32(modrt::maxWeighted - 1);
    return arith::XOrIOp::create(b, b.both(narrow(order), mask), mask);
  }
  Value getNumber(size_t offset) {
    return b.load(op.getChoice(), {b.index(offset / sizeof(double))});
  }

  Value compare(CmpIPredicate predicate, Value x, Value y) {
    return arith::CmpIOp::create(b, predicate, x, y);
  }
  Value compare(CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, predicate, x, y);
  }
  Value isAtLeast(Value x, Value y) {
    return compare(CmpIPredicate::sge, x, y);
  }
  Value larger(Value x, Value y) { return arith::MaxSIOp::create(b, x, y); }
  Value narrow(Value x) {
    return arith::TruncIOp::create(b, b.getI32Type(), x);
  }
  Value widen(Value x) { return arith::ExtSIOp::create(b, b.getI64Type(), x); }
  Value toNumber(Value flag) {
    return arith::ExtUIOp::create(b, b.getI32Type(), flag);
  }
  Value toInteger(Value x, unsigned bits) {
    return arith::FPToSIOp::create(b, b.getIntegerType(bits), x);
  }
  Value f64(double value) {
    return arith::ConstantOp::create(b, b.getF64FloatAttr(value));
  }

  ThreadBuilder &b;
  SampleOp op;
  int64_t vocab, threads;
  /// The order of no token.
  Value least = b.i64(-(int64_t(1) << (kOrderBits - 1)));
  Value ownLargest;              ///< order of this thread's tokens
  Value largest;                 ///< logit
  Value count, isFew;            ///< of tokens that may be chosen
  Value orders, counts, reached; ///< shared memory: of few tokens
};
} // namespace

//===----------------------------------------------------------------------===//
// Logits
//===----------------------------------------------------------------------===//

/// NaN is the largest key, so that it is found.
Value Sampling::loadOrder(Value token) {
  Value score = b.load(op.getLogits(), {b.index(0), token});
  Value key = b.select(compare(CmpFPredicate::UNO, score, score),
                       b.i32(INT32_MAX), emitKey(b, score));
  Value reverse = b.sub(b.i32(modrt::maxWeighted - 1), b.toI32(token));
  return arith::OrIOp::create(
      b, arith::ShLIOp::create(b, widen(key), b.i64(kTokenBits)),
      widen(reverse));
}

/// What becomes of a number with the order of each of this thread's logits, of
/// which several are loaded at a time; `least` stands for those that are beside
/// the vocabulary.
Value Sampling::forLogits(Value init, function_ref<Value(Value, Value)> body) {
  constexpr int64_t together = 4;
  return b.loop(b.thread(), b.index(vocab), together * threads, {init},
                [&](Value first, ValueRange carried) {
                  SmallVector<Value> loaded;
                  for (int64_t i = 0; i < together; ++i) {
                    Value token = b.add(first, b.index(i * threads));
                    Value inside = b.min(token, b.index(vocab - 1));
                    loaded.push_back(b.select(b.eq(token, inside),
                                              loadOrder(inside), least));
                  }
                  Value result = carried[0];
                  for (Value order : loaded)
                    result = body(order, result);
                  return Values{result};
                })[0];
}

/// Makes recent tokens less likely.
void Sampling::penalize() {
  Value penalty = getNumber(offsetof(modrt_choice, penalty));
  constexpr int64_t first = offsetof(modrt_choice, recent) / sizeof(double);
  Value end = b.index(getBound(op.getChoice(), 0) - first);
  b.loop(b.thread(), end, threads, [&](Value i) {
    Value recent =
        toInteger(b.load(op.getChoice(), {b.add(i, b.index(first))}), 32);
    b.ifThen(isAtLeast(recent, b.i32(0)), [&] {
      Value at[] = {b.index(0), b.toIndex(recent)};
      Value logit =
          arith::ExtFOp::create(b, b.getF64Type(), b.load(op.getLogits(), at));
      Value less = b.select(compare(CmpFPredicate::OGT, logit, f64(0)),
                            b.divf(logit, penalty), b.mulf(logit, penalty));
      b.store(less, op.getLogits(), at);
    });
  });
  b.barrier();
}

/// The order of the likeliest token.
Value Sampling::findLargest() {
  auto combine = [&](Value x, Value y) { return larger(x, y); };
  ownLargest = forLogits(least, combine);
  return b.reduceBlock(ownLargest, threads, combine);
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// 2^-x in units of 2^-32, of x in the same.
Value Sampling::emitPower(Value fraction) {
  Value power = b.i32(0);
  for (uint32_t coefficient : llvm::reverse(modrt::powerSeries))
    power = arith::MulUIExtendedOp::create(b, fraction,
                                           b.sub(b.i32(coefficient), power))
                .getHigh();
  Value one = b.i64(int64_t(1) << 32);
  return b.sub(one, arith::ExtUIOp::create(b, b.getI64Type(), power));
}

/// runtime/Sampler.cpp computes the same.
Value Sampling::weigh(Value key, Value scale) {
  Value bits = b.mulf(b.subf(largest, emitScore(b, key)), scale);
  Value isSome = compare(CmpFPredicate::OLT, bits, b.f32(modrt::weightBits));
  return b.ifElse(isSome, b.i64(0), [&] {
    Value distance = arith::FPToUIOp::create(
        b, b.getI32Type(), b.mulf(bits, b.f32(1 << modrt::distanceBits)));
    Value fraction =
        arith::ShLIOp::create(b, distance, b.i32(32 - modrt::distanceBits));
    Value whole =
        arith::ShRUIOp::create(b, distance, b.i32(modrt::distanceBits));
    Value power = arith::ShLIOp::create(b, emitPower(fraction),
                                        b.i64(modrt::weightBits - 32));
    return Value(arith::ShRUIOp::create(b, power, widen(whole)));
  });
}

//===----------------------------------------------------------------------===//
// Orders
//===----------------------------------------------------------------------===//

/// Finds the tokens that may be among the k likeliest: so many threads have one
/// that is no less likely than the k-th of the threads' own. Few are kept in
/// shared memory, in any order.
void Sampling::collect(Value topK) {
  auto add = [&](Value x, Value y) { return b.add(x, y); };
  Value coarse =
      arith::ShRSIOp::create(b, getKey(ownLargest), b.i32(32 - kCoarseBits));
  Value some = emitLargest(b, kCoarseBits, topK, [&](Value candidate) {
    return b.reduceBlock(toNumber(isAtLeast(coarse, candidate)), threads, add,
                         /*isAlone=*/true);
  });
  Value end =
      arith::ShLIOp::create(b, widen(some), b.i64(kOrderBits - kCoarseBits));
  Value own = forLogits(b.i32(0), [&](Value order, Value number) {
    return b.add(number, toNumber(isAtLeast(order, end)));
  });
  auto [before, total] = b.scanBlock(own, threads, /*isAlone=*/false);
  count = total;
  isFew = compare(CmpIPredicate::sle, count, b.i32(threads));
  orders = b.shared({threads}, b.getI64Type());
  counts = b.shared({threads}, b.getI64Type());
  reached = b.shared({1}, b.getI64Type());
  Value first = before;
  b.ifThen(isFew, [&] {
    forLogits(first, [&](Value order, Value place) {
      Value isIn = isAtLeast(order, end);
      b.ifThen(isIn, [&] { b.store(order, orders, {b.toIndex(place)}); });
      return b.add(place, toNumber(isIn));
    });
  });
  b.barrier();
}

/// The order of a token that may be chosen.
Value Sampling::loadCollected(Value place) {
  return b.ifElse(
      isFew, b.getI64Type(), [&] { return b.load(orders, {place}); },
      [&] { return loadOrder(place); });
}

/// What a token counts as, if it is of the order `end` at least.
Value Sampling::countFrom(Value end, Value order, Measure measure) {
  return b.ifElse(isAtLeast(order, end), b.i64(0),
                  [&] { return measure(getKey(order)); });
}

/// What all such tokens count as.
Value Sampling::sum(Value end, Measure measure, bool isAlone) {
  Value places = b.select(isFew, b.toIndex(count), b.index(vocab));
  Value own =
      b.loop(b.thread(), places, threads, {b.i64(0)},
             [&](Value place, ValueRange sums) {
               Value order = loadCollected(place);
               return Values{b.add(sums[0], countFrom(end, order, measure))};
             })[0];
  return b.reduceBlock(
      own, threads, [&](Value x, Value y) { return b.add(x, y); }, isAlone);
}

/// Each thread has a token, and adds what those before it count as.
Value Sampling::searchFew(Value end, Value goal, Measure measure) {
  Value places = b.toIndex(count);
  b.ifThen(b.lt(b.thread(), places), [&] {
    Value order = b.load(orders, {b.thread()});
    b.store(countFrom(end, order, measure), counts, {b.thread()});
  });
  b.barrier();
  b.ifThen(b.lt(b.thread(), places), [&] {
    Value order = b.load(orders, {b.thread()});
    Value before = b.loop(
        b.index(0), places, 1, {b.i64(0)}, [&](Value i, ValueRange sums) {
          Value isBefore =
              compare(CmpIPredicate::sgt, b.load(orders, {i}), order);
          Value some = b.select(isBefore, b.load(counts, {i}), b.i64(0));
          return Values{b.add(sums[0], some)};
        })[0];
    Value upTo = b.add(before, b.load(counts, {b.thread()}));
    Value reaches = b.both(compare(CmpIPredicate::slt, before, goal),
                           isAtLeast(upTo, goal));
    b.ifThen(reaches, [&] { b.store(order, reached, {b.index(0)}); });
  });
  b.barrier();
  return b.load(reached, {b.index(0)});
}

Value Sampling::searchBits(Value end, Value goal, Measure measure) {
  return emitLargest(b, kOrderBits, goal, [&](Value candidate) {
    return sum(larger(candidate, end), measure, /*isAlone=*/true);
  });
}

/// Of the tokens of this order at least, the order at which they count as much
/// as the goal, which all of them do.
Value Sampling::reach(Value end, Value goal, Measure measure) {
  return b.ifElse(
      isFew, b.getI64Type(), [&] { return searchFew(end, goal, measure); },
      [&] { return searchBits(end, goal, measure); });
}

/// The same by a share of what all count as: one at least, at most all.
Value Sampling::reachShare(Value end, Value share, Measure measure) {
  Value all = sum(end, measure, /*isAlone=*/false);
  Value exact = b.mulf(share, arith::SIToFPOp::create(b, b.getF64Type(), all));
  Value goal = larger(toInteger(exact, 64), b.i64(1));
  return reach(end, arith::MinSIOp::create(b, goal, all), measure);
}

//===----------------------------------------------------------------------===//
// The choice
//===----------------------------------------------------------------------===//

/// Chooses one of several; returns its order.
Value Sampling::choose(Value topK) {
  collect(topK);
  Value end =
      b.ifElse(compare(CmpIPredicate::slt, topK, b.i32(vocab)), least, [&] {
        return reach(least, widen(topK), [&](Value) { return b.i64(1); });
      });
  auto weighPlain = [&](Value key) { return weigh(key, b.f32(modrt::log2e)); };
  Value topP = getNumber(offsetof(modrt_choice, top_p));
  end = b.ifElse(compare(CmpFPredicate::OLT, topP, f64(1)), end,
                 [&] { return reachShare(end, topP, weighPlain); });
  Value minWeight =
      toInteger(getNumber(offsetof(modrt_choice, min_weight)), 64);
  Value scale = arith::TruncFOp::create(
      b, b.getF32Type(), getNumber(offsetof(modrt_choice, scale)));
  Value draw = getNumber(offsetof(modrt_choice, draw));
  return reachShare(end, draw, [&](Value key) {
    return b.ifElse(isAtLeast(weighPlain(key), minWeight), b.i64(0),
                    [&] { return weigh(key, scale); });
  });
}

int64_t Sampling::emit() {
  penalize();
  Value likeliest = findLargest();
  Value key = getKey(likeliest);
  largest = emitScore(b, key);
  // The keys of the largest floats.
  Value isFinite = b.both(isAtLeast(b.i32(0x7f7fffff), key),
                          isAtLeast(key, b.i32(0x80800000)));
  Value token = b.ifElse(isFinite, b.i32(-1), [&] {
    Value topK = toInteger(getNumber(offsetof(modrt_choice, top_k)), 32);
    return getToken(b.ifElse(
        isAtLeast(b.i32(1), topK), b.getI64Type(), [&] { return likeliest; },
        [&] { return choose(topK); }));
  });
  Value zero = b.index(0);
  b.ifThen(b.eq(b.thread(), zero),
           [&] { b.store(token, op.getInto(), {zero, zero}); });
  return threads;
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, SampleOp op) {
  return {Sampling(b, op).emit()};
}
