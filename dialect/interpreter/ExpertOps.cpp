//===- ExpertOps.cpp - The meaning of mixtures of experts -------*- C++ -*-===//
//
// Shares of tokens, and the experts that take them, sequence by sequence.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "dialect/interpreter/Evaluator.h"
#include "dialect/interpreter/Rows.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// The shares of one token, in the order of the choices.
static std::vector<float> getShares(ArrayRef<double> logits, Attribute top,
                                    GateAttr gate) {
  SelectionRule rule;
  rule.capacity = top;
  std::vector<bool> isChosen = markSelected(logits, rule);
  bool isAmongTop = gate.getKind() == GateKind::softmax_topk;
  float largest = *llvm::max_element(logits), sum = 0;
  std::vector<float> shares(logits.size(), 1.0f);
  for (auto [e, logit] : llvm::enumerate(logits)) {
    if (gate.getKind() == GateKind::sigmoid)
      shares[e] = 1 / (1 + std::exp(-float(logit)));
    else if (gate.isSoftmax())
      shares[e] = std::exp(float(logit) - largest);
    if (isChosen[e] || !isAmongTop)
      sum += shares[e];
  }
  for (auto [e, share] : llvm::enumerate(shares))
    share = isChosen[e] ? share / (gate.isSoftmax() ? sum : 1.0f) *
                              float(gate.getScaleValue())
                        : 0.0f;
  return shares;
}

/// The shares `[experts, batch, tokens]`.
static InterpreterValue getShares(const InterpreterValue &logits, Attribute top,
                                  GateAttr gate) {
  int64_t tokens = logits.getNumRows(), choices = logits.shape[2];
  InterpreterValue result({choices, logits.shape[0], logits.shape[1]});
  for (int64_t i = 0; i < tokens; ++i)
    for (auto [e, share] : llvm::enumerate(
             getShares(ArrayRef(logits.getRow(i), choices), top, gate)))
      result.data[e * tokens + i] = share;
  return result;
}

static LogicalResult evaluateOp(Evaluator &evaluator, SharesOp op) {
  evaluator.set(op.getResult(), getShares(evaluator.get(op.getLogits()),
                                          op.getTopAttr(), op.getGate()));
  return success();
}

/// What makes a token an expert's, by its share.
static SelectionRule getRule(ExpertsOp op) {
  SelectionRule rule;
  rule.capacity = op.getCapacityAttr();
  rule.threshold = op.getPassed();
  return rule;
}

/// Adds what an expert makes of its tokens of one sequence.
static LogicalResult addExpert(Evaluator &evaluator, ExpertsOp op,
                               Region &expert, int64_t sequence,
                               const InterpreterValue &shares,
                               InterpreterValue &result) {
  const InterpreterValue &x = evaluator.get(op.getX());
  int64_t tokens = x.shape[1], width = x.shape[2];
  InterpreterValue own({1, tokens, width}), scores({1, tokens}), indices;
  std::copy_n(x.getRow(sequence * tokens), tokens * width, own.data.begin());
  std::copy_n(shares.getRow(expert.getRegionNumber() * x.shape[0] + sequence),
              tokens, scores.data.begin());
  indices.data = getMarked(markSelected(scores.data, getRule(op)), true);
  indices.shape = {1, int64_t(indices.data.size())};
  auto update = evaluator.run(expert.front(), gatherRows(own, indices));
  if (failed(update))
    return failure();
  std::copy_n(result.getRow(sequence * tokens), tokens * width,
              own.data.begin());
  scatterRows(own, update->front(),
              {indices, &scores, GateAttr::get(op.getContext(), GateKind::raw),
               /*isSum=*/true});
  llvm::copy(own.data, result.getRow(sequence * tokens));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, ExpertsOp op) {
  InterpreterValue shares =
      getShares(evaluator.get(op.getLogits()), op.getTopAttr(), op.getGate());
  InterpreterValue result(evaluator.get(op.getX()).shape);
  for (Region &expert : op.getExperts())
    for (int64_t sequence = 0; sequence < result.shape[0]; ++sequence)
      if (failed(addExpert(evaluator, op, expert, sequence, shares, result)))
        return failure();
  evaluator.set(op.getResult(), result);
  return success();
}

std::optional<LogicalResult> mod::evaluateExpertOp(Evaluator &evaluator,
                                                   Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<LogicalResult>>(op)
      .Case<SharesOp, ExpertsOp>(
          [&](auto op) { return evaluateOp(evaluator, op); })
      .Default(std::nullopt);
}
