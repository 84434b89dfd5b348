//===- ExpertVerifiers.cpp - The rules of mixtures of experts ---*- C++ -*-===//
//
// Who goes where must be said, and each region computes token by token.
//
//===----------------------------------------------------------------------===//

#include "dialect/Verifiers.h"

using namespace mlir;
using namespace mlir::mod;
using namespace mlir::mod::detail;

/// Checks that a share says by being positive that an expert takes a token.
static LogicalResult verifyShareGate(Operation *op, GateAttr gate,
                                     bool hasTop) {
  GateKind kind = gate.getKind();
  if (kind == GateKind::raw || kind == GateKind::tanh)
    return op->emitOpError("has shares that '")
           << stringifyGateKind(kind)
           << "' would make negative: expected softmax, softmax_topk, sigmoid "
              "or none";
  if (!(gate.getScaleValue() > 0) || gate.getBiasValue() != 0)
    return op->emitOpError(
        "needs a gate with a positive scale and without a bias");
  if (kind == GateKind::softmax_topk && !hasTop)
    return op->emitOpError("has a gate 'softmax_topk' without 'top'");
  return success();
}

static LogicalResult verifyTop(Operation *op, std::optional<uint64_t> top,
                               int64_t choices) {
  if (!top || int64_t(*top) <= choices)
    return success();
  return op->emitOpError("has the top ")
         << *top << " of " << choices << " choices";
}

LogicalResult SharesOp::verify() {
  int64_t choices = getDim(getLogits(), 2);
  if (failed(verifySameElements(*this, "logits", getLogits(),
                                Float32Type::get(getContext()))) ||
      failed(verifyTop(*this, getTop(), choices)) ||
      failed(verifyShareGate(*this, getGate(), bool(getTop()))))
    return failure();
  return verifyOutput(*this,
                      {choices, getDim(getLogits(), 0), getDim(getLogits(), 1)},
                      Float32Type::get(getContext()));
}

LogicalResult ExpertsOp::verify() {
  int64_t experts = getExperts().size(), choices = getNumChoices();
  if (ShapedType::isDynamic(choices) || experts > choices)
    return emitOpError("has ") << experts << " experts, but logits of type "
                               << getLogits().getType();
  if (experts == 0)
    return emitOpError("has no expert");
  if (!getTop() && !getThreshold())
    return emitOpError("does not say who goes where without the future: "
                       "expected 'top' or 'causal'");
  if (failed(verifySameTokens(*this, "logits", getLogits(), getX())) ||
      failed(verifyTop(*this, getTop(), choices)) ||
      (getCapacity() && failed(verifyCapacity(*this, *getCapacity()))))
    return failure();
  return verifyShareGate(*this, getGate(), bool(getTop()));
}

/// Checks the argument and the end of a region.
static LogicalResult verifyExpert(ExpertsOp op, Region &expert) {
  Block &block = expert.front();
  auto x = cast<RankedTensorType>(op.getX().getType());
  auto tokens = block.getNumArguments() == 1
                    ? dyn_cast<RankedTensorType>(block.getArgument(0).getType())
                    : RankedTensorType();
  if (!tokens || tokens.getRank() != 3 ||
      tokens.getElementType() != x.getElementType() ||
      !compatible(tokens.getDimSize(0), x.getDimSize(0)) ||
      tokens.getDimSize(2) != x.getDimSize(2))
    return op.emitOpError("region #")
           << expert.getRegionNumber() << " must take rows of " << x;
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield)
    return op.emitOpError("region #")
           << expert.getRegionNumber() << " must end with 'mod.yield'";
  if (yield.getUpdate().getType() != tokens)
    return yield.emitOpError("gives ")
           << yield.getUpdate().getType() << ", expected " << tokens;
  return success();
}

LogicalResult ExpertsOp::verifyRegions() {
  for (Region &expert : getExperts())
    if (failed(verifyExpert(*this, expert)))
      return failure();
  WalkResult walk = (*this)->walk([](Operation *op) {
    if (!isa<AttentionOp, RoutedOp>(op))
      return WalkResult::advance();
    op->emitOpError("in an expert, which has each token by itself");
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}
