//===- BindWeights.cpp - Weights become memory ------------------*- C++ -*-===//
//
// Replaces loads of prepared globals by views of one block of memory.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/weights/PreparedWeights.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"

namespace mlir::mod {
#define GEN_PASS_DEF_BINDWEIGHTSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;
using ml_program::GlobalLoadConstOp;
using ml_program::GlobalOp;

namespace {
struct BindWeightsPass : mod::impl::BindWeightsPassBase<BindWeightsPass> {
  using BindWeightsPassBase::BindWeightsPassBase;

  void runOnOperation() override;

private:
  LogicalResult bind(func::FuncOp program, int64_t bytes);
};
} // namespace

/// A tensor over the weights' memory that nothing may write to.
static Value makeView(OpBuilder &builder, Location loc, Value weights,
                      RankedTensorType type, int64_t offset) {
  auto viewType = MemRefType::get(type.getShape(), type.getElementType());
  Value shift = arith::ConstantIndexOp::create(builder, loc, offset);
  Value view = memref::ViewOp::create(builder, loc, viewType, weights, shift,
                                      /*sizes=*/ValueRange());
  return bufferization::ToTensorOp::create(builder, loc, type, view,
                                           /*restrict=*/true,
                                           /*writable=*/false);
}

void BindWeightsPass::runOnOperation() {
  ModuleOp module = getOperation();
  func::FuncOp prepareWeights = getPrepareWeights(module);
  if (!prepareWeights) {
    module.emitError() << "expected @" << kPrepareWeights
                       << "; weights have not been hoisted";
    return signalPassFailure();
  }
  int64_t bytes = getWeightsDataBytes(prepareWeights);
  for (func::FuncOp program : getPrograms(module))
    if (failed(bind(program, bytes)))
      return signalPassFailure();
  prepareWeights.erase();
  for (GlobalOp global : llvm::make_early_inc_range(module.getOps<GlobalOp>()))
    if (!global.getIsMutable())
      global.erase();
}

LogicalResult BindWeightsPass::bind(func::FuncOp program, int64_t bytes) {
  OpBuilder builder(&getContext());
  Value weights = addArgument(
      program, MemRefType::get({bytes}, builder.getI8Type()), role::kWeights);
  SymbolTable symbols(getOperation());
  // One view per weight: two tensors over the same memory would alias.
  llvm::DenseMap<Attribute, Value> views;
  WalkResult result = program.walk([&](GlobalLoadConstOp load) {
    auto global =
        symbols.lookup<GlobalOp>(load.getGlobalAttr().getLeafReference());
    auto offset = global->getAttrOfType<IntegerAttr>(kOffsetAttr);
    if (!offset) {
      load.emitError() << load.getGlobal() << " is not a prepared weight";
      return WalkResult::interrupt();
    }
    Value &view = views[load.getGlobalAttr()];
    if (!view) {
      builder.setInsertionPointToStart(&program.getBody().front());
      view = makeView(builder, load.getLoc(), weights,
                      cast<RankedTensorType>(load.getType()), offset.getInt());
    }
    load.replaceAllUsesWith(view);
    load.erase();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
