//===- VectorMath.h - Functions of vectors ----------------------*- C++ -*-===//
//
// Exponentials and circular functions as polynomials of f32 vectors: calls of
// libm would be made lane by lane.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_VECTORMATH_H
#define MOD_CODEGEN_CPU_VECTORMATH_H

#include "codegen/cpu/KernelBuilder.h"

namespace mlir::mod {

/// 2^x for x <= 0, with a relative error of 2e-7; at least 2^-126.
Value emitExp2(KernelBuilder &builder, Value x);

/// The power of two that others are relative to.
struct Exp2Base {
  /// `exponent`, an f32 within 2^22 of 0, rounded to an integer.
  Value exponent;
  /// What `emitExp2` adds and subtracts, and the least that it takes.
  Value magic, least;

  static Exp2Base get(KernelBuilder &builder, Value exponent);
};

/// 2^(x - base), for x below the base's exponent or near to it; at least
/// 2^-126. It takes less than a subtraction and `emitExp2`. Where it is short
/// its relative error is 8e-5, less than rounding to bf16 makes.
Value emitExp2(KernelBuilder &builder, Value x, const Exp2Base &base,
               bool isShort = false);

/// e^x, with a relative error of 2e-7 where the result is a normal number.
Value emitExp(KernelBuilder &builder, Value x);

/// 1 / (1 + e^-x).
Value emitSigmoid(KernelBuilder &builder, Value x);

/// tanh(x), with a relative error of 1e-6.
Value emitTanh(KernelBuilder &builder, Value x);

/// cos(x) and sin(x) for 0 <= x < 2^17, with an absolute error of 1e-7.
std::pair<Value, Value> emitCosSin(KernelBuilder &builder, Value x);

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_VECTORMATH_H
