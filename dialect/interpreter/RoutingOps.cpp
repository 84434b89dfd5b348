//===- RoutingOps.cpp - The meaning of routing ------------------*- C++ -*-===//
//
// The equations of the ops' descriptions as loops: who takes part in a block,
// and what becomes of it.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "dialect/Programs.h"
#include "dialect/interpreter/Evaluator.h"
#include "dialect/interpreter/Rows.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace mlir::mod;

static LogicalResult evaluateOp(Evaluator &evaluator, RouterOp op) {
  const InterpreterValue &x = evaluator.get(op.getX());
  const InterpreterValue &weight = evaluator.get(op.getWeight());
  InterpreterValue result({x.shape[0], x.shape[1]});
  for (int64_t i = 0; i < x.getNumRows(); ++i) {
    float score = multiplyRows(x.getRow(i), weight.getRow(0), x.shape[2]);
    if (op.getBias())
      score += float(evaluator.get(op.getBias()).data[0]);
    result.data[i] = score;
  }
  evaluator.set(op.getResult(), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, PredictorOp op) {
  const InterpreterValue &x = evaluator.get(op.getX());
  const InterpreterValue &down = evaluator.get(op.getDownWeight());
  const InterpreterValue &downBias = evaluator.get(op.getDownBias());
  const InterpreterValue &up = evaluator.get(op.getUpWeight());
  InterpreterValue result({x.shape[0], x.shape[1]});
  std::vector<double> hidden(down.shape[0]);
  for (int64_t i = 0; i < x.getNumRows(); ++i) {
    for (size_t h = 0; h < hidden.size(); ++h) {
      float y = multiplyRows(x.getRow(i), down.getRow(h), x.shape[2]) +
                float(downBias.data[h]);
      hidden[h] = y / (1.0f + std::exp(-y));
    }
    result.data[i] = multiplyRows(hidden.data(), up.getRow(0), hidden.size()) +
                     float(evaluator.get(op.getUpBias()).data[0]);
  }
  evaluator.set(op.getResult(), result);
  return success();
}

/// Marks the tokens that are among the k largest, most of all the first.
static void markLargest(ArrayRef<double> scores, const SelectionRule &rule,
                        std::vector<bool> &isSelected) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](int64_t a, int64_t b) {
    return std::pair(-scores[a], a) < std::pair(-scores[b], b);
  });
  int64_t forced = 0, others = order.size();
  if (rule.forced) {
    forced = llvm::count(scores, INFINITY);
    others -= forced + llvm::count(scores, -INFINITY);
  }
  int64_t k = forced;
  if (others > 0)
    k += std::min(getCapacityCount(rule.capacity, others), others);
  for (int64_t i = 0; i < k; ++i)
    isSelected[order[i]] = true;
  if (rule.ties == Ties::first || k == 0)
    return;
  bool areTiesIn = rule.ties == Ties::all || k == 1;
  for (auto [i, score] : llvm::enumerate(scores))
    if (score == scores[order[k - 1]])
      isSelected[i] = areTiesIn;
}

std::vector<bool> mod::markSelected(ArrayRef<double> scores,
                                    const SelectionRule &rule) {
  std::vector<bool> isSelected(scores.size(), !rule.capacity);
  if (rule.capacity)
    markLargest(scores, rule, isSelected);
  if (rule.threshold)
    for (auto [i, score] : llvm::enumerate(scores))
      if (!rule.threshold.isPassedBy(score))
        isSelected[i] = false;
  return isSelected;
}

std::vector<double> mod::getMarked(const std::vector<bool> &marks, bool value) {
  std::vector<double> indices;
  for (auto [i, mark] : llvm::enumerate(marks))
    if (mark == value)
      indices.push_back(i);
  return indices;
}

