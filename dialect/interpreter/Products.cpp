//===- Products.cpp - The meaning of products and of quantisation -*- C++
//-*-==//
//
// Products with weights in each of their layouts, and tokens in narrow types.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "dialect/interpreter/Evaluator.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// Where output `n` is in the panels of a packed weight, `[panel, column]`.
static std::pair<int64_t, int64_t> getPlace(LinearOp op, int64_t n) {
  int64_t panel = op.getPanel();
  if (!op.getGlu())
    return {n / panel, n % panel};
  int64_t outputs = op.getNumOutputs(), half = panel / 2, i = n % outputs;
  return {i / half, n / outputs * half + i % half};
}

/// Input `k` of output `n` of a weight in four bits.
static double getFourBits(LinearOp op, const InterpreterValue &weight,
                          int64_t n, int64_t k) {
  auto [panel, column] = getPlace(op, n);
  int64_t row = (panel * weight.shape[1] + k / 32) * 4 + k % 32 / 8;
  uint32_t word = int32_t(weight.getRow(row)[column]);
  return int32_t(word << (28 - (k % 2 * 16 + k % 8 / 2 * 4))) >> 28;
}

/// Input `k` of output `n` of a weight in any layout.
static double getWeight(LinearOp op, const InterpreterValue &weight, int64_t n,
                        int64_t k) {
  if (op.isFourBit())
    return getFourBits(op, weight, n, k);
  if (!op.isPacked())
    return weight.getRow(n)[k];
  auto [panel, column] = getPlace(op, n);
  int64_t together = op.getInputsTogether();
  int64_t row = panel * weight.shape[1] + k / together;
  return weight.data[(row * op.getPanel() + column) * together + k % together];
}

static double getScale(LinearOp op, const InterpreterValue &scales, int64_t n,
                       int64_t k) {
  int64_t group = k / LinearOp::kGroup;
  if (scales.shape.size() == 1)
    return scales.data[n];
  if (scales.shape.size() == 2)
    return scales.getRow(n)[group];
  auto [panel, column] = getPlace(op, n);
  return scales.getRow(panel * scales.shape[1] + group)[column];
}

/// Output `n` of a weight, `[in]`.
static std::vector<double> getOutput(Evaluator &evaluator, LinearOp op,
                                     int64_t n) {
  std::vector<double> result(op.getNumInputs());
  for (auto [k, number] : llvm::enumerate(result)) {
    number = getWeight(op, evaluator.get(op.getWeight()), n, k);
    if (op.getScales())
      number *= getScale(op, evaluator.get(op.getScales()), n, k);
  }
  return result;
}

InterpreterValue mod::multiply(Evaluator &evaluator, LinearOp op) {
  InterpreterValue input = getRows(evaluator, op.getInput(), op.getRows());
  InterpreterValue result({input.shape[0], input.shape[1], op.getNumSums()});
  for (int64_t n = 0; n < op.getNumSums(); ++n) {
    std::vector<double> output = getOutput(evaluator, op, n);
    for (int64_t i = 0; i < result.getNumRows(); ++i) {
      float y = 0;
      for (auto [k, number] : llvm::enumerate(output))
        y += float(input.getRow(i)[k]) * float(number);
      if (op.getRowScales())
        y *= float(evaluator.get(op.getRowScales()).data[i]);
      if (op.getBias())
        y += float(evaluator.get(op.getBias()).data[n]);
      result.getRow(i)[n] = y;
    }
  }
  return result;
}

static LogicalResult evaluateOp(Evaluator &evaluator, RowScalesOp op) {
  InterpreterValue x = getRows(evaluator, op.getX(), op.getRows());
  InterpreterValue result({x.shape[0], x.shape[1]});
  for (int64_t i = 0; i < x.getNumRows(); ++i) {
    double largest = 0;
    for (int64_t k = 0; k < x.shape[2]; ++k)
      largest = std::max(largest, std::fabs(x.getRow(i)[k]));
    result.data[i] = float(largest) * (1.0f / float(op.getLimit()));
  }
  evaluator.set(op.getResult(), result);
  return success();
}

/// A number as the nearest of the type.
static double roundTo(Type type, double number) {
  auto floating = dyn_cast<FloatType>(type);
  if (!floating)
    return std::nearbyint(number);
  bool inexact;
  APFloat value(number);
  value.convert(floating.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                &inexact);
  return value.convertToDouble();
}

static LogicalResult evaluateOp(Evaluator &evaluator, QuantizeOp op) {
  InterpreterValue x = getRows(evaluator, op.getX(), op.getRows());
  auto type = cast<ShapedType>(op.getResult().getType());
  InterpreterValue result({x.shape[0], x.shape[1], type.getShape().back()});
  for (int64_t i = 0; i < x.getNumRows(); ++i) {
    float factor = 1;
    if (op.getScales()) {
      float scale = evaluator.get(op.getScales()).data[i];
      factor = scale ? 1.0f / scale : 0.0f;
    }
    for (int64_t k = 0; k < x.shape[2]; ++k)
      result.getRow(i)[k] =
          roundTo(type.getElementType(), float(x.getRow(i)[k]) * factor);
  }
  evaluator.set(op.getResult(), result);
  return success();
}

std::optional<LogicalResult> mod::evaluateProductOp(Evaluator &evaluator,
                                                    Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<LogicalResult>>(op)
      .Case<RowScalesOp, QuantizeOp>(
          [&](auto op) { return evaluateOp(evaluator, op); })
      .Default(std::nullopt);
}
