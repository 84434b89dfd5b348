//===- Pipelines.cpp - The phases of a compilation --------------*- C++ -*-===//
//
// One function per phase; a comment above each pass says why it stands there.
//
//===----------------------------------------------------------------------===//

#include "codegen/Pipelines.h"
#include "codegen/Passes.h"
#include "codegen/cpu/Target.h"
#include "codegen/nvptx/Phases.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr std::pair<Phase, llvm::StringLiteral> kPhases[] = {
    {Phase::imported, "imported"}, {Phase::specialized, "specialized"},
    {Phase::derived, "derived"},   {Phase::fused, "fused"},
    {Phase::packed, "packed"},     {Phase::bufferized, "bufferized"},
    {Phase::lowered, "lowered"},   {Phase::llvm, "llvm"},
};

StringRef mod::stringifyPhase(Phase phase) {
  return kPhases[static_cast<int>(phase)].second;
}

std::optional<Phase> mod::symbolizePhase(StringRef name) {
  for (auto [phase, phaseName] : kPhases)
    if (name == phaseName)
      return phase;
  return std::nullopt;
}

/// Folds what the pass before left behind.
static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void buildSpecialized(OpPassManager &pm, const PhaseOptions &options) {
  // Every later pass relies on static shapes; the budget is known from here.
  SpecializePassOptions specialize;
  specialize.context = options.context;
  specialize.dtype = options.dtype;
  pm.addPass(createSpecializePass(specialize));
  // Dimensions became constants.
  addCleanup(pm);
}

static void buildDerived(OpPassManager &pm, const PhaseOptions &options) {
  // Before fusion, so that each program is fused for its own shapes.
  DeriveProgramsPassOptions derive;
  derive.decodeRouting = options.decodeRouting;
  derive.prefillRouting = options.prefillRouting;
  derive.kvDtype = options.getKvDtype();
  derive.kvTokens = options.kvTokens;
  derive.batch = options.batch;
  pm.addPass(createDeriveProgramsPass(derive));
  addCleanup(pm);
}

static void buildFused(OpPassManager &pm) {
  // While routed blocks are still regions: their products share an operand
  // that routing would hide behind a gather.
  pm.addNestedPass<func::FuncOp>(createFuseProjectionsPass());
  // Once products are joined: the weight of all is multiplied by a scale once.
  pm.addNestedPass<func::FuncOp>(createFoldNormsPass());
  // Keys are rotated where they are written.
  pm.addNestedPass<func::FuncOp>(createFuseRopePass());
  // Routed blocks become select, gather, update, scatter, or a branch.
  pm.addNestedPass<func::FuncOp>(createFuseRoutingPass());
  // Experts of routed blocks see the block's tokens by then.
  pm.addNestedPass<func::FuncOp>(createFuseExpertsPass());
  // Once there are scatters, and gathers that norms no longer read.
  pm.addNestedPass<func::FuncOp>(createFuseEpiloguesPass());
  pm.addNestedPass<func::FuncOp>(createFuseGathersPass());
  addCleanup(pm);
}

static void buildPacked(OpPassManager &pm, const PhaseOptions &options) {
  // After fusion: what is one product has one type.
  QuantizeWeightsPassOptions quantize;
  quantize.dtype = options.dtype;
  quantize.narrowInputs =
      options.isGpu() || options.tiles ||
      (options.dtype == "bf16" ? options.bf16Dot : options.byteDot);
  pm.addNestedPass<func::FuncOp>(createQuantizeWeightsPass(quantize));
  // The weights of predictors are packed too, but routing is decided in f32.
  pm.addNestedPass<func::FuncOp>(createExpandPredictorsPass());
  // After fusion: the fused weights are packed as one. GPUs read rows.
  PackWeightsPassOptions pack;
  pack.panel = CpuTarget::get(options.vectorBits).getPanel();
  if (!options.isGpu())
    pm.addNestedPass<func::FuncOp>(createPackWeightsPass(pack));
  // What depends on parameters alone is computed once, by the compiler.
  pm.addPass(createHoistWeightsPass());
  addCleanup(pm);
}

