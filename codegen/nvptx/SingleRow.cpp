//===- SingleRow.cpp - Products with one row ------------------------------===//
//
// A warp makes one output. It is as fast as memory gives it the weight: lanes
// load 16 bytes at a time, and several before they add.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/LinearClauses.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t kOutputsPerBlock = 8; // one for each warp
constexpr int64_t kLoadBytes = 16;
constexpr int64_t kMaxLoads = 4; // of a lane at a time

class SingleRowLinear {
public:
  SingleRowLinear(ThreadBuilder &b, LinearOp op,
                  ArrayRef<linalg::LinalgOp> followers)
      : b(b), op(op), clauses(b, op, followers),
        eps(op->getAttrOfType<FloatAttr>(kInverseRMSAttr)) {}

  Geometry emit();

private:
  bool canLoadVectors();
  int64_t countLoads();
  Values loadElements(Value buffer, Values row, Value column);
  Value roundInput(Value x);
  Values emitChunks(ValueRange sums, Value column, int64_t count);
  Values emitVectorSums();
  Values emitScalarSums();
  void emitOutput();

  /// The rows of the weight that an output needs.
  Values getWeightRows();
  Type getWeightElement() {
    return cast<MemRefType>(op.getWeight().getType()).getElementType();
  }
  /// The elements of one load of the weight.
  int64_t getWidth() {
    return kLoadBytes * 8 / getWeightElement().getIntOrFloatBitWidth();
  }

  ThreadBuilder &b;
  LinearOp op;
  GpuLinearClauses clauses;
  FloatAttr eps;
  Value output;
  Values inputRow, weightRows;
};
} // namespace

Values SingleRowLinear::getWeightRows() {
  Values rows = {output};
  if (op.getGlu())
    rows.push_back(b.add(output, b.index(op.getNumOutputs())));
  return rows;
}

/// Whether all rows of a buffer begin at a multiple of 16 bytes.
static bool hasAlignedRows(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  return strides.back() == 1 &&
         strides[type.getRank() - 2] * bytes % kLoadBytes == 0;
}

bool SingleRowLinear::canLoadVectors() {
  return op->hasAttr(kAlignedAttr) && op.getNumInputs() % getWidth() == 0 &&
         hasAlignedRows(op.getInput()) && hasAlignedRows(op.getWeight());
}

/// How many loads a lane has at a time: a number without rest, if there is one.
int64_t SingleRowLinear::countLoads() {
  int64_t rounds = op.getNumInputs() / (getWidth() * kWarpThreads);
  if (rounds % kMaxLoads && rounds % (kMaxLoads - 1) == 0)
    return std::max<int64_t>(1, std::min(rounds, kMaxLoads - 1));
  return std::max<int64_t>(1, std::min(rounds, kMaxLoads));
}

/// As many elements as 16 bytes of the weight are.
Values SingleRowLinear::loadElements(Value buffer, Values row, Value column) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t width = kLoadBytes * 8 / type.getElementTypeBitWidth();
  width = std::min(width, getWidth());
  Values elements;
  row.push_back(column);
  for (int64_t first = 0; first < getWidth(); first += width) {
    row.back() = b.add(column, b.index(first));
    Value loaded = b.loadVector(buffer, row, width);
    for (int64_t i = 0; i < width; ++i)
      elements.push_back(b.extract(loaded, i));
  }
  return elements;
}

Value SingleRowLinear::roundInput(Value x) {
  return op->hasAttr(kRoundInputAttr) ? b.round(x, getWeightElement()) : x;
}

