//===- Model.cpp - The function that is a model -----------------*- C++ -*-===//
//
// What a module must hold to be a model, and where its parts are.
//
//===----------------------------------------------------------------------===//

#include "passes/Model.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::mod;

static bool isModelType(FunctionType type) {
  if (type.getNumInputs() != 1 || type.getNumResults() != 1)
    return false;
  auto tokens = dyn_cast<RankedTensorType>(type.getInput(0));
  auto logits = dyn_cast<RankedTensorType>(type.getResult(0));
  return tokens && tokens.getRank() == 2 &&
         tokens.getElementType().isInteger(32) && logits &&
         logits.getRank() == 3 && logits.getElementType().isF32() &&
         !logits.isDynamicDim(2);
}

FailureOr<func::FuncOp> mod::getForward(ModuleOp module) {
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  if (!forward)
    return module.emitError("has no function @forward, the model");
  if (!isModelType(forward.getFunctionType()))
    return forward.emitOpError(
               "must be of the form (tensor<?x?xi32>) -> tensor<?x?xVxf32>, "
               "from tokens to logits, but is ")
           << forward.getFunctionType();
  if (!forward.getBody().hasOneBlock())
    return forward.emitOpError("must have a body of one block");
  return forward;
}

std::optional<int64_t> mod::getContext(ModuleOp module) {
  auto context = module->getAttrOfType<IntegerAttr>("mod.context");
  if (auto model = module->getAttrOfType<DictionaryAttr>("mod.model"))
    if (auto named = model.getAs<IntegerAttr>("context"))
      context = named;
  if (!context)
    return std::nullopt;
  return context.getInt();
}

SmallVector<RoutedOp> mod::getRoutedOps(func::FuncOp func) {
  SmallVector<RoutedOp> ops;
  func.walk<WalkOrder::PreOrder>([&](RoutedOp op) { ops.push_back(op); });
  return ops;
}

bool mod::isOfBlock(Value value) {
  Operation *parent = value.getParentRegion()->getParentOp();
  return isa<RoutedOp>(parent) || parent->getParentOfType<RoutedOp>();
}

SetVector<KeysAndValues> mod::getKeysAndValues(func::FuncOp func) {
  SetVector<KeysAndValues> rows;
  func.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<RoutedOp>(op))
      op->walk([&](AttentionOp inner) {
        if (!isOfBlock(inner.getKey()))
          rows.insert({inner.getKey(), inner.getValue()});
      });
    if (auto attention = dyn_cast<AttentionOp>(op))
      rows.insert({attention.getKey(), attention.getValue()});
  });
  return rows;
}

Value mod::getReturned(func::FuncOp func) {
  return func.getBody().front().getTerminator()->getOperand(0);
}

LinearOp mod::getHead(func::FuncOp forward) {
  Operation *op = getReturned(forward).getDefiningOp();
  while (op && !isa<LinearOp>(op)) {
    Value input;
    for (Value operand : op->getOperands())
      if (!input && isa<RankedTensorType>(operand.getType()))
        input = operand;
    bool elementwise =
        OpTrait::hasElementwiseMappableTraits(op) || isa<linalg::LinalgOp>(op);
    op = elementwise && input ? input.getDefiningOp() : nullptr;
  }
  return cast_if_present<LinearOp>(op);
}

void mod::eraseDeadOps(func::FuncOp func) {
  IRRewriter rewriter(func.getContext());
  (void)runRegionDCE(rewriter, func->getRegions());
}
