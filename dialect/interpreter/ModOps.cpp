//===- ModOps.cpp - The meaning of the mod dialect's ops --------*- C++ -*-===//
//
// The equations of the ops' descriptions as loops.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "dialect/interpreter/Evaluator.h"
#include "llvm/ADT/TypeSwitch.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace mlir::mod;

static float dot(const double *a, const double *b, int64_t length) {
  float sum = 0;
  for (int64_t i = 0; i < length; ++i)
    sum += float(a[i]) * float(b[i]);
  return sum;
}

/// The shape of per-token values beside `x`, with a width of their own.
static SmallVector<int64_t> withWidth(const InterpreterValue &x,
                                      int64_t width) {
  return {x.shape[0], x.shape[1], width};
}

//===----------------------------------------------------------------------===//
// Parts of a transformer
//===----------------------------------------------------------------------===//

static LogicalResult evaluateOp(Evaluator &evaluator, EmbeddingOp op) {
  const InterpreterValue &tokens = evaluator.get(op.getTokens());
  const InterpreterValue &table = evaluator.get(op.getTable());
  InterpreterValue result(withWidth(tokens, table.shape[1]));
  for (auto [i, token] : llvm::enumerate(tokens.data)) {
    if (token < 0 || token >= table.shape[0])
      return op.emitError("token ")
             << int64_t(token) << " is not below " << table.shape[0];
    std::copy_n(table.getRow(token), table.shape[1], result.getRow(i));
  }
  evaluator.set(op.getResult(), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, PositionsOp op) {
  InterpreterValue result(evaluator.get(op.getTokens()).shape);
  int64_t start = op.getStart() ? evaluator.getInt(op.getStart()) : 0;
  for (int64_t b = 0; b < result.shape[0]; ++b)
    std::iota(result.getRow(b), result.getRow(b) + result.shape[1], start);
  evaluator.set(op.getResult(), result);
  return success();
}

/// `1 / sqrt(mean(x^2) + eps)`.
static float inverseRMS(const double *x, int64_t width, float eps) {
  return 1.0f / std::sqrt(dot(x, x, width) / float(width) + eps);
}

static LogicalResult evaluateOp(Evaluator &evaluator, RMSNormOp op) {
  InterpreterValue result = evaluator.get(op.getX());
  const InterpreterValue &scale = evaluator.get(op.getScale());
  int64_t width = result.shape.back();
  for (int64_t i = 0; i < result.getNumRows(); ++i) {
    double *x = result.getRow(i);
    float factor = inverseRMS(x, width, op.getEps().convertToFloat());
    for (int64_t d = 0; d < width; ++d)
      x[d] = float(x[d]) * factor * float(scale.data[d]);
  }
  evaluator.set(op.getResult(), result);
  return success();
}

/// `x[b, indices[b, i], ...]`.
static InterpreterValue gather(const InterpreterValue &x,
                               const InterpreterValue &indices) {
  InterpreterValue result(x.shape);
  result.shape[1] = indices.shape[1];
  int64_t width = x.shape.size() == 3 ? x.shape[2] : 1;
  result.data.resize(ShapedType::getNumElements(result.shape));
  for (int64_t i = 0, e = indices.data.size(); i < e; ++i) {
    int64_t b = i / indices.shape[1];
    int64_t row = b * x.shape[1] + indices.data[i];
    std::copy_n(x.data.begin() + row * width, width,
                result.data.begin() + i * width);
  }
  return result;
}

InterpreterValue mod::getRows(Evaluator &evaluator, Value x, Value rows) {
  if (!rows)
    return evaluator.get(x);
  return gather(evaluator.get(x), evaluator.get(rows));
}

static LogicalResult evaluateOp(Evaluator &evaluator, InverseRMSOp op) {
  InterpreterValue x = getRows(evaluator, op.getX(), op.getRows());
  InterpreterValue result({x.shape[0], x.shape[1]});
  for (int64_t i = 0; i < x.getNumRows(); ++i)
    result.data[i] =
        inverseRMS(x.getRow(i), x.shape[2], op.getEps().convertToFloat());
  evaluator.set(op.getResult(), result);
  return success();
}

/// `silu(y[0 .. N]) * y[N .. 2 N]` of each row.
static InterpreterValue applyGlu(const InterpreterValue &y) {
  int64_t width = y.shape[2] / 2;
  InterpreterValue result(withWidth(y, width));
  for (int64_t i = 0; i < y.getNumRows(); ++i)
    for (int64_t n = 0; n < width; ++n) {
      float gate = y.getRow(i)[n], up = y.getRow(i)[width + n];
      result.getRow(i)[n] = gate / (1.0f + std::exp(-gate)) * up;
    }
  return result;
}

/// What a gate makes of a score, or of a share in a softmax.
static float applyKind(GateKind kind, float score) {
  switch (kind) {
  case GateKind::raw:
  case GateKind::softmax:
  case GateKind::softmax_topk:
    return score;
  case GateKind::sigmoid:
    return 1.0f / (1.0f + std::exp(-score));
  case GateKind::tanh:
    return std::tanh(score);
  case GateKind::none:
    return 1.0f;
  }
  llvm_unreachable("unknown gate");
}

static float applyGate(GateAttr gate, float score) {
  return float(gate.getScaleValue()) * applyKind(gate.getKind(), score) +
         float(gate.getBiasValue());
}

namespace {
/// Where rows go, and what they are multiplied by.
struct Scatter {
  const InterpreterValue &indices;
  const InterpreterValue *scores;
  GateAttr gate;
  /// Whether what a row was stays.
  bool isSum;
};
} // namespace

/// `x[b, indices[b, i]] += gate(scores[b, indices[b, i]]) * update[b, i]`.
static void scatter(InterpreterValue &x, const InterpreterValue &update,
                    Scatter how) {
  for (int64_t i = 0; i < update.getNumRows(); ++i) {
    int64_t b = i / update.shape[1];
    int64_t row = b * x.shape[1] + how.indices.data[i];
    float weight = how.scores ? applyGate(how.gate, how.scores->data[row]) : 1;
    for (int64_t d = 0; d < x.shape[2]; ++d) {
      float before = how.isSum ? x.getRow(row)[d] : 0;
      x.getRow(row)[d] = before + weight * float(update.getRow(i)[d]);
    }
  }
}

/// The indices of all tokens of `x`.
static InterpreterValue allIndices(const InterpreterValue &x) {
  InterpreterValue indices({x.shape[0], x.shape[1]});
  for (int64_t b = 0; b < x.shape[0]; ++b)
    std::iota(indices.getRow(b), indices.getRow(b) + x.shape[1], 0);
  return indices;
}

/// The indices that an op writes rows of `x` at.
static InterpreterValue getIndices(Evaluator &evaluator, Value indices,
                                   const InterpreterValue &x) {
  return indices ? evaluator.get(indices) : allIndices(x);
}

static LogicalResult evaluateOp(Evaluator &evaluator, LinearOp op) {
  InterpreterValue result = multiply(evaluator, op);
  if (op.getGlu())
    result = applyGlu(result);
  if (op.getAddend())
    for (auto [y, a] :
         llvm::zip_equal(result.data, evaluator.get(op.getAddend()).data))
      y = float(y) + float(a);
  if (op.getInto()) {
    InterpreterValue update = std::move(result);
    result = evaluator.get(op.getInto());
    scatter(result, update,
            {getIndices(evaluator, op.getIndices(), result),
             op.getScores() ? &evaluator.get(op.getScores()) : nullptr,
             op.getGateAttr(), op.getAccumulate()});
  }
  evaluator.set(op.getResult(), result);
  return success();
}

/// Rotates one head of a token at `position`.
static void rotate(double *x, int64_t headDim, double position, double theta) {
  for (int64_t i = 0; i < headDim / 2; ++i) {
    double angle = position * std::pow(theta, -2.0 * i / headDim);
    float c = std::cos(angle), s = std::sin(angle);
    float a = x[i], b = x[i + headDim / 2];
    x[i] = a * c - b * s;
    x[i + headDim / 2] = b * c + a * s;
  }
}

/// Rotates each of `heads` heads of each row.
static void rotateHeads(InterpreterValue &x, const InterpreterValue &positions,
                        int64_t heads, double theta) {
  int64_t headDim = x.shape.back() / heads;
  for (int64_t i = 0; i < x.getNumRows(); ++i)
    for (int64_t h = 0; h < heads; ++h)
      rotate(x.getRow(i) + h * headDim, headDim, positions.data[i], theta);
}

static LogicalResult evaluateOp(Evaluator &evaluator, RopeOp op) {
  InterpreterValue result = evaluator.get(op.getX());
  rotateHeads(result, evaluator.get(op.getPositions()), op.getHeads(),
              op.getTheta().convertToDouble());
  evaluator.set(op.getResult(), result);
  return success();
}

namespace {
/// Queries of `heads` heads on keys and values of `kvHeads` heads, in rows.
struct Heads {
  int64_t heads, kvHeads, dim;
  int64_t kvWidth() const { return kvHeads * dim; }
};
} // namespace

/// One query attends to the first `count` keys.
static void attend(Heads shape, const double *query, const double *keys,
                   const double *values, int64_t count, double *result) {
  for (int64_t h = 0; h < shape.heads; ++h) {
    int64_t group = h / (shape.heads / shape.kvHeads) * shape.dim;
    std::vector<float> weights(count);
    for (int64_t j = 0; j < count; ++j)
      weights[j] = dot(query + h * shape.dim,
                       keys + j * shape.kvWidth() + group, shape.dim) /
                   std::sqrt(float(shape.dim));
    float largest = *llvm::max_element(weights), sum = 0;
    for (float &weight : weights)
      sum += weight = std::exp(weight - largest);
    for (int64_t d = 0; d < shape.dim; ++d) {
      float y = 0;
      for (int64_t j = 0; j < count; ++j)
        y += weights[j] / sum * float(values[j * shape.kvWidth() + group + d]);
      result[h * shape.dim + d] = y;
    }
  }
}

static LogicalResult evaluateOp(Evaluator &evaluator, AttentionOp op) {
  const InterpreterValue &query = evaluator.get(op.getQuery());
  const InterpreterValue &key = evaluator.get(op.getKey());
  const InterpreterValue &value = evaluator.get(op.getValue());
  int64_t heads = op.getHeads(), tokens = query.shape[1], keys = key.shape[1];
  Heads shape{heads, int64_t(op.getKvHeads()), query.shape[2] / heads};
  InterpreterValue result(query.shape);
  for (int64_t b = 0; b < query.shape[0]; ++b)
    for (int64_t i = 0; i < tokens; ++i)
      attend(shape, query.getRow(b * tokens + i), key.getRow(b * keys),
             value.getRow(b * keys), keys - tokens + i + 1,
             result.getRow(b * tokens + i));
  evaluator.set(op.getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

static LogicalResult evaluateOp(Evaluator &evaluator, RouterOp op) {
  const InterpreterValue &x = evaluator.get(op.getX());
  const InterpreterValue &weight = evaluator.get(op.getWeight());
  InterpreterValue result({x.shape[0], x.shape[1]});
  for (int64_t i = 0; i < x.getNumRows(); ++i) {
    float score = dot(x.getRow(i), weight.getRow(0), x.shape[2]);
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
      float y = dot(x.getRow(i), down.getRow(h), x.shape[2]) +
                float(downBias.data[h]);
      hidden[h] = y / (1.0f + std::exp(-y));
    }
    result.data[i] = dot(hidden.data(), up.getRow(0), hidden.size()) +
                     float(evaluator.get(op.getUpBias()).data[0]);
  }
  evaluator.set(op.getResult(), result);
  return success();
}

/// The ascending indices of the largest scores, or without a capacity of the
/// positive ones.
static std::vector<double> select(ArrayRef<double> scores, Attribute capacity) {
  std::vector<double> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  if (!capacity) {
    llvm::erase_if(order, [&](double i) { return !(scores[i] > 0); });
    return order;
  }
  // Of equal scores, the lowest index comes first.
  llvm::sort(order, [&](double a, double b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  order.resize(getCapacityCount(capacity, scores.size()));
  llvm::sort(order);
  return order;
}

static LogicalResult evaluateOp(Evaluator &evaluator, SelectOp op) {
  std::vector<double> indices =
      select(evaluator.get(op.getScores()).data, op.getCapacityAttr());
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
  evaluator.set(op.getResult(), gather(evaluator.get(op.getX()),
                                       evaluator.get(op.getIndices())));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, ScatterOp op) {
  InterpreterValue result = evaluator.get(op.getX());
  scatter(result, evaluator.get(op.getUpdate()),
          {getIndices(evaluator, op.getIndices(), result),
           &evaluator.get(op.getScores()), op.getGate(), !op.getReplace()});
  evaluator.set(op.getResult(), result);
  return success();
}

/// The tokens that one sequence of a routed block selects.
static std::vector<double> selectRouted(Evaluator &evaluator, RoutedOp op,
                                        int64_t sequence) {
  bool predicted = op.getSelection() == Selection::causal && op.getLogits();
  const InterpreterValue &tested =
      evaluator.get(predicted ? op.getLogits() : op.getScores());
  ArrayRef<double> row(tested.getRow(sequence), tested.shape[1]);
  if (op.getSelection() == Selection::expert_choice)
    return select(row, op.getCapacity());
  if (op.getCausal() != Causal::always)
    return select(row, /*capacity=*/Attribute());
  return select(
      row, IntegerAttr::get(IntegerType::get(op.getContext(), 64), row.size()));
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
                                                : allIndices(scores)));
  return success();
}

/// What the gate of a routed block turns into weights.
static InterpreterValue getGateScores(Evaluator &evaluator, RoutedOp op,
                                      const InterpreterValue &indices) {
  const InterpreterValue &scores = evaluator.get(op.getGatedBy());
  if (!op.getGate().isSoftmax())
    return scores;
  bool isAmongSelected = op.getGate().getKind() == GateKind::softmax_topk;
  return softmax(scores, isAmongSelected ? indices : allIndices(scores));
}

static LogicalResult evaluateOp(Evaluator &evaluator, RoutedOp op) {
  InterpreterValue x = evaluator.get(op.getX());
  InterpreterValue indices;
  for (int64_t b = 0; b < x.shape[0]; ++b) {
    std::vector<double> selected = selectRouted(evaluator, op, b);
    if (b && indices.shape[1] != int64_t(selected.size()))
      return op.emitError("sequences select different numbers of tokens");
    indices.shape = {x.shape[0], int64_t(selected.size())};
    llvm::append_range(indices.data, selected);
  }
  InterpreterValue positions = indices;
  for (double &position : positions.data)
    position += evaluator.getStart();
  SmallVector<InterpreterValue> arguments = {
      gather(x, indices), positions,
      gather(evaluator.get(op.getGatedBy()), indices)};
  arguments.resize(op.getBody().getNumArguments());
  auto update = evaluator.run(op.getBody().front(), arguments);
  if (failed(update))
    return failure();
  InterpreterValue scores = getGateScores(evaluator, op, indices);
  scatter(x, update->front(),
          {indices, &scores, op.getGate(), !op.getReplace()});
  evaluator.set(op.getResult(), x);
  return success();
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

static LogicalResult evaluateOp(Evaluator &evaluator, TemporaryCacheOp op) {
  InterpreterValue value;
  value.cache = std::make_shared<InterpreterCache>();
  evaluator.set(op.getCache(), value);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, CacheAppendOp op) {
  KVCacheType type = op.getCache().getType();
  InterpreterCache &cache = *evaluator.get(op.getCache()).cache;
  InterpreterValue key = evaluator.get(op.getKey());
  if (op.getPositions())
    rotateHeads(key, evaluator.get(op.getPositions()), *op.getHeads(),
                op.getTheta()->convertToDouble());
  llvm::append_range(cache.keys, key.data);
  llvm::append_range(cache.values, evaluator.get(op.getValue()).data);
  if (int64_t(cache.keys.size()) > type.getLength() * type.getWidth())
    return op.emitError("the cache holds ") << type.getLength() << " rows";
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, CachedAttentionOp op) {
  const InterpreterValue &query = evaluator.get(op.getQuery());
  const InterpreterCache &cache = *evaluator.get(op.getCache()).cache;
  int64_t heads = op.getHeads(), tokens = query.shape[1];
  Heads shape{heads, int64_t(op.getKvHeads()), query.shape[2] / heads};
  int64_t past = int64_t(cache.keys.size()) / shape.kvWidth() - tokens;
  InterpreterValue result(query.shape);
  for (int64_t i = 0; i < tokens; ++i)
    attend(shape, query.getRow(i), cache.keys.data(), cache.values.data(),
           past + i + 1, result.getRow(i));
  evaluator.set(op.getResult(), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, TraceRoutingOp op) {
  const InterpreterValue &trace = evaluator.get(op.getTrace());
  if (!trace.trace)
    return success();
  const InterpreterValue &scores = evaluator.get(op.getScores());
  const InterpreterValue &tested = evaluator.get(op.getTested());
  int64_t length = op.getTrace().getType().getLength();
  int64_t start = op.getStart() ? evaluator.getInt(op.getStart()) : 0;
  auto row = trace.trace->begin() + op.getOrdinal() * 3 * length + start;
  for (auto [i, score, test] : llvm::enumerate(scores.data, tested.data)) {
    row[i] = score;
    row[length + i] = test;
    row[2 * length + i] = !op.getSelected() && test > 0;
  }
  if (op.getSelected())
    for (double index : evaluator.get(op.getSelected()).data)
      row[2 * length + int64_t(index)] = 1;
  return success();
}

std::optional<LogicalResult> mod::evaluateModOp(Evaluator &evaluator,
                                                Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<LogicalResult>>(op)
      .Case<EmbeddingOp, PositionsOp, RMSNormOp, InverseRMSOp, LinearOp, RopeOp,
            AttentionOp, RouterOp, PredictorOp, RoutedOp, SelectOp, GatherOp,
            ScatterOp, SoftmaxOp, TemporaryCacheOp, CacheAppendOp,
            CachedAttentionOp, TraceRoutingOp>(
          [&](auto op) { return evaluateOp(evaluator, op); })
      .Default(std::nullopt);
}
