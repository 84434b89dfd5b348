//===- ModOps.cpp - The meaning of the mod dialect's ops --------*- C++ -*-===//
//
// The equations of the ops' descriptions as loops: parts of a transformer, and
// caches.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "dialect/Rotary.h"
#include "dialect/interpreter/Evaluator.h"
#include "dialect/interpreter/Rows.h"
#include "llvm/ADT/TypeSwitch.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace mlir::mod;

float mod::multiplyRows(const double *a, const double *b, int64_t length) {
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
  return 1.0f / std::sqrt(multiplyRows(x, x, width) / float(width) + eps);
}

static LogicalResult evaluateOp(Evaluator &evaluator, RMSNormOp op) {
  InterpreterValue result = evaluator.get(op.getX());
  const InterpreterValue &scale = evaluator.get(op.getScale());
  int64_t heads = op.getNumHeads(), width = result.shape.back() / heads;
  for (int64_t i = 0; i < result.getNumRows() * heads; ++i) {
    double *x = result.data.data() + i * width;
    float factor = inverseRMS(x, width, op.getEps().convertToFloat());
    for (int64_t d = 0; d < width; ++d)
      x[d] = float(x[d]) * factor * float(scale.data[d]);
  }
  evaluator.set(op.getResult(), result);
  return success();
}

