//===- Elementwise.cpp - What elementwise ops compute -----------*- C++ -*-===//
//
// Follows an element from op to op, in and out of the bodies of linalg.map.
//
//===----------------------------------------------------------------------===//

#include "passes/Elementwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
/// Sees through the bodies of maps; remembers the ops on tensors it passed.
class Expression {
public:
  /// The op that computes an element of `value`, or null.
  Operation *getOp(Value value);
  /// The tensor that elements of `value` are of.
  Value getTensor(Value value);

  /// The operands of an op of kind `OpTy`, or nothing.
  template <typename OpTy>
  SmallVector<Value> match(Value value) {
    auto op = dyn_cast_or_null<OpTy>(getOp(value));
    return op ? SmallVector<Value>(op->getOperands()) : SmallVector<Value>();
  }

  bool isConstant(Value value, double number);

  SetVector<Operation *> ops;
};

/// The numerators and denominators of a product.
struct Product {
  SmallVector<Value> over, under;
};
} // namespace

/// The op as one that computes each element from those in the same place.
static linalg::LinalgOp getMap(Operation *op) {
  auto map = dyn_cast_or_null<linalg::LinalgOp>(op);
  bool isMap = map && map.hasPureTensorSemantics() &&
               map.getNumDpsInits() == 1 && map.getNumDpsInputs() > 0 &&
               llvm::all_of(map.getIndexingMapsArray(), [](AffineMap indices) {
                 return indices.isIdentity();
               });
  return isMap ? map : linalg::LinalgOp();
}

Value Expression::getTensor(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument)
    return value;
  linalg::LinalgOp map = getMap(argument.getOwner()->getParentOp());
  if (!map || argument.getArgNumber() >= map.getNumDpsInputs())
    return value;
  return map->getOperand(argument.getArgNumber());
}

Operation *Expression::getOp(Value value) {
  value = getTensor(value);
  Operation *op = value.getDefiningOp();
  linalg::LinalgOp map = getMap(op);
  if (op && isa<RankedTensorType>(value.getType()) &&
      (map || OpTrait::hasElementwiseMappableTraits(op)))
    ops.insert(op);
  return map ? getOp(map.getBlock()->getTerminator()->getOperand(0)) : op;
}

bool Expression::isConstant(Value value, double number) {
  value = getTensor(value);
  Operation *op = value.getDefiningOp();
  if (auto splat = dyn_cast_or_null<tensor::SplatOp>(op))
    value = splat.getInput();
  if (auto fill = dyn_cast_or_null<linalg::FillOp>(op))
    value = fill.getInputs()[0];
  APFloat constant(0.0f);
  return matchPattern(value, m_ConstantFloat(&constant)) &&
         constant.convertToDouble() == number;
}

/// The value whose negative `value` is, or null.
static Value matchNegated(Expression &e, Value value) {
  if (SmallVector<Value> operands = e.match<arith::NegFOp>(value);
      !operands.empty())
    return operands[0];
  SmallVector<Value> difference = e.match<arith::SubFOp>(value);
  if (!difference.empty() && e.isConstant(difference[0], 0))
    return difference[1];
  SmallVector<Value> product = e.match<arith::MulFOp>(value);
  for (unsigned i : llvm::seq<unsigned>(0, product.size()))
    if (e.isConstant(product[i], -1))
      return product[1 - i];
  return {};
}

/// The tensor x where `value` is `1 + exp(-x)`, or null.
static Value matchSigmoidDenominator(Expression &e, Value value) {
  SmallVector<Value> sum = e.match<arith::AddFOp>(value);
  for (unsigned i : llvm::seq<unsigned>(0, sum.size())) {
    SmallVector<Value> exponent = e.match<math::ExpOp>(sum[i]);
    if (exponent.empty() || !e.isConstant(sum[1 - i], 1))
      continue;
    if (Value negated = matchNegated(e, exponent[0]))
      return e.getTensor(negated);
  }
  return {};
}

static void collectFactors(Expression &e, Value value, Product &product) {
  if (SmallVector<Value> factors = e.match<arith::MulFOp>(value);
      !factors.empty()) {
    for (Value factor : factors)
      collectFactors(e, factor, product);
  } else if (SmallVector<Value> quotient = e.match<arith::DivFOp>(value);
             !quotient.empty()) {
    collectFactors(e, quotient[0], product);
    product.under.push_back(quotient[1]);
  } else if (!e.isConstant(value, 1)) {
    product.over.push_back(e.getTensor(value));
  }
}

std::optional<GatedProduct> mod::matchGatedProduct(Value tensor) {
  Expression e;
  Product product;
  collectFactors(e, tensor, product);
  if (product.over.size() != 2 || product.under.size() != 1)
    return std::nullopt;
  Value gate = matchSigmoidDenominator(e, product.under[0]);
  auto [first, second] = std::pair(product.over[0], product.over[1]);
  if (!gate || (gate != first && gate != second) ||
      first.getType() != tensor.getType() ||
      second.getType() != tensor.getType())
    return std::nullopt;
  return GatedProduct{gate, gate == first ? second : first, e.ops};
}

std::optional<std::pair<Value, Value>> mod::matchSum(Value tensor) {
  Expression e;
  SmallVector<Value> sum = e.match<arith::AddFOp>(tensor);
  if (sum.empty())
    return std::nullopt;
  auto [a, b] = std::pair(e.getTensor(sum[0]), e.getTensor(sum[1]));
  if (a.getType() != tensor.getType() || b.getType() != tensor.getType())
    return std::nullopt;
  return std::pair(a, b);
}

Value mod::createSilu(OpBuilder &builder, Location loc, Value x, Value init,
                      Value factor) {
  Value one = arith::ConstantOp::create(
      builder, loc, builder.getFloatAttr(getElementTypeOrSelf(x), 1.0));
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    Value negated = arith::NegFOp::create(b, loc, args[0]);
    Value exp = math::ExpOp::create(b, loc, negated);
    Value denominator = arith::AddFOp::create(b, loc, exp, one);
    Value result = arith::DivFOp::create(b, loc, args[0], denominator);
    if (factor)
      result = arith::MulFOp::create(b, loc, result, args[1]);
    linalg::YieldOp::create(b, loc, result);
  };
  SmallVector<Value> inputs{x};
  if (factor)
    inputs.push_back(factor);
  return linalg::MapOp::create(builder, loc, inputs, init, body)->getResult(0);
}

Value mod::createTest(OpBuilder &builder, Location loc, Value number,
                      ThresholdAttr threshold) {
  bool isInclusive = threshold && threshold.getInclusive();
  double value = threshold ? threshold.getValue().getValueAsDouble() : 0.0;
  Value least =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
  return arith::CmpFOp::create(builder, loc,
                               isInclusive ? arith::CmpFPredicate::OGE
                                           : arith::CmpFPredicate::OGT,
                               number, least);
}
