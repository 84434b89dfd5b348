//===- Experts.cpp - The kernel that shares tokens out --------------------===//
//
// A choice is among the largest k of a token where fewer than k others come
// before it: choices are few, and nothing is sorted.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/VectorMath.h"
#include <cfloat>

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t blockRows = 16;

namespace {
/// Writes the shares of one token.
struct TokenShares {
  TokenShares(KernelBuilder &b, SharesOp op, Value token)
      : b(b), op(op), token(token),
        choices(b.index(getStaticDim(op.getLogits(), 2))) {}

  void emit();

private:
  Value load(Value choice) {
    return b.load(op.getLogits(), {b.index(0), token, choice});
  }
  Value emitLargest();
  Value emitIsChosen(Value choice, Value logit);
  Value emitWeight(Value logit, Value largest);

  KernelBuilder &b;
  SharesOp op;
  Value token, choices;
};
} // namespace

Value TokenShares::emitLargest() {
  return b.loop(b.index(0), choices, 1, {b.f32(-FLT_MAX)},
                [&](Value choice, ValueRange most) {
                  return Values{b.maxf(load(choice), most[0])};
                })[0];
}

/// Of equal logits the first come before the others.
Value TokenShares::emitIsChosen(Value choice, Value logit) {
  Value before = b.loop(
      b.index(0), choices, 1, {b.i32(0)}, [&](Value other, ValueRange counts) {
        auto compare = [&](arith::CmpFPredicate predicate) -> Value {
          return arith::CmpFOp::create(b, predicate, load(other), logit);
        };
        Value isTie = arith::AndIOp::create(
            b, compare(arith::CmpFPredicate::OEQ), b.less(other, choice));
        Value isBefore =
            arith::OrIOp::create(b, compare(arith::CmpFPredicate::OGT), isTie);
        Value one = arith::ExtUIOp::create(b, b.getI32Type(), isBefore);
        return Values{arith::AddIOp::create(b, counts[0], one)};
      })[0];
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, before,
                               b.i32(*op.getTop()));
}

/// The share, but for the sum that a softmax divides it by.
Value TokenShares::emitWeight(Value logit, Value largest) {
  if (op.getGate().getKind() == GateKind::none)
    return b.f32(1.0);
  // What runs in vectors is one number.
  Value weight = op.getGate().isSoftmax()
                     ? emitExp(b, b.broadcast(b.subf(logit, largest)))
                     : emitSigmoid(b, b.broadcast(logit));
  return vector::ExtractOp::create(b, weight, 0);
}

void TokenShares::emit() {
  GateAttr gate = op.getGate();
  bool isAmongTop = gate.getKind() == GateKind::softmax_topk;
  Value largest = emitLargest(), zero = b.f32(0.0);
  auto place = [&](Value choice) { return Values{choice, b.index(0), token}; };
  Value sum = b.loop(
      b.index(0), choices, 1, {zero}, [&](Value choice, ValueRange sums) {
        Value logit = load(choice), weight = emitWeight(logit, largest);
        Value chosen = weight;
        if (op.getTop())
          chosen = arith::SelectOp::create(b, emitIsChosen(choice, logit),
                                           weight, zero);
        b.store(chosen, op.getInto(), place(choice));
        return Values{b.addf(sums[0], isAmongTop ? chosen : weight)};
      })[0];
  Value factor = b.f32(gate.getScaleValue());
  if (gate.isSoftmax())
    factor = b.divf(factor, sum);
  b.loop(b.index(0), choices, 1, [&](Value choice) {
    b.store(b.mulf(b.load(op.getInto(), place(choice)), factor), op.getInto(),
            place(choice));
  });
}

void mod::emitKernel(KernelBuilder &b, SharesOp op) {
  b.forallItems(b.dim(op.getLogits(), 1), blockRows,
                [&](Value token) { TokenShares(b, op, token).emit(); });
}
