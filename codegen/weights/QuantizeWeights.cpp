//===- QuantizeWeights.cpp - Products in narrower types ---------*- C++ -*-===//
//
// Says with linalg how weights become narrower floats or integers, and makes
// products read them.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/weights/ParameterValues.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/StringSwitch.h"

namespace mlir::mod {
#define GEN_PASS_DEF_QUANTIZEWEIGHTSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;
using utils::IteratorType;

/// The largest magnitudes of the integers: in eight bits, on either side; in
/// four bits, on the negative side; of inputs of weights in four bits.
static constexpr int64_t kByteLimit = 127, kNibbleLimit = 8,
                         kShortLimit = 32767;

namespace {
/// A weight in a narrower type.
struct NarrowWeight {
  Value weight;
  Value scales;
};

struct QuantizeWeightsPass
    : mod::impl::QuantizeWeightsPassBase<QuantizeWeightsPass> {
  using QuantizeWeightsPassBase::QuantizeWeightsPassBase;

  void runOnOperation() override;

private:
  void quantize(LinearOp op);
  NarrowWeight getNarrow(Value weight);
  NarrowWeight makeNarrow(ImplicitLocOpBuilder &builder, Value weight);
  Value addRowScales(LinearOp op, OpBuilder &builder);
  void quantizeInput(LinearOp op);

  llvm::DenseMap<Value, NarrowWeight> narrow;
};
} // namespace

static remark::RemarkOpts remarkOpts(func::FuncOp func) {
  return remark::RemarkOpts::name("QuantizeWeights")
      .category(QuantizeWeightsPass::getArgumentName())
      .function(func.getSymName());
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

static RankedTensorType getType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

static Value makeNumber(ImplicitLocOpBuilder &b, double number) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(number));
}

/// Of all numbers along the last dimension of `values` the one of the largest
/// magnitude; without `keepSign` the magnitude itself.
static Value makeExtremes(ImplicitLocOpBuilder &b, Value values,
                          bool keepSign) {
  RankedTensorType type = getType(values);
  unsigned rank = type.getRank();
  Value empty = tensor::EmptyOp::create(b, type.getShape().drop_back(),
                                        type.getElementType());
  Value init = linalg::FillOp::create(b, makeNumber(b, 0), empty).getResult(0);
  AffineMap all = b.getMultiDimIdentityMap(rank);
  SmallVector<IteratorType> iterators(rank, IteratorType::parallel);
  iterators.back() = IteratorType::reduction;
  return linalg::GenericOp::create(
             b, init.getType(), values, init,
             ArrayRef<AffineMap>{all, all.dropResult(rank - 1)}, iterators,
             [&](OpBuilder &inner, Location loc, ValueRange args) {
               ImplicitLocOpBuilder b(loc, inner);
               Value magnitude = math::AbsFOp::create(b, args[0]);
               Value before = math::AbsFOp::create(b, args[1]);
               Value larger = arith::CmpFOp::create(
                   b, arith::CmpFPredicate::OGT, magnitude, before);
               Value result = arith::SelectOp::create(
                   b, larger, keepSign ? args[0] : magnitude, args[1]);
               linalg::YieldOp::create(b, result);
             })
      .getResult(0);
}

static Value scaleBy(ImplicitLocOpBuilder &b, Value values, double factor) {
  Value factors = arith::ConstantOp::create(
      b, DenseElementsAttr::get(getType(values), float(factor)));
  return arith::MulFOp::create(b, values, factors);
}

