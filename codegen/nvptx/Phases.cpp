//===- Phases.cpp - The phases that GPUs have of their own ----------------===//
//
// A comment above each pass says why it stands there.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Phases.h"
#include "codegen/nvptx/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::mod;

static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mod::buildGpuGroups(OpPassManager &pm) {
  // While buffers have no places yet: those of one kernel share none.
  pm.addPass(createGroupKernelsPass());
}

void mod::buildGpuLowered(OpPassManager &pm, const PhaseOptions &options) {
  // Once the arena has its size: the caller's memory comes behind it.
  pm.addPass(createStageMemoryPass());
  LowerToGpuPassOptions lower;
  lower.warpgroups = options.warpgroups;
  pm.addPass(createLowerToGpuPass(lower));
  // Views of launches that are the same, and arithmetic of kernels.
  addCleanup(pm);
}

void mod::buildGpuLLVM(OpPassManager &pm, const PhaseOptions &options) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  // Before the conversion, which knows NVIDIA's library only.
  kernels.addPass(createExpandGpuMathPass());
  // Views and affine expressions become arithmetic.
  kernels.addPass(memref::createExpandStridedMetadataPass());
  kernels.addPass(createLowerAffinePass());
  kernels.addPass(createSCFToControlFlowPass());
  // Copies to shared memory and fragments become NVVM's.
  kernels.addPass(createConvertNVGPUToNVVMPass());
  // Buffers of kernels have static sizes: an address is all of them.
  ConvertGpuOpsToNVVMOpsOptions convert;
  convert.useBarePtrCallConv = true;
  kernels.addPass(createConvertGpuOpsToNVVMOps(convert));
  // What LLVM has no intrinsics for becomes assembly.
  kernels.addPass(createConvertNVVMToLLVMPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
  addCleanup(kernels);
  // Kernels become data before the module of programs is translated.
  CompileKernelsPassOptions compile;
  llvm::append_range(compile.chips, options.chips);
  compile.ptxas = options.ptxas;
  pm.addPass(createCompileKernelsPass(compile));
  pm.addPass(createLowerLaunchesPass());
}
