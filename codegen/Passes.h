//===- Passes.h - Passes of code generation ---------------------*- C++ -*-===//
//
// What turns programs into machine code: weights, memory, kernels, threads.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_PASSES_H
#define MOD_CODEGEN_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir::mod {

/// The attribute of a product in f32 whose operands may be rounded to tf32.
inline constexpr llvm::StringLiteral kTF32Attr = "mod.tf32";

#define GEN_PASS_DECL
#include "codegen/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "codegen/Passes.h.inc"

} // namespace mlir::mod

#endif // MOD_CODEGEN_PASSES_H
