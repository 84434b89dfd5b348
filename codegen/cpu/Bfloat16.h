//===- Bfloat16.h - Values that are kept in half the bytes ------*- C++ -*-===//
//
// Conversions of f32 to and from what a buffer holds.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_BFLOAT16_H
#define MOD_CODEGEN_CPU_BFLOAT16_H

#include "codegen/cpu/KernelBuilder.h"

namespace mlir::mod {

/// `x`, a bf16 or f32 vector, as f32.
Value widen(KernelBuilder &builder, Value x);

/// The first and the second of pairs of bf16, as f32.
Values splitPairs(KernelBuilder &builder, Value pairs);

/// `sum[n] + x[2 n] * y[2 n] + x[2 n + 1] * y[2 n + 1]` of pairs of bf16, by
/// the instruction that the target has for it.
Value dotPairs(KernelBuilder &builder, Value x, Value y, Value sum);

/// `x`, an f32 or a vector of them, rounded to the elements of `memref`: to the
/// nearest, to even where two are as near.
Value narrowTo(KernelBuilder &builder, Value memref, Value x);

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_BFLOAT16_H