static LogicalResult evaluateOp(Evaluator &evaluator, SelectOp op) {
  SelectionRule rule{op.getCapacityAttr(), op.getTies(), op.getForced(),
                     op.getThresholdAttr()};
  std::vector<double> indices = getMarked(
      markSelected(evaluator.get(op.getScores()).data, rule), !op.getRest());
  evaluator.set(op.getCount(), double(indices.size()));
  if (int64_t(indices.size()) > op.getMaxCount())
    return op.emitError("selects ")
           << indices.size() << " tokens, but has room for "
           << op.getMaxCount();
  InterpreterValue result({1, op.getMaxCount()});
  llvm::copy(indices, result.data.begin());
  evaluator.set(op.getIndices(), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, GatherOp op) {
  evaluator.set(op.getResult(), gatherRows(evaluator.get(op.getX()),
                                           evaluator.get(op.getIndices())));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, ScatterOp op) {
  InterpreterValue result = evaluator.get(op.getX());
  scatterRows(result, evaluator.get(op.getUpdate()),
              {getRowIndices(evaluator, op.getIndices(), result),
               &evaluator.get(op.getScores()), op.getGate(), !op.getReplace()});
  evaluator.set(op.getResult(), result);
  return success();
}

/// The tokens that one sequence of a routed block selects.
static std::vector<bool> selectRouted(Evaluator &evaluator, RoutedOp op,
                                      int64_t sequence) {
  bool isCausal = op.getSelection() == Selection::causal;
  bool isPredicted = isCausal && op.getCausal() == Causal::predictor;
  Value values = isPredicted ? op.getLogits() : op.getScores();
  const InterpreterValue &tested = evaluator.get(values);
  ArrayRef<double> row(tested.getRow(sequence), tested.shape[1]);
  SelectionRule rule;
  if (!isCausal)
    rule = {op.getCapacity(), op.getTies(), op.getForced(), {}};
  if (op.getSelection() == Selection::token_choice ||
      (isCausal && op.getCausal() != Causal::always))
    rule.threshold = op.getCausalThreshold();
  return markSelected(row, rule);
}

/// The indices of the selected tokens of each sequence, or of the others.
static FailureOr<InterpreterValue> getRouted(Evaluator &evaluator, RoutedOp op,
                                             bool selected) {
  int64_t batch = evaluator.get(op.getX()).shape[0];
  InterpreterValue indices;
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<double> row =
        getMarked(selectRouted(evaluator, op, b), selected);
    if (b && indices.shape[1] != int64_t(row.size()))
      return op.emitError("sequences select different numbers of tokens");
    indices.shape = {batch, int64_t(row.size())};
    llvm::append_range(indices.data, row);
  }
  return indices;
}

static uint32_t mix(uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352d;
  x = (x ^ x >> 15) * 0x846ca68b;
  return x ^ x >> 16;
}

static LogicalResult evaluateOp(Evaluator &evaluator, NoiseOp op) {
  InterpreterValue result = evaluator.get(op.getPositions());
  for (double &value : result.data) {
    uint32_t base = mix(uint32_t(value) + mix(op.getSeed()));
    int64_t sum = -393210;
    for (uint32_t j = 0; j < 6; ++j)
      sum += (mix(base + j) & 0xffff) + (mix(base + j) >> 16);
    value = double(sum) / 65536;
  }
  evaluator.set(op.getResult(), result);
  return success();
}

/// The shares of the tokens that the indices name, 0 for the others.
static InterpreterValue softmax(const InterpreterValue &scores,
                                const InterpreterValue &indices) {
  InterpreterValue result(scores.shape);
  for (int64_t b = 0; b < scores.shape[0]; ++b) {
    ArrayRef<double> among(indices.getRow(b), indices.shape[1]);
    const double *row = scores.getRow(b);
    float largest = -INFINITY, sum = 0;
    for (double i : among)
      largest = std::max(largest, float(row[int64_t(i)]));
    for (double i : among)
      sum += std::exp(float(row[int64_t(i)]) - largest);
    for (double i : among)
      result.getRow(b)[int64_t(i)] =
          std::exp(float(row[int64_t(i)]) - largest) / sum;
  }
  return result;
}

static LogicalResult evaluateOp(Evaluator &evaluator, SoftmaxOp op) {
  const InterpreterValue &scores = evaluator.get(op.getScores());
  evaluator.set(op.getResult(),
                softmax(scores, op.getIndices() ? evaluator.get(op.getIndices())
                                                : getAllIndices(scores)));
  return success();
}

/// What the gate of a routed block turns into weights.
static InterpreterValue getGateScores(Evaluator &evaluator, RoutedOp op,
                                      const InterpreterValue &indices) {
  const InterpreterValue &scores = evaluator.get(op.getGatedBy());
  if (!op.getGate().isSoftmax())
    return scores;
  bool isAmongSelected = op.getGate().getKind() == GateKind::softmax_topk;
  return softmax(scores, isAmongSelected ? indices : getAllIndices(scores));
}

/// What a region makes of the tokens of `x` that the indices name.
static FailureOr<InterpreterValue> runRegion(Evaluator &evaluator, RoutedOp op,
                                             Region &region,
                                             const InterpreterValue &indices) {
  InterpreterValue positions = indices;
  for (double &position : positions.data)
    position += evaluator.getStart();
  SmallVector<InterpreterValue> arguments = {
      gatherRows(evaluator.get(op.getX()), indices), positions,
      gatherRows(evaluator.get(op.getGatedBy()), indices)};
  arguments.resize(region.getNumArguments());
  auto results = evaluator.run(region.front(), arguments);
  if (failed(results))
    return failure();
  return results->front();
}

