//===- CompileKernels.cpp - Kernels as PTX ----------------------*- C++ -*-===//
//
// Translates the module of kernels, optimises it and writes it for each chip.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Passes.h"
#include "codegen/nvptx/Ptx.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

namespace mlir::mod {
#define GEN_PASS_DEF_COMPILEKERNELSPASS
#include "codegen/nvptx/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct CompileKernelsPass
    : mod::impl::CompileKernelsPassBase<CompileKernelsPass> {
  using CompileKernelsPassBase::CompileKernelsPassBase;
  void runOnOperation() override;
  LogicalResult compile(gpu::GPUModuleOp kernels);
};
} // namespace

/// A table of the kernels, in the order in which launches count them.
static ArrayAttr describeKernels(gpu::GPUModuleOp kernels) {
  Builder builder(kernels.getContext());
  SmallVector<Attribute> table;
  for (auto kernel : kernels.getOps<LLVM::LLVMFuncOp>()) {
    auto block = kernel->getAttrOfType<DenseI32ArrayAttr>("nvvm.reqntid");
    if (!block)
      block = kernel->getAttrOfType<DenseI32ArrayAttr>("nvvm.maxntid");
    if (!block)
      continue;
    table.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr("name", kernel.getSymNameAttr()),
         builder.getNamedAttr("threads",
                              builder.getI64IntegerAttr(block[0]))}));
  }
  return builder.getArrayAttr(table);
}

static Attribute describeImage(Builder &builder, StringRef kind, StringRef chip,
                               StringRef data) {
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("chip", builder.getStringAttr(chip)),
       builder.getNamedAttr("data", builder.getStringAttr(data)),
       builder.getNamedAttr("kind", builder.getStringAttr(kind))});
}

/// The registers of each kernel on the first chip that was assembled for.
static DictionaryAttr describeRegisters(Builder &builder,
                                        ArrayRef<GpuImage> images) {
  SmallVector<NamedAttribute> registers;
  for (const GpuImage &image : images) {
    for (const auto &entry : image.registers)
      registers.push_back(builder.getNamedAttr(
          entry.getKey(), builder.getI64IntegerAttr(entry.getValue())));
    if (!registers.empty())
      break;
  }
  return builder.getDictionaryAttr(registers);
}

static void registerTranslations(MLIRContext &context) {
  registerBuiltinDialectTranslation(context);
  registerGPUDialectTranslation(context);
  registerLLVMDialectTranslation(context);
  registerNVVMDialectTranslation(context);
}

LogicalResult CompileKernelsPass::compile(gpu::GPUModuleOp kernels) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(kernels, context, kKernelModule);
  if (!code)
    return kernels.emitError("have no translation to LLVM IR");
  SmallVector<std::string> names(chips.begin(), chips.end());
  llvm::Expected<SmallVector<GpuImage>> images =
      compileKernels(*code, names, ptxas);
  if (!images)
    return kernels.emitError(llvm::toString(images.takeError()));
  Builder builder(&getContext());
  SmallVector<Attribute> table;
  for (const GpuImage &image : *images) {
    table.push_back(describeImage(builder, image.kind, image.chip, image.data));
    if (!image.warning.empty())
      kernels.emitWarning(image.warning);
  }
  getOperation()->setAttr(kImagesAttr, builder.getArrayAttr(table));
  DictionaryAttr registers = describeRegisters(builder, *images);
  if (!registers.empty())
    getOperation()->setAttr(kRegistersAttr, registers);
  return success();
}

void CompileKernelsPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernelModule);
  if (!kernels)
    return;
  registerTranslations(getContext());
  module->setAttr(kKernelsAttr, describeKernels(kernels));
  if (failed(compile(kernels)))
    return signalPassFailure();
}
