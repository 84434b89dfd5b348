//===- ScoreKeys.cpp - Searching scores bit by bit ------------------------===//
//
// The bits of a float order as integers, once those of negative ones are turned
// around.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/ScoreKeys.h"

using namespace mlir;
using namespace mlir::mod;

/// Turns the bits of negative numbers around, and back.
static Value turnNegative(ThreadBuilder &b, Value bits) {
  Value sign = arith::ShRSIOp::create(b, bits, b.i32(31));
  return arith::XOrIOp::create(b, bits, b.both(sign, b.i32(0x7fffffff)));
}

Value mod::emitKey(ThreadBuilder &b, Value score) {
  // -0.0 + 0.0 is 0.0.
  Value positive = b.addf(score, b.f32(0.0));
  return turnNegative(b, arith::BitcastOp::create(b, b.getI32Type(), positive));
}

Value mod::emitScore(ThreadBuilder &b, Value key) {
  return arith::BitcastOp::create(b, b.getF32Type(), turnNegative(b, key));
}

/// From the top bit down, a bit is set where still enough is left.
Value mod::emitLargest(ThreadBuilder &b, unsigned bits, Value goal,
                       function_ref<Value(Value)> measure) {
  Type type = b.getIntegerType(bits > 32 ? 64 : 32);
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, IntegerAttr::get(type, value));
  };
  Value smallest = constant(-(int64_t(1) << (bits - 1)));
  return b.loop(
      b.index(0), b.index(bits), 1, {smallest}, [&](Value i, ValueRange found) {
        Value place = arith::IndexCastOp::create(b, type, i);
        Value bit = arith::ShLIOp::create(b, constant(1),
                                          b.sub(constant(bits - 1), place));
        Value candidate = b.add(found[0], bit);
        Value isEnough = arith::CmpIOp::create(b, arith::CmpIPredicate::sge,
                                               measure(candidate), goal);
        return Values{b.select(isEnough, candidate, found[0])};
      })[0];
}
