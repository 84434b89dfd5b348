//===- Passes.h - Code generation for NVIDIA GPUs ---------------*- C++ -*-===//
//
// Declarations of the passes in Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_PASSES_H
#define MOD_CODEGEN_NVPTX_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir::mod {

/// The module of a model's kernels.
inline constexpr llvm::StringLiteral kKernelModule = "kernels";
/// Attributes of a module whose kernels were compiled.
inline constexpr llvm::StringLiteral kKernelsAttr = "mod.kernels";
inline constexpr llvm::StringLiteral kImagesAttr = "mod.images";
/// Weights that kernels copy by TMA, in the order of their tensor maps.
inline constexpr llvm::StringLiteral kTensorMapsAttr = "mod.tensor_maps";
/// Where they were assembled: the registers of each kernel on the first chip.
inline constexpr llvm::StringLiteral kRegistersAttr = "mod.registers";

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "codegen/nvptx/Passes.h.inc"

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_PASSES_H
