//===- LowerCaches.cpp - State as views of memory ---------------*- C++ -*-===//
//
// Replaces the handles of state that outlives a run by views of the session's
// memory, and tells the budget what that takes.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/state/State.h"
#include "dialect/Programs.h"
#include "passes/Budget.h"

namespace mlir::mod {
#define GEN_PASS_DEF_LOWERCACHESPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct LowerCachesPass : mod::impl::LowerCachesPassBase<LowerCachesPass> {
  using LowerCachesPassBase::LowerCachesPassBase;
  void runOnOperation() override;
};
} // namespace

/// Tells the budget what the caches of each block really take. Those of a
/// routed block follow each other; the others are those of `blocks[0]`.
static void updateBudget(ModuleOp module) {
  auto attr = module->getAttrOfType<DictionaryAttr>(kBudgetAttr);
  FailureOr<Budget> budget =
      attr ? Budget::fromAttribute(attr) : FailureOr<Budget>();
  SmallVector<int64_t> bytes;
  for (Attribute cache : module->getAttrOfType<ArrayAttr>("mod.caches"))
    bytes.push_back(
        cast<DictionaryAttr>(cache).getAs<IntegerAttr>("row_bytes").getInt());
  if (failed(budget) || bytes.empty())
    return;
  Budget::Block &unrouted = budget->blocks.front();
  unrouted.cacheRowBytes = llvm::sum_of(bytes);
  for (Budget::Block &block : llvm::drop_begin(budget->blocks)) {
    auto own = ArrayRef(bytes).slice(block.firstCache, block.numCaches);
    block.cacheRowBytes = llvm::sum_of(own);
    unrouted.cacheRowBytes -= block.cacheRowBytes;
  }
  module->setAttr(kBudgetAttr, budget->toAttribute(module.getContext()));
}

void LowerCachesPass::runOnOperation() {
  ModuleOp module = getOperation();
  if (!CpuTarget::isSupported(vectorBits)) {
    module.emitError("no vectors have ")
        << vectorBits.getValue() << " bits; expected 128, 256 or 512";
    return signalPassFailure();
  }
  CacheForm form;
  if (!rows)
    form.target = CpuTarget::get(vectorBits);
  Builder builder(&getContext());
  int64_t bytes = 0;
  module->setAttr("mod.caches", builder.getArrayAttr({}));
  for (func::FuncOp program : getPrograms(module)) {
    SessionMemory memory = lowerSessionState(program, form);
    bytes = std::max(bytes, memory.bytes);
    if (!memory.caches.empty())
      module->setAttr("mod.caches", memory.caches);
    lowerTemporaryCaches(program, form);
    lowerTrace(program);
  }
  module->setAttr("mod.caches_bytes", builder.getI64IntegerAttr(bytes));
  updateBudget(module);
}