/// `round(number / scale)` as an i8 in `[low, high]`, 0 for a scale of 0.
static Value makeInteger(ImplicitLocOpBuilder &b, Value number, Value scale,
                         double low, double high) {
  Value one = makeNumber(b, 1), zero = makeNumber(b, 0);
  Value inverse = arith::DivFOp::create(b, one, scale);
  Value normal = arith::CmpFOp::create(
      b, arith::CmpFPredicate::OGE, math::AbsFOp::create(b, scale),
      makeNumber(b, std::numeric_limits<float>::min()));
  Value factor = arith::SelectOp::create(b, normal, inverse, zero);
  Value rounded =
      math::RoundEvenOp::create(b, arith::MulFOp::create(b, number, factor));
  Value least = arith::MaxNumFOp::create(b, rounded, makeNumber(b, low));
  Value clamped = arith::MinNumFOp::create(b, least, makeNumber(b, high));
  return arith::FPToSIOp::create(b, b.getI8Type(), clamped);
}

/// The integers of a weight, whose scale for element `[n, k]` `scaleMap` finds.
static Value makeIntegers(ImplicitLocOpBuilder &b, Value weight, Value scales,
                          AffineMap scaleMap, double low, double high) {
  RankedTensorType type = getType(weight);
  Value empty = tensor::EmptyOp::create(b, type.getShape(), b.getI8Type());
  AffineMap all = b.getMultiDimIdentityMap(2);
  SmallVector<IteratorType> iterators(2, IteratorType::parallel);
  return linalg::GenericOp::create(
             b, empty.getType(), ValueRange{weight, scales}, empty,
             ArrayRef<AffineMap>{all, scaleMap, all}, iterators,
             [&](OpBuilder &inner, Location loc, ValueRange args) {
               ImplicitLocOpBuilder b(loc, inner);
               linalg::YieldOp::create(
                   b, makeInteger(b, args[0], args[1], low, high));
             })
      .getResult(0);
}

/// One scale for each output.
static NarrowWeight makeBytes(ImplicitLocOpBuilder &b, Value weight) {
  Value scales =
      scaleBy(b, makeExtremes(b, weight, /*keepSign=*/false), 1.0 / kByteLimit);
  AffineMap byOutput = b.getMultiDimIdentityMap(2).dropResult(1);
  return {makeIntegers(b, weight, scales, byOutput, -kByteLimit, kByteLimit),
          scales};
}

/// One scale for each group of inputs of an output. There is one more negative
/// number than there are positive ones: it stands for the extreme.
static NarrowWeight makeNibbles(ImplicitLocOpBuilder &b, Value weight) {
  RankedTensorType type = getType(weight);
  int64_t outputs = type.getDimSize(0), group = LinearOp::kGroup;
  int64_t groups = llvm::divideCeil(type.getDimSize(1), group);
  std::optional<Value> padding;
  if (type.getDimSize(1) % group)
    padding = makeNumber(b, 0);
  Value empty = tensor::EmptyOp::create(
      b, ArrayRef<int64_t>{outputs, groups, group}, type.getElementType());
  const int64_t inputs = 1;
  const OpFoldResult tile = b.getIndexAttr(group);
  Value grouped = linalg::PackOp::create(b, b.getLoc(), weight, empty, inputs,
                                         tile, padding)
                      .getResult();
  Value scales = scaleBy(b, makeExtremes(b, grouped, /*keepSign=*/true),
                         -1.0 / kNibbleLimit);
  AffineExpr n = b.getAffineDimExpr(0), k = b.getAffineDimExpr(1);
  AffineMap byGroup =
      AffineMap::get(2, 0, {n, k.floorDiv(group)}, b.getContext());
  return {
      makeIntegers(b, weight, scales, byGroup, -kNibbleLimit, kNibbleLimit - 1),
      scales};
}

/// The float that products are in; null for integers.
static Type getFloat(Builder &builder, StringRef dtype) {
  return llvm::StringSwitch<Type>(dtype)
      .Case("bf16", builder.getBF16Type())
      .Case("f16", builder.getF16Type())
      .Default(Type());
}

NarrowWeight QuantizeWeightsPass::makeNarrow(ImplicitLocOpBuilder &builder,
                                             Value weight) {
  if (dtype == "i8")
    return makeBytes(builder, weight);
  if (dtype == "i4")
    return makeNibbles(builder, weight);
  Type type = getType(weight).clone(getFloat(builder, dtype));
  return {arith::TruncFOp::create(builder, type, weight), Value()};
}

