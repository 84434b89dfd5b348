//===- ElementwiseOps.cpp - The meaning of arith and math ops ---*- C++ -*-===//
//
// One number at a time, on numbers, on tensors and in linalg.map.
//
//===----------------------------------------------------------------------===//

#include "dialect/interpreter/Evaluator.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

using Numbers = ArrayRef<double>;

static bool compare(arith::CmpFPredicate predicate, double a, double b) {
  switch (predicate) {
  case arith::CmpFPredicate::OGT:
    return a > b;
  case arith::CmpFPredicate::OGE:
    return a >= b;
  case arith::CmpFPredicate::OLT:
    return a < b;
  case arith::CmpFPredicate::OLE:
    return a <= b;
  case arith::CmpFPredicate::OEQ:
    return a == b;
  default:
    llvm_unreachable("checked before");
  }
}

static bool isOrdered(arith::CmpFOp op) {
  return op.getPredicate() >= arith::CmpFPredicate::OEQ &&
         op.getPredicate() <= arith::CmpFPredicate::OLE;
}

/// What a comparison of signed integers says, or null.
static std::function<double(Numbers)> getComparison(arith::CmpIOp op) {
  switch (op.getPredicate()) {
  case arith::CmpIPredicate::eq:
    return [](Numbers x) { return x[0] == x[1]; };
  case arith::CmpIPredicate::slt:
    return [](Numbers x) { return x[0] < x[1]; };
  case arith::CmpIPredicate::sle:
    return [](Numbers x) { return x[0] <= x[1]; };
  case arith::CmpIPredicate::sgt:
    return [](Numbers x) { return x[0] > x[1]; };
  case arith::CmpIPredicate::sge:
    return [](Numbers x) { return x[0] >= x[1]; };
  default:
    return nullptr;
  }
}

/// What the op does to numbers, or null.
static std::function<double(Numbers)> getFunction(Operation *op) {
  using Function = std::function<double(Numbers)>;
  if (auto cmp = dyn_cast<arith::CmpFOp>(op); cmp && isOrdered(cmp))
    return [cmp](Numbers x) mutable {
      return compare(cmp.getPredicate(), x[0], x[1]);
    };
  if (auto cmp = dyn_cast<arith::CmpIOp>(op))
    return getComparison(cmp);
  return llvm::TypeSwitch<Operation *, Function>(op)
      .Case<arith::ExtFOp, arith::IndexCastOp, arith::SIToFPOp, arith::ExtSIOp>(
          [](auto) { return [](Numbers x) { return x[0]; }; })
      .Case<arith::AddFOp, arith::AddIOp>(
          [](auto) { return [](Numbers x) { return x[0] + x[1]; }; })
      .Case<arith::SubFOp, arith::SubIOp>(
          [](auto) { return [](Numbers x) { return x[0] - x[1]; }; })
      .Case<arith::MulFOp, arith::MulIOp>(
          [](auto) { return [](Numbers x) { return x[0] * x[1]; }; })
      .Case([](arith::AndIOp) {
        return [](Numbers x) { return int64_t(x[0]) & int64_t(x[1]); };
      })
      .Case([](arith::DivFOp) { return [](Numbers x) { return x[0] / x[1]; }; })
      .Case([](arith::NegFOp) { return [](Numbers x) { return -x[0]; }; })
      .Case<arith::MaximumFOp, arith::MaxSIOp>(
          [](auto) { return [](Numbers x) { return std::max(x[0], x[1]); }; })
      .Case<arith::MinimumFOp, arith::MinSIOp>(
          [](auto) { return [](Numbers x) { return std::min(x[0], x[1]); }; })
      .Case([](arith::SelectOp) {
        return [](Numbers x) { return x[0] ? x[1] : x[2]; };
      })
      .Case(
          [](math::ExpOp) { return [](Numbers x) { return std::exp(x[0]); }; })
      .Case([](math::TanhOp) {
        return [](Numbers x) { return std::tanh(x[0]); };
      })
      .Case(
          [](math::ErfOp) { return [](Numbers x) { return std::erf(x[0]); }; })
      .Case([](math::AbsFOp) {
        return [](Numbers x) { return std::fabs(x[0]); };
      })
      .Case(
          [](math::LogOp) { return [](Numbers x) { return std::log(x[0]); }; })
      .Case([](math::Log1pOp) {
        return [](Numbers x) { return std::log1p(x[0]); };
      })
      .Case([](math::SqrtOp) {
        return [](Numbers x) { return std::sqrt(x[0]); };
      })
      .Case([](math::RsqrtOp) {
        return [](Numbers x) { return 1.0 / std::sqrt(x[0]); };
      })
      .Default(Function());
}

static LogicalResult evaluateElements(Evaluator &evaluator, Operation *op,
                                      std::function<double(Numbers)> function) {
  InterpreterValue result = evaluator.get(op->getOperand(0));
  for (Value operand : op->getOperands()) {
    // A scalar condition of a select holds for all elements.
    const InterpreterValue &value = evaluator.get(operand);
    if (!value.shape.empty())
      result.shape = value.shape;
  }
  result.data.resize(ShapedType::getNumElements(result.shape));
  for (Value operand : op->getOperands())
    if (const InterpreterValue &value = evaluator.get(operand);
        !value.shape.empty() && value.shape != result.shape)
      return op->emitError("operands have different shapes");
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(op->getResult(0)));
  for (size_t i = 0; i < result.data.size(); ++i) {
    auto numbers = llvm::map_to_vector(op->getOperands(), [&](Value operand) {
      const InterpreterValue &value = evaluator.get(operand);
      return value.data[value.shape.empty() ? 0 : i];
    });
    double number = function(numbers);
    result.data[i] = isFloat ? double(float(number)) : number;
  }
  evaluator.set(op->getResult(0), result);
  return success();
}

/// The elements of a constant.
static FailureOr<InterpreterValue> getConstant(Operation *op, Attribute attr) {
  if (auto number = dyn_cast<FloatAttr>(attr))
    return InterpreterValue(number.getValueAsDouble());
  if (auto number = dyn_cast<IntegerAttr>(attr))
    return InterpreterValue(number.getValue().getBitWidth() == 1
                                ? double(number.getValue().getBoolValue())
                                : double(number.getInt()));
  return failure();
}

static LogicalResult evaluateMap(Evaluator &evaluator, linalg::MapOp op) {
  InterpreterValue result = evaluator.get(op.getInit());
  if (!op.getInputs().empty())
    result = InterpreterValue(evaluator.get(op.getInputs()[0]).shape);
  for (size_t i = 0; i < result.data.size(); ++i) {
    SmallVector<InterpreterValue> numbers;
    for (Value input : op.getInputs())
      numbers.push_back(evaluator.get(input).data[i]);
    if (numbers.size() < op.getMapper().getNumArguments())
      numbers.push_back(result.data[i]);
    auto yielded = evaluator.run(op.getMapper().front(), numbers);
    if (failed(yielded))
      return failure();
    result.data[i] = yielded->front().data.front();
  }
  evaluator.set(op->getResult(0), result);
  return success();
}

std::optional<LogicalResult> mod::evaluateElementwiseOp(Evaluator &evaluator,
                                                        Operation *op) {
  if (auto map = dyn_cast<linalg::MapOp>(op))
    return evaluateMap(evaluator, map);
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    FailureOr<InterpreterValue> value = getConstant(op, constant.getValue());
    if (failed(value))
      return std::nullopt;
    evaluator.set(constant, *value);
    return success();
  }
  if (std::function<double(Numbers)> function = getFunction(op))
    return evaluateElements(evaluator, op, function);
  return std::nullopt;
}
