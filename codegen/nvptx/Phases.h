//===- Phases.h - The phases that GPUs have of their own --------*- C++ -*-===//
//
// From programs over buffers to the LLVM dialect, for NVIDIA GPUs.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_PHASES_H
#define MOD_CODEGEN_NVPTX_PHASES_H

#include "codegen/Pipelines.h"

namespace mlir::mod {

/// Before the plan of the arena: which ops are one kernel.
void buildGpuGroups(OpPassManager &pm);

/// Behind the plan of the arena: launches of kernels.
void buildGpuLowered(OpPassManager &pm, const PhaseOptions &options);

/// Before programs are exported: PTX, and calls of the runtime.
void buildGpuLLVM(OpPassManager &pm, const PhaseOptions &options);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_PHASES_H