NarrowWeight QuantizeWeightsPass::getNarrow(Value weight) {
  auto [entry, isNew] = narrow.try_emplace(weight);
  if (!isNew)
    return entry->second;
  OpBuilder outer(&getContext());
  outer.setInsertionPointAfterValue(weight);
  ImplicitLocOpBuilder builder(weight.getLoc(), outer);
  NarrowWeight result = makeNarrow(builder, weight);
  remark::passed(weight.getLoc(), remarkOpts(getOperation()))
      << "weight quantized" << remark::metric("dtype", dtype.getValue())
      << remark::metric("outputs", getType(weight).getDimSize(0))
      << remark::metric("inputs", getType(weight).getDimSize(1));
  return narrow[weight] = result;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// The factors of the input's integers; they join those that the product has.
Value QuantizeWeightsPass::addRowScales(LinearOp op, OpBuilder &builder) {
  int64_t limit = dtype == "i8" ? kByteLimit : kShortLimit;
  Location loc = op.getLoc();
  Value scales =
      RowScalesOp::create(builder, loc, op.getInput(), op.getRows(), limit)
          .getResult();
  Value factors = scales;
  if (Value before = op.getRowScales())
    factors = arith::MulFOp::create(builder, loc, scales, before);
  op.getRowScalesMutable().assign(factors);
  return scales;
}

/// Gives the product its input in the type that the weights ask for.
void QuantizeWeightsPass::quantizeInput(LinearOp op) {
  OpBuilder builder(op);
  Type element = getFloat(builder, dtype);
  if (element && !narrowInputs)
    return;
  Value scales;
  if (!element) {
    scales = addRowScales(op, builder);
    element = dtype == "i8" && narrowInputs ? builder.getI8Type()
                                            : builder.getI16Type();
  }
  auto input =
      QuantizeOp::create(builder, op.getLoc(), op.getInput(), op.getRows(),
                         scales, element, op.getNumInputs());
  op.getRowsMutable().clear();
  op.getInputMutable().assign(input.getResult());
}

void QuantizeWeightsPass::quantize(LinearOp op) {
  if (dtype == "tf32")
    return op->setAttr(kTF32Attr, UnitAttr::get(&getContext()));
  NarrowWeight weight = getNarrow(op.getWeight());
  quantizeInput(op);
  op.getWeightMutable().assign(weight.weight);
  if (weight.scales)
    op.getScalesMutable().assign(weight.scales);
}

/// Why a product stays as it is; empty where it does not.
static StringRef getObstacle(LinearOp op, ParameterValues &parameters) {
  auto isF32 = [](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getElementType().isF32();
  };
  if (op.isPacked() || !isF32(op.getWeight()) || !isF32(op.getInput()))
    return "input and weight are not plain tensors of f32";
  if (llvm::any_of(op->getUsers(), llvm::IsaPred<SharesOp>))
    return "who goes to which expert is decided in f32";
  if (!parameters.contains(op.getWeight()))
    return "weight is not computed from parameters alone";
  return "";
}

void QuantizeWeightsPass::runOnOperation() {
  if (dtype == "f32")
    return;
  if (!llvm::is_contained({"tf32", "bf16", "f16", "i8", "i4"},
                          dtype.getValue())) {
    getOperation().emitError() << "option 'dtype' is '" << dtype
                               << "', expected f32, tf32, bf16, f16, i8 or i4";
    return signalPassFailure();
  }
  narrow.clear();
  ParameterValues parameters;
  SmallVector<LinearOp> products;
  getOperation().walk([&](LinearOp op) { products.push_back(op); });
  for (LinearOp op : products) {
    StringRef obstacle = getObstacle(op, parameters);
    if (obstacle.empty())
      quantize(op);
    else
      remark::missed(op.getLoc(), remarkOpts(getOperation()))
          << "product stays in f32" << remark::reason("{0}", obstacle.str());
  }
}
