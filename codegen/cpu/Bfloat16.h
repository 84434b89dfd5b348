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

/// `x`, an f32 or a vector of them, rounded to the elements of `memref`.
Value narrowTo(KernelBuilder &builder, Value memref, Value x);

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_BFLOAT16_H
