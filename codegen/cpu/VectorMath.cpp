//===- VectorMath.cpp - Functions of vectors ------------------------------===//
//
// Exponentials and circular functions as polynomials of f32 vectors.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/VectorMath.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// Adding and subtracting it rounds to an integer, which the low bits of the
/// sum hold.
static constexpr double roundingMagic = 12582912.0; // 1.5 * 2^23

static Value bitcast(KernelBuilder &b, VectorType type, Value vector) {
  return vector::BitCastOp::create(b, type, vector);
}

/// `coefficients[0] + coefficients[1] x + ...`
static Value emitPolynomial(KernelBuilder &b, Value x,
                            ArrayRef<double> coefficients) {
  Value result = b.splat(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    result = b.fma(result, x, b.splat(coefficient));
  return result;
}

/// `x` rounded to an integer, as a float, and shifted by the magic number.
static std::pair<Value, Value> emitRound(KernelBuilder &b, Value x) {
  Value magic = b.splat(roundingMagic);
  Value shifted = b.addf(x, magic);
  return {b.subf(shifted, magic), shifted};
}

/// `x * 2^n` for the integer n whose magic sum is `shifted`, by adding n to
/// the exponent.
static Value emitScale(KernelBuilder &b, Value x, Value shifted) {
  Value exponent =
      arith::ShLIOp::create(b, bitcast(b, b.ints(), shifted), b.splatInt(23));
  Value bits = arith::AddIOp::create(b, bitcast(b, b.ints(), x), exponent);
  return bitcast(b, b.floats(), bits);
}

/// 2^f for |f| <= 1/2.
static Value emitExp2OfFraction(KernelBuilder &b, Value f) {
  return emitPolynomial(
      b, f, {1.0, 0.69314697, 0.2402212, 0.05550713, 0.00967554, 0.00132765});
}

Value mod::emitExp2(KernelBuilder &b, Value x) {
  x = b.maxf(x, b.splat(-126.0));
  auto [n, shifted] = emitRound(b, x);
  return emitScale(b, emitExp2OfFraction(b, b.subf(x, n)), shifted);
}

Exp2Base Exp2Base::get(KernelBuilder &b, Value exponent) {
  Value magic = b.f32(roundingMagic);
  Value rounded = b.subf(b.addf(exponent, magic), magic);
  return {rounded, b.broadcast(b.subf(magic, rounded)),
          b.broadcast(b.subf(rounded, b.f32(126.0)))};
}

/// The same with a relative error of 8e-5.
static Value emitShortExp2OfFraction(KernelBuilder &b, Value f) {
  return emitPolynomial(b, f, {0.99992807, 0.69326099, 0.24261112, 0.05517167});
}

Value mod::emitExp2(KernelBuilder &b, Value x, const Exp2Base &base,
                    bool isShort) {
  x = b.maxf(x, base.least);
  // Its low bits are x - exponent, rounded: both numbers are integers.
  Value shifted = b.addf(x, base.magic);
  Value fraction = b.subf(x, b.subf(shifted, base.magic));
  Value power = isShort ? emitShortExp2OfFraction(b, fraction)
                        : emitExp2OfFraction(b, fraction);
  return emitScale(b, power, shifted);
}

Value mod::emitExp(KernelBuilder &b, Value x) {
  x = b.minf(b.maxf(x, b.splat(-87.0)), b.splat(88.0));
  auto [n, shifted] = emitRound(b, b.mulf(x, b.splat(1.44269504088896341)));
  // ln 2 in two parts: the first has few enough bits for exact products.
  Value f = b.fma(n, b.splat(-0.693359375), x);
  f = b.fma(n, b.splat(2.12194440e-4), f);
  Value p = emitPolynomial(b, f,
                           {1.0, 1.00000004, 0.49999992, 0.1666642, 0.04166823,
                            0.00837482, 0.00138368});
  return emitScale(b, p, shifted);
}

Value mod::emitSigmoid(KernelBuilder &b, Value x) {
  Value one = b.splat(1.0);
  Value exponential = emitExp(b, b.subf(b.splat(0.0), x));
  return b.divf(one, b.addf(one, exponential));
}

/// tanh for |x| < 0.625, where the quotient of exponentials would cancel
/// (the polynomial of the Cephes library).
static Value emitSmallTanh(KernelBuilder &b, Value x) {
  Value square = b.mulf(x, x);
  Value p =
      emitPolynomial(b, square,
                     {-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2,
                      2.06390887954e-2, -5.70498872745e-3});
  return b.fma(b.mulf(p, square), x, x);
}

Value mod::emitTanh(KernelBuilder &b, Value x) {
  // tanh(x) = 2 / (1 + e^-2x) - 1
  Value one = b.splat(1.0);
  Value quotient =
      b.divf(b.splat(2.0), b.addf(one, emitExp(b, b.mulf(b.splat(-2.0), x))));
  Value magnitude = b.maxf(x, b.subf(b.splat(0.0), x));
  Value small = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, magnitude,
                                      b.splat(0.625));
  return arith::SelectOp::create(b, small, emitSmallTanh(b, x),
                                 b.subf(quotient, one));
}

/// `value`, negated where bit 1 of `quadrant` is set.
static Value emitSign(KernelBuilder &b, Value value, Value quadrant) {
  Value bit = arith::AndIOp::create(b, quadrant, b.splatInt(2));
  Value sign = arith::ShLIOp::create(b, bit, b.splatInt(30));
  Value bits = arith::XOrIOp::create(b, bitcast(b, b.ints(), value), sign);
  return bitcast(b, b.floats(), bits);
}

/// sin and cos of |r| <= pi / 4 (the polynomials of the Cephes library).
static std::pair<Value, Value> emitReducedCosSin(KernelBuilder &b, Value r) {
  Value square = b.mulf(r, r);
  Value sine = emitPolynomial(
      b, square, {-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4});
  sine = b.fma(b.mulf(sine, square), r, r);
  Value cosine = emitPolynomial(b, square,
                                {1.0, -0.5, 4.166664568298827e-2,
                                 -1.388731625493765e-3, 2.443315711809948e-5});
  return {cosine, sine};
}

std::pair<Value, Value> mod::emitCosSin(KernelBuilder &b, Value x) {
  // r = x - n pi / 2, with pi / 2 in three parts of few bits.
  auto [n, shifted] = emitRound(b, b.mulf(x, b.splat(2.0 / M_PI)));
  Value r = b.fma(n, b.splat(-1.5703125), x);
  r = b.fma(n, b.splat(-4.837512969970703125e-4), r);
  r = b.fma(n, b.splat(-7.54978995489188216e-8), r);
  auto [cosine, sine] = emitReducedCosSin(b, r);

  Value quadrant = bitcast(b, b.ints(), shifted);
  Value one = b.splatInt(1);
  Value odd = arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                                    arith::AndIOp::create(b, quadrant, one),
                                    b.splatInt(0));
  Value sineOf = arith::SelectOp::create(b, odd, cosine, sine);
  Value cosineOf = arith::SelectOp::create(b, odd, sine, cosine);
  Value next = arith::AddIOp::create(b, quadrant, one);
  return {emitSign(b, cosineOf, next), emitSign(b, sineOf, quadrant)};
}