static void buildBufferized(OpPassManager &pm, const PhaseOptions &options) {
  // Prepared weights become views of memory that the caller maps.
  pm.addPass(createBindWeightsPass());
  // Elementwise arithmetic on tensors takes its destination from an operand
  // that dies, so that residual sums are made in place.
  pm.addPass(createConvertElementwiseToLinalgPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  // Logits are written where the caller wants them; nothing is returned.
  pm.addPass(bufferization::createDropEquivalentBufferResultsPass());
  // Copies of a buffer to itself and branches that yield one buffer.
  addCleanup(pm);
  // Handles of state become views, once tensors are memrefs.
  LowerCachesPassOptions caches;
  caches.vectorBits = options.vectorBits;
  caches.rows = options.isGpu();
  pm.addPass(createLowerCachesPass(caches));
  addCleanup(pm);
}

static void buildLowered(OpPassManager &pm, const PhaseOptions &options) {
  if (options.isGpu())
    buildGpuGroups(pm);
  else
    // Before buffers have places.
    pm.addNestedPass<func::FuncOp>(createPadRowsPass());
  // While ops still know the bounds of what they compute: a call does not.
  // Kernels add no buffers.
  pm.addPass(createPlanArenaPass());
  if (options.isGpu())
    return buildGpuLowered(pm, options);
  // Ops of the dialect first: their kernels are loops over vectors already.
  LowerKernelsPassOptions kernels;
  kernels.vectorBits = options.vectorBits;
  kernels.level2Bytes = options.level2Bytes;
  kernels.bf16Dot = options.bf16Dot;
  kernels.byteDot = options.byteDot;
  kernels.tiles = options.tiles;
  pm.addPass(createLowerKernelsPass(kernels));
  // What is left is elementwise work and copies, much the same in each layer.
  pm.addPass(createOutlineElementwisePass());
  VectorizePassOptions vectorize;
  vectorize.vectorBits = options.vectorBits;
  pm.addPass(createVectorizePass(vectorize));
  addCleanup(pm);
}

static void buildLLVM(OpPassManager &pm, const PhaseOptions &options) {
  if (options.isGpu())
    buildGpuLLVM(pm, options);
  else
    // Loops over buffers become calls while captures are still high-level
    // types.
    pm.addPass(createOutlineParallelPass());
  ExportProgramsPassOptions exported;
  exported.producer = "modc " MOD_VERSION;
  exported.target = options.target;
  exported.features = options.features;
  exported.weightsFile = options.weightsFile;
  pm.addPass(createExportProgramsPass(exported));
  // Subviews and affine expressions become arithmetic that LLVM knows.
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  // The casts at the borders of outlined bodies cancel out.
  pm.addPass(createReconcileUnrealizedCastsPass());
  addCleanup(pm);
}

void mod::buildPhase(OpPassManager &pm, Phase phase,
                     const PhaseOptions &options) {
  switch (phase) {
  case Phase::imported:
    return;
  case Phase::specialized:
    return buildSpecialized(pm, options);
  case Phase::derived:
    return buildDerived(pm, options);
  case Phase::fused:
    return buildFused(pm);
  case Phase::packed:
    return buildPacked(pm, options);
  case Phase::bufferized:
    return buildBufferized(pm, options);
  case Phase::lowered:
    return buildLowered(pm, options);
  case Phase::llvm:
    return buildLLVM(pm, options);
  }
}

void mod::registerPhasePipelines() {
  for (auto [phase, name] : llvm::drop_begin(kPhases))
    PassPipelineRegistration<PhaseOptions>(
        ("mod-to-" + name).str(),
        ("The passes that lead to the phase " + name).str(),
        [phase = phase](OpPassManager &pm, const PhaseOptions &options) {
          buildPhase(pm, phase, options);
        });
}
