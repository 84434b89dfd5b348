//===- WeightKernels.cpp - Machine code that prepares weights ---*- C++ -*-===//
//
// Upstream lowerings from tensors to LLVM, then ORC.
//
//===----------------------------------------------------------------------===//

#include "codegen/weights/WeightKernels.h"
#include "dialect/Register.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace mlir::mod;

std::string mod::getKernelName(unsigned ordinal) {
  return "kernel" + std::to_string(ordinal);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Packs before widening: the widening is then fused with the copy that
/// packing is, and no widened copy of the whole matrix is ever made.
static void sinkExtension(linalg::PackOp pack, RewriterBase &rewriter) {
  auto extension = pack.getSource().getDefiningOp<arith::ExtFOp>();
  if (!extension)
    return;
  rewriter.setInsertionPoint(pack);
  Location loc = pack.getLoc();
  Type narrow = getElementTypeOrSelf(extension.getIn());
  Value empty = tensor::EmptyOp::create(rewriter, loc,
                                        pack.getDestType().getShape(), narrow);
  std::optional<Value> padding;
  if (Value value = pack.getPaddingValue())
    padding = arith::TruncFOp::create(rewriter, loc, narrow, value);
  auto packed = linalg::PackOp::create(
      rewriter, loc, extension.getIn(), empty, pack.getInnerDimsPos(),
      pack.getMixedTiles(), padding, pack.getOuterDimsPerm());
  rewriter.replaceOpWithNewOp<arith::ExtFOp>(pack, pack.getDestType(),
                                             packed.getResult());
}

template <typename Op>
static SmallVector<Op> collect(ModuleOp module) {
  SmallVector<Op> ops;
  module.walk([&](Op op) { ops.push_back(op); });
  return ops;
}

/// Says pack and concat with ops that become loops.
static LogicalResult decompose(ModuleOp module) {
  IRRewriter rewriter(module.getContext());
  for (auto pack : collect<linalg::PackOp>(module))
    sinkExtension(pack, rewriter);
  for (auto pack : collect<linalg::PackOp>(module)) {
    rewriter.setInsertionPoint(pack);
    if (failed(linalg::lowerPack(rewriter, pack)))
      return pack.emitError("cannot lower this pack");
  }
  RewritePatternSet patterns(module.getContext());
  tensor::populateDecomposeTensorConcatPatterns(patterns);
  return applyPatternsGreedily(module, std::move(patterns));
}

static void buildBufferization(OpPassManager &pm) {
  // One loop nest per weight: what is elementwise joins the copy.
  OpPassManager &funcs = pm.nest<func::FuncOp>();
  funcs.addPass(createConvertElementwiseToLinalgPass());
  funcs.addPass(createLinalgGeneralizeNamedOpsPass());
  funcs.addPass(createLinalgElementwiseOpFusionPass());
  pm.addPass(createCanonicalizerPass());
  // Results are computed in the file itself.
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  pm.addPass(bufferization::createOneShotBufferizePass());
  pm.addPass(createCanonicalizerPass());
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

/// Frees temporaries, and says copies as loops: LLVM makes them memcpy again
/// where it can, and a library would be called for the others.
static void finishBuffers(ModuleOp module) {
  OpBuilder builder(module.getContext());
  for (auto copy : collect<memref::CopyOp>(module)) {
    builder.setInsertionPoint(copy);
    linalg::makeMemRefCopyOp(builder, copy.getLoc(), copy.getSource(),
                             copy.getTarget());
    copy.erase();
  }
  for (auto alloc : collect<memref::AllocOp>(module)) {
    builder.setInsertionPoint(alloc->getBlock()->getTerminator());
    memref::DeallocOp::create(builder, alloc.getLoc(), alloc);
  }
}

static void buildLLVM(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  // Not every machine can round to bf16, nor has every C library a function.
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  ConvertFuncToLLVMPassOptions options;
  options.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(options));
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createCanonicalizerPass());
}

//===----------------------------------------------------------------------===//
// Machine code
//===----------------------------------------------------------------------===//

static LogicalResult lower(ModuleOp module) {
  PassManager bufferization(module.getContext());
  buildBufferization(bufferization);
  if (failed(decompose(module)) || failed(bufferization.run(module)))
    return failure();
  finishBuffers(module);
  PassManager toLLVM(module.getContext());
  buildLLVM(toLLVM);
  return toLLVM.run(module);
}

static std::string print(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os);
  return text;
}

/// Parses the kernels into a context of their own, whose passes disturb
/// nobody else's, and lowers them.
static llvm::Expected<OwningOpRef<ModuleOp>> lowerCopy(ModuleOp source,
                                                       MLIRContext &context) {
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    message += diagnostic.str() + "; ";
  });
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(print(source), &context);
  if (!module || failed(lower(*module)))
    return llvm::createStringError(
        "cannot compile the preparation of weights: " + message);
  return module;
}

static void registerTranslation(DialectRegistry &registry) {
  registerModDialects(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> getHost() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  builder->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  return builder->createTargetMachine();
}

llvm::Expected<WeightKernels> WeightKernels::compile(ModuleOp source) {
  DialectRegistry registry;
  registerTranslation(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  auto module = lowerCopy(source, context);
  if (!module)
    return module.takeError();
  auto machine = getHost();
  if (!machine)
    return machine.takeError();
  ExecutionEngineOptions options;
  auto optimize = makeOptimizingTransformer(/*optLevel=*/2, /*sizeLevel=*/0,
                                            machine->get());
  options.transformer = optimize;
  options.jitCodeGenOptLevel = llvm::CodeGenOptLevel::Default;
  options.enableGDBNotificationListener = false;
  options.enablePerfNotificationListener = false;
  auto engine = ExecutionEngine::create(**module, options, std::move(*machine));
  if (!engine)
    return engine.takeError();
  WeightKernels kernels;
  kernels.engine = std::move(*engine);
  return kernels;
}

llvm::Error WeightKernels::run(unsigned ordinal,
                               ArrayRef<void *> pointers) const {
  auto function = engine->lookupPacked(getKernelName(ordinal));
  if (!function)
    return function.takeError();
  // A packed function takes the addresses of its arguments.
  SmallVector<void *> values(pointers);
  SmallVector<void *> arguments;
  for (void *&value : values)
    arguments.push_back(&value);
  (*function)(arguments.data());
  return llvm::Error::success();
}
