//===- LoadParams.cpp - Give the parameters their values --------*- C++ -*-===//
//
// Makes the external parameters of a module resources over a mapped checkpoint.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/weights/Checkpoint.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace mlir::mod {
#define GEN_PASS_DEF_LOADPARAMSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;
using ml_program::GlobalOp;

namespace {
struct LoadParamsPass : mod::impl::LoadParamsPassBase<LoadParamsPass> {
  using LoadParamsPassBase::LoadParamsPassBase;

  void runOnOperation() override;

private:
  LogicalResult load(GlobalOp global, const Checkpoint &checkpoint);
  LogicalResult checkSurplus(const Checkpoint &checkpoint);
};
} // namespace

static SmallVector<GlobalOp> getExternals(ModuleOp module) {
  auto isExternal = [](GlobalOp global) {
    return isa_and_present<ml_program::ExternAttr>(global.getValueAttr());
  };
  return llvm::filter_to_vector(module.getOps<GlobalOp>(), isExternal);
}

void LoadParamsPass::runOnOperation() {
  if (file.empty()) {
    getOperation().emitError() << "expected the option 'file'";
    return signalPassFailure();
  }
  llvm::Expected<Checkpoint> checkpoint = Checkpoint::open(file);
  if (!checkpoint) {
    getOperation().emitError() << llvm::toString(checkpoint.takeError());
    return signalPassFailure();
  }
  if (failed(checkSurplus(*checkpoint)))
    return signalPassFailure();
  for (GlobalOp global : getExternals(getOperation()))
    if (failed(load(global, *checkpoint)))
      return signalPassFailure();
}

/// The data as a resource that keeps the file mapped.
static DenseResourceElementsAttr makeResource(RankedTensorType type,
                                              Checkpoint::Entry entry) {
  auto unmap = [buffer = entry.file->getBuffer()](void *, size_t, size_t) {};
  size_t alignment = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  return DenseResourceElementsAttr::get(
      type, entry.tensor->name,
      UnmanagedAsmResourceBlob::allocateWithAlign(entry.tensor->data, alignment,
                                                  std::move(unmap)));
}

LogicalResult LoadParamsPass::load(GlobalOp global,
                                   const Checkpoint &checkpoint) {
  Checkpoint::Entry entry = checkpoint.find(global.getSymName());
  if (!entry.tensor)
    return global.emitError()
           << checkpoint.getPath() << ": no tensor '" << global.getSymName()
           << "', expected " << global.getType();
  llvm::Expected<RankedTensorType> type =
      getSafetensorsType(&getContext(), entry.file->getPath(), *entry.tensor);
  if (!type)
    return global.emitError() << llvm::toString(type.takeError());
  if (*type != global.getType())
    return global.emitError()
           << entry.file->getPath() << ": tensor '" << entry.tensor->name
           << "' is " << *type << ", expected " << global.getType();
  global.setValueAttr(makeResource(*type, entry));
  return success();
}

LogicalResult LoadParamsPass::checkSurplus(const Checkpoint &checkpoint) {
  SymbolTable symbols(getOperation());
  for (const auto &[tensor, file] : checkpoint.getEntries())
    if (!symbols.lookup<GlobalOp>(tensor->name))
      return getOperation().emitError()
             << file->getPath() << ": tensor '" << tensor->name << "' ("
             << describe(tensor->dtype, tensor->shape)
             << ") is no parameter of the model";
  return success();
}