/// Adds `count` chunks to their sums: of each chunk one for each row of the
/// weight, and with a norm one of squares.
Values SingleRowLinear::emitChunks(ValueRange sums, Value column,
                                   int64_t count) {
  int64_t perChunk = sums.size() / count;
  Values next(sums);
  for (int64_t chunk = 0; chunk < count; ++chunk) {
    Value *sum = &next[chunk * perChunk];
    Value at = b.add(column, b.index(chunk * getWidth() * kWarpThreads));
    Values x = loadElements(op.getInput(), inputRow, at);
    if (eps)
      for (Value element : x)
        sum[perChunk - 1] = b.fma(element, element, sum[perChunk - 1]);
    for (Value &element : x)
      element = roundInput(element);
    for (auto [i, row] : llvm::enumerate(weightRows)) {
      Values w = loadElements(op.getWeight(), {row}, at);
      for (auto [left, right] : llvm::zip_equal(x, w))
        sum[i] = b.fma(left, right, sum[i]);
    }
  }
  return next;
}

/// The sums of each lane.
Values SingleRowLinear::emitVectorSums() {
  int64_t perChunk = weightRows.size() + (eps ? 1 : 0), loads = countLoads();
  int64_t round = getWidth() * kWarpThreads, inputs = op.getNumInputs();
  int64_t unrolled = inputs / (round * loads) * (round * loads);
  Value first = b.mul(b.lane(), getWidth());
  Values sums(perChunk * loads, b.f32(0.0));
  if (unrolled)
    sums = b.loop(first, b.index(unrolled), round * loads, sums,
                  [&](Value column, ValueRange sums) {
                    return emitChunks(sums, column, loads);
                  });
  Values totals(sums.begin(), sums.begin() + perChunk);
  for (int64_t i = perChunk; i < perChunk * loads; ++i)
    totals[i % perChunk] = b.addf(totals[i % perChunk], sums[i]);
  if (unrolled == inputs)
    return totals;
  return b.loop(b.add(first, b.index(unrolled)), b.index(inputs), round, totals,
                [&](Value column, ValueRange sums) {
                  return emitChunks(sums, column, 1);
                });
}

/// The same, of rows that no vectors can be loaded of.
Values SingleRowLinear::emitScalarSums() {
  Values zeros(weightRows.size() + (eps ? 1 : 0), b.f32(0.0));
  return b.loop(
      b.lane(), b.index(op.getNumInputs()), kWarpThreads, zeros,
      [&](Value column, ValueRange sums) {
        Values next(sums);
        Value x =
            b.load(op.getInput(), {inputRow.front(), inputRow.back(), column});
        if (eps)
          next.back() = b.fma(x, x, next.back());
        x = roundInput(x);
        for (auto [i, row] : llvm::enumerate(weightRows))
          next[i] = b.fma(x, b.load(op.getWeight(), {row, column}), next[i]);
        return next;
      });
}

void SingleRowLinear::emitOutput() {
  Value zero = b.index(0);
  inputRow = {zero, clauses.getInputRow(zero)};
  weightRows = getWeightRows();
  Values sums = canLoadVectors() ? emitVectorSums() : emitScalarSums();
  for (Value &sum : sums)
    sum = b.sumWarp(sum);
  Value inverse;
  if (eps)
    inverse = emitInverseRMS(b, sums.back(), op.getNumInputs(), eps.getValue());
  b.ifThen(b.eq(b.lane(), zero), [&] {
    GpuLinearClauses::Token token = clauses.loadToken(zero);
    if (inverse)
      token.scale = inverse;
    clauses.store(token, output, sums[0], op.getGlu() ? sums[1] : Value());
  });
}

Geometry SingleRowLinear::emit() {
  output = b.add(b.mul(b.otherBlock(), kOutputsPerBlock), b.warp());
  Value inside = b.both(b.lt(b.index(0), clauses.getTokens()),
                        b.lt(output, b.index(op.getNumOutputs())));
  b.ifThen(inside, [&] { emitOutput(); });
  return {kOutputsPerBlock * kWarpThreads,
          {},
          1,
          int64_t(llvm::divideCeil(op.getNumOutputs(), kOutputsPerBlock))};
}

Geometry mod::emitSingleRowLinear(ThreadBuilder &b, LinearOp op,
                                  ArrayRef<linalg::LinalgOp> followers) {
  return SingleRowLinear(b, op, followers).emit();
}
