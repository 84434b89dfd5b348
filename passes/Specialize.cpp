//===- Specialize.cpp - Fix batch, context and capacity ---------*- C++ -*-===//
//
// Gives the model static shapes and states its budget.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/Remarks.h"
#include "passes/Budget.h"
#include "passes/Model.h"
#include "passes/Passes.h"
#include "passes/ShapeCloner.h"

namespace mlir::mod {
#define GEN_PASS_DEF_SPECIALIZEPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
/// Clones a model with static shapes; routed blocks get their capacity.
struct Specializer : ShapeCloner {
  using ShapeCloner::ShapeCloner;

  int64_t getRoutedTokens(RoutedOp routed) override {
    Value x = mapping.lookupOrDefault(routed.getX());
    int64_t tokens = cast<RankedTensorType>(x.getType()).getDimSize(1);
    return getCapacityCount(routed.getCapacity(), tokens);
  }

  int64_t getExpertTokens(ExpertsOp experts) override {
    Value x = mapping.lookupOrDefault(experts.getX());
    int64_t tokens = cast<RankedTensorType>(x.getType()).getDimSize(1);
    return experts.getCapacity()
               ? getCapacityCount(*experts.getCapacity(), tokens)
               : tokens;
  }
};

struct SpecializePass : mod::impl::SpecializePassBase<SpecializePass> {
  using Base::Base;
  void runOnOperation() override;

private:
  LogicalResult findContext();
  LogicalResult stateVocabulary(func::FuncOp forward);
  LogicalResult overrideCapacity(func::FuncOp forward);
  LogicalResult specialize(func::FuncOp forward);
  void report(func::FuncOp forward, const Budget &budget);
};
} // namespace

/// A capacity as an option says it: `0.125` is a ratio, `256` a count.
static Attribute parseCapacity(StringRef text, Builder &builder) {
  int64_t count;
  double ratio;
  if (!text.getAsInteger(10, count))
    return count >= 1 ? builder.getI64IntegerAttr(count) : Attribute();
  if (!text.getAsDouble(ratio) && ratio > 0 && ratio <= 1)
    return builder.getF64FloatAttr(ratio);
  return {};
}

LogicalResult SpecializePass::findContext() {
  ModuleOp module = getOperation();
  std::optional<int64_t> most = mod::getContext(module);
  if (context == 0) {
    if (!most)
      return module.emitError("has no context: expected mod.model = {context = "
                              "N} or the option context");
    context = *most;
  }
  if (context < 1)
    return module.emitError("context must be at least 1, not ")
           << int64_t(context);
  if (most && context > *most)
    return module.emitError("context of ")
           << int64_t(context) << " exceeds the model's context of " << *most;
  if (batch < 1)
    return module.emitError("batch must be at least 1, not ") << int64_t(batch);
  return success();
}

/// Any token of the vocabulary must be in the tables.
static LogicalResult checkTables(func::FuncOp forward, int64_t vocab) {
  WalkResult walk = forward.walk([&](EmbeddingOp op) {
    int64_t rows = cast<ShapedType>(op.getTable().getType()).getDimSize(0);
    if (rows >= vocab)
      return WalkResult::advance();
    op.emitOpError("has a table of ")
        << rows << " tokens, but the model has logits for " << vocab;
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

/// What the compiled model knows of its vocabulary follows from its logits.
LogicalResult SpecializePass::stateVocabulary(func::FuncOp forward) {
  ModuleOp module = getOperation();
  Builder builder(module);
  auto logits = cast<RankedTensorType>(forward.getResultTypes().front());
  int64_t width = logits.getDimSize(2);
  Attribute vocab = builder.getI64IntegerAttr(width);
  NamedAttrList model(module->getAttrOfType<DictionaryAttr>("mod.model"));
  Attribute stated = model.get("vocab");
  if (stated && stated != vocab)
    return module.emitError("has a vocabulary of ")
           << stated << ", but logits of type " << logits;
  model.set("vocab", vocab);
  module->setAttr("mod.model", model.getDictionary(&getContext()));
  return checkTables(forward, width);
}

/// Sets the capacity that was asked for and checks it against the context.
LogicalResult SpecializePass::overrideCapacity(func::FuncOp forward) {
  Builder builder(&getContext());
  Attribute asked;
  if (!capacity.empty() && capacity != "0") {
    asked = parseCapacity(capacity, builder);
    if (!asked)
      return forward.emitOpError("capacity '")
             << capacity.getValue()
             << "' is neither a ratio in (0, 1] nor a count of at least 1";
  }
  for (RoutedOp routed : getRoutedOps(forward)) {
    if (asked)
      routed.setCapacityAttr(asked);
    if (routed->getParentOfType<RoutedOp>())
      return routed.emitOpError("inside another routed block is not supported");
    auto count = dyn_cast<IntegerAttr>(routed.getCapacity());
    if (count && count.getInt() > context)
      return routed.emitOpError("capacity of ")
             << count.getInt() << " tokens exceeds the context of "
             << int64_t(context);
  }
  return success();
}

static LogicalResult checkStatic(func::FuncOp forward) {
  WalkResult walk = forward.walk([](Operation *op) {
    for (Type type : op->getResultTypes())
      if (auto shaped = dyn_cast<ShapedType>(type);
          shaped && !shaped.hasStaticShape()) {
        op->emitOpError("has a result of unknown shape ") << type;
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult SpecializePass::specialize(func::FuncOp forward) {
  Block &before = forward.getBody().front();
  OpBuilder builder(&getContext());
  auto tokens = RankedTensorType::get({batch, context}, builder.getI32Type());
  Block *after = builder.createBlock(&forward.getBody(), {}, {tokens},
                                     {before.getArgument(0).getLoc()});
  Specializer specializer(builder);
  specializer.mapping.map(before.getArgument(0), after->getArgument(0));
  LogicalResult result = specializer.cloneBlock(before);
  if (failed(result)) {
    after->erase();
    return failure();
  }
  before.erase();
  forward.setFunctionType(builder.getFunctionType(
      after->getArgumentTypes(), getReturned(forward).getType()));
  eraseDeadOps(forward);
  return checkStatic(forward);
}

void SpecializePass::report(func::FuncOp forward, const Budget &budget) {
  SmallVector<RoutedOp> routedOps = getRoutedOps(forward);
  double total = budget.getForward().flops;
  for (auto [routed, block] :
       llvm::zip_equal(routedOps, ArrayRef(budget.blocks).drop_front())) {
    double share = budget.getForwardFlops(block) / total;
    remark::analysis(routed.getLoc(), remark::RemarkOpts::name("RoutedBlock")
                                          .category("mod-specialize")
                                          .function(forward.getName()))
        << remark::metric("layer", block.layer)
        << remark::metric("tokens", block.capacity)
        << remark::metric("of", budget.context)
        << remark::metric("flops_share", llvm::formatv("{0:P}", share).str());
  }
}

void SpecializePass::runOnOperation() {
  ModuleOp module = getOperation();
  FailureOr<func::FuncOp> forward = getForward(module);
  if (failed(forward) || failed(findContext()) ||
      failed(stateVocabulary(*forward)) || failed(overrideCapacity(*forward)) ||
      failed(specialize(*forward)))
    return signalPassFailure();
  FailureOr<Budget> budget = Budget::compute(module, dtype);
  if (failed(budget))
    return signalPassFailure();
  module->setAttr(kBudgetAttr, budget->toAttribute(&getContext()));
  report(*forward, *budget);
}