/// 0 for the tokens that the indices name, -inf for the others.
static void mark(InterpreterValue &members, const InterpreterValue &indices) {
  llvm::fill(members.data, -INFINITY);
  for (int64_t b = 0; b < indices.shape[0]; ++b)
    for (double i : ArrayRef(indices.getRow(b), indices.shape[1]))
      members.getRow(b)[int64_t(i)] = 0;
}

static LogicalResult evaluateOp(Evaluator &evaluator, MembersOp op) {
  InterpreterValue members = evaluator.get(op.getInto());
  mark(members, evaluator.get(op.getIndices()));
  evaluator.set(op.getResult(), members);
  return success();
}

static double pool(Pooling pooling, ArrayRef<double> scores) {
  switch (pooling) {
  case Pooling::first:
    return scores.front();
  case Pooling::last:
    return scores.back();
  case Pooling::mean:
    break;
  }
  float sum = 0;
  for (double score : scores)
    sum += float(score);
  return sum / float(scores.size());
}

static LogicalResult evaluateOp(Evaluator &evaluator, PoolOp op) {
  InterpreterValue result = evaluator.get(op.getScores());
  int64_t tokens = result.shape[1];
  for (int64_t b = 0; b < result.shape[0]; ++b) {
    double *row = result.getRow(b);
    std::fill_n(row, tokens, pool(op.getPooling(), ArrayRef(row, tokens)));
  }
  evaluator.set(op.getResult(), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, RoutedOp op) {
  InterpreterValue x = evaluator.get(op.getX());
  auto indices = getRouted(evaluator, op, /*selected=*/true);
  if (failed(indices))
    return failure();
  auto update = runRegion(evaluator, op, op.getBody(), *indices);
  if (failed(update))
    return failure();
  if (op.getMembers()) {
    InterpreterValue members = evaluator.get(op.getScores());
    mark(members, *indices);
    evaluator.set(op.getMembers(), members);
  }
  InterpreterValue scores = getGateScores(evaluator, op, *indices);
  scatterRows(x, *update, {*indices, &scores, op.getGate(), !op.getReplace()});
  if (!op.getBypass().empty()) {
    auto others = getRouted(evaluator, op, /*selected=*/false);
    auto skipped = runRegion(evaluator, op, op.getBypass(), *others);
    if (failed(skipped))
      return failure();
    scatterRows(x, *skipped, {*others, nullptr, GateAttr(), !op.getReplace()});
  }
  evaluator.set(op.getResult(), x);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, TraceRoutingOp op) {
  const InterpreterValue &trace = evaluator.get(op.getTrace());
  if (!trace.trace)
    return success();
  const InterpreterValue &scores = evaluator.get(op.getScores());
  const InterpreterValue &tested = evaluator.get(op.getTested());
  TraceType type = op.getTrace().getType();
  auto getNumber = [&](Value values, int64_t token) {
    return values ? int64_t(evaluator.get(values).data[token]) : 0;
  };
  auto at = [&](TraceRow row, int64_t token) -> double & {
    int64_t layer = getNumber(op.getSequences(), token) * type.getLayers() +
                    int64_t(op.getOrdinal());
    int64_t position = op.getSequences() ? getNumber(op.getStart(), token)
                                         : getNumber(op.getStart(), 0) + token;
    return (
        *trace.trace)[(layer * kTraceRows + int64_t(row)) * type.getLength() +
                      position];
  };
  for (auto [i, score, test] : llvm::enumerate(scores.data, tested.data)) {
    bool passes =
        op.getThreshold() ? op.getThreshold()->isPassedBy(test) : test > 0;
    at(TraceRow::score, i) = score;
    at(TraceRow::tested, i) = test;
    at(TraceRow::chosen, i) = passes;
    at(TraceRow::tookPart, i) = !op.getSelected() && passes;
  }
  if (op.getSelected())
    for (double index : evaluator.get(op.getSelected()).data)
      at(TraceRow::tookPart, int64_t(index)) = 1;
  return success();
}

std::optional<LogicalResult> mod::evaluateRoutingOp(Evaluator &evaluator,
                                                    Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<LogicalResult>>(op)
      .Case<RouterOp, PredictorOp, NoiseOp, RoutedOp, SelectOp, GatherOp,
            ScatterOp, SoftmaxOp, MembersOp, PoolOp, TraceRoutingOp>(
          [&](auto op) { return evaluateOp(evaluator, op); })
      .Default(std::nullopt);
}