InterpreterValue mod::gatherRows(const InterpreterValue &x,
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
  return gatherRows(evaluator.get(x), evaluator.get(rows));
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

void mod::scatterRows(InterpreterValue &x, const InterpreterValue &update,
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

InterpreterValue mod::getAllIndices(const InterpreterValue &x) {
  InterpreterValue indices({x.shape[0], x.shape[1]});
  for (int64_t b = 0; b < x.shape[0]; ++b)
    std::iota(indices.getRow(b), indices.getRow(b) + x.shape[1], 0);
  return indices;
}

InterpreterValue mod::getRowIndices(Evaluator &evaluator, Value indices,
                                    const InterpreterValue &x) {
  return indices ? evaluator.get(indices) : getAllIndices(x);
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
    scatterRows(result, update,
                {getRowIndices(evaluator, op.getIndices(), result),
                 op.getScores() ? &evaluator.get(op.getScores()) : nullptr,
                 op.getGateAttr(), op.getAccumulate()});
  }
  evaluator.set(op.getResult(), result);
  return success();
}

/// Rotates one head of a token at `position`.
static void rotate(double *x, const RotaryFrequencies &rotary,
                   double position) {
  int64_t half = rotary.frequencies.size();
  for (auto [i, frequency] : llvm::enumerate(rotary.frequencies)) {
    double angle = position * frequency;
    float c = rotary.magnitude * std::cos(angle);
    float s = rotary.magnitude * std::sin(angle);
    float a = x[i], b = x[i + half];
    x[i] = a * c - b * s;
    x[i + half] = b * c + a * s;
  }
}

/// Rotates each of `heads` heads of each row.
static void rotateHeads(InterpreterValue &x, const InterpreterValue &positions,
                        int64_t heads, double theta, RopeScalingAttr scaling) {
  int64_t headDim = x.shape.back() / heads;
  RotaryFrequencies rotary = getRotaryFrequencies(theta, headDim, scaling);
  for (int64_t i = 0; i < x.getNumRows(); ++i)
    for (int64_t h = 0; h < heads; ++h)
      rotate(x.getRow(i) + h * headDim, rotary, positions.data[i]);
}

static LogicalResult evaluateOp(Evaluator &evaluator, RopeOp op) {
  InterpreterValue result = evaluator.get(op.getX());
  rotateHeads(result, evaluator.get(op.getPositions()), op.getHeads(),
              op.getTheta().convertToDouble(), op.getScalingAttr());
  evaluator.set(op.getResult(), result);
  return success();
}

namespace {
/// Queries of `heads` heads on keys and values of `kvHeads` heads, in rows.
struct Heads {
  int64_t heads, kvHeads, dim;
  int64_t kvWidth() const { return kvHeads * dim; }
};

/// The keys that a query sees.
struct Seen {
  int64_t first, end;
};
} // namespace

/// One query attends to the keys that it sees.
static void attend(Heads shape, const double *query, const double *keys,
                   const double *values, Seen seen, double *result) {
  int64_t count = seen.end - seen.first;
  keys += seen.first * shape.kvWidth();
  values += seen.first * shape.kvWidth();
  for (int64_t h = 0; h < shape.heads; ++h) {
    int64_t group = h / (shape.heads / shape.kvHeads) * shape.dim;
    std::vector<float> weights(count);
    for (int64_t j = 0; j < count; ++j)
      weights[j] = multiplyRows(query + h * shape.dim,
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

/// Which of `keys` query `i` sees: those up to its position, which is `place`
/// where none are given. A window is of the positions `kept` of keys, or of as
/// many keys.
template <typename OpT>
static FailureOr<Seen> findSeen(Evaluator &evaluator, OpT op, int64_t i,
                                int64_t place, int64_t keys,
                                const double *kept) {
  if (op.getPositions())
    place = int64_t(evaluator.get(op.getPositions()).data[i]);
  if (place < 0 || place >= keys)
    return op.emitError("query ") << i << " is at position " << place
                                  << ", but there are " << keys << " keys";
  Seen seen{0, place + 1};
  int64_t window = op.getWindow().value_or(std::numeric_limits<int32_t>::max());
  auto getPosition = [&](int64_t key) { return kept ? kept[key] : key; };
  while (getPosition(seen.first) <= getPosition(place) - window)
    ++seen.first;
  return seen;
}

static LogicalResult evaluateOp(Evaluator &evaluator, AttentionOp op) {
  const InterpreterValue &query = evaluator.get(op.getQuery());
  const InterpreterValue &key = evaluator.get(op.getKey());
  const InterpreterValue &value = evaluator.get(op.getValue());
  int64_t heads = op.getHeads(), tokens = query.shape[1], keys = key.shape[1];
  Heads shape{heads, int64_t(op.getKvHeads()), query.shape[2] / heads};
  InterpreterValue result(query.shape);
  for (int64_t b = 0; b < query.shape[0]; ++b)
    for (int64_t i = 0; i < tokens; ++i) {
      int64_t row = b * tokens + i;
      const double *kept = op.getOwnPositions()
                               ? evaluator.get(op.getOwnPositions()).getRow(b)
                               : nullptr;
      auto seen = findSeen(evaluator, op, row, keys - tokens + i, keys, kept);
      if (failed(seen))
        return failure();
      attend(shape, query.getRow(row), key.getRow(b * keys),
             value.getRow(b * keys), *seen, result.getRow(row));
    }
  evaluator.set(op.getResult(), result);
  return success();
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

/// The rows of the sequence that token `i` belongs to.
static InterpreterCache::Rows &getSequence(Evaluator &evaluator, Value cache,
                                           Value sequences, int64_t i) {
  int64_t sequence = sequences ? int64_t(evaluator.get(sequences).data[i]) : 0;
  return evaluator.get(cache).cache->sequences[sequence];
}

static LogicalResult evaluateOp(Evaluator &evaluator, TemporaryCacheOp op) {
  InterpreterValue value;
  value.cache = std::make_shared<InterpreterCache>();
  value.cache->sequences.resize(1);
  evaluator.set(op.getCache(), value);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, CacheAppendOp op) {
  KVCacheType type = op.getCache().getType();
  InterpreterValue key = evaluator.get(op.getKey());
  const InterpreterValue &value = evaluator.get(op.getValue());
  if (op.getPositions())
    rotateHeads(key, evaluator.get(op.getPositions()), *op.getHeads(),
                op.getTheta()->convertToDouble(), op.getScalingAttr());
  for (int64_t i = 0; i < key.getNumRows(); ++i) {
    InterpreterCache::Rows &rows =
        getSequence(evaluator, op.getCache(), op.getSequences(), i);
    rows.keys.insert(rows.keys.end(), key.getRow(i), key.getRow(i + 1));
    rows.values.insert(rows.values.end(), value.getRow(i), value.getRow(i + 1));
    if (type.getHasPositions())
      rows.positions.push_back(evaluator.get(op.getRowPositions()).data[i]);
    if (int64_t(rows.keys.size()) > type.getLength() * type.getWidth())
      return op.emitError("the cache holds ") << type.getLength() << " rows";
  }
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, CacheRoomOp op) {
  KVCacheType type = op.getCache().getType();
  const InterpreterCache::Rows &rows =
      getSequence(evaluator, op.getCache(), /*sequences=*/Value(), 0);
  int64_t used = int64_t(rows.keys.size()) / type.getWidth();
  evaluator.set(op.getRoom(), double(type.getLength() - used));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, CachedAttentionOp op) {
  const InterpreterValue &query = evaluator.get(op.getQuery());
  int64_t heads = op.getHeads(), tokens = query.shape[1];
  Heads shape{heads, int64_t(op.getKvHeads()), query.shape[2] / heads};
  bool hasPositions = op.getCache().getType().getHasPositions();
  InterpreterValue result(query.shape);
  for (int64_t i = 0; i < tokens; ++i) {
    const InterpreterCache::Rows &rows =
        getSequence(evaluator, op.getCache(), op.getSequences(), i);
    int64_t count = int64_t(rows.keys.size()) / shape.kvWidth();
    int64_t later = op.getSequences() ? 0 : tokens - 1 - i;
    auto seen = findSeen(evaluator, op, i, count - later - 1, count,
                         hasPositions ? rows.positions.data() : nullptr);
    if (failed(seen))
      return failure();
    attend(shape, query.getRow(i), rows.keys.data(), rows.values.data(), *seen,
           result.getRow(i));
  }
  evaluator.set(op.getResult(), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, LatchOp op) {
  InterpreterValue result = evaluator.get(op.getScores());
  const InterpreterValue &start = evaluator.get(op.getStart());
  for (auto [i, score] : llvm::enumerate(result.data)) {
    std::vector<double> &kept =
        getSequence(evaluator, op.getLatch(), op.getSequences(), i).keys;
    if (start.data[op.getSequences() ? i : 0] == 0)
      kept = {score};
    if (kept.empty())
      return op.emitError("the sequence did not begin here");
    score = kept.front();
  }
  evaluator.set(op.getResult(), result);
  return success();
}

std::optional<LogicalResult> mod::evaluateModOp(Evaluator &evaluator,
                                                Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<LogicalResult>>(op)
      .Case<EmbeddingOp, PositionsOp, RMSNormOp, InverseRMSOp, LinearOp, RopeOp,
            AttentionOp, TemporaryCacheOp, CacheAppendOp, CacheRoomOp,
            CachedAttentionOp, LatchOp>(
          [&](auto op) { return evaluateOp(evaluator, op); })
      .Default(std::nullopt);
}
