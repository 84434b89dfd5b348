//===- ShapeCloner.cpp - Clone ops for other shapes -------------*- C++ -*-===//
//
// One rule of type inference for each kind of op that a model may hold.
//
//===----------------------------------------------------------------------===//

#include "passes/ShapeCloner.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/Sizes.h"

using namespace mlir;
using namespace mlir::mod;

using Sizes = SmallVector<OpFoldResult>;

static RankedTensorType getTensorType(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

/// The number behind a size: a constant, or the dimension of a static tensor.
static std::optional<int64_t> getStaticSize(OpFoldResult size) {
  if (std::optional<int64_t> constant = getConstantIntValue(size))
    return constant;
  auto dim = cast<Value>(size).getDefiningOp<tensor::DimOp>();
  if (!dim || !dim.getConstantIndex())
    return std::nullopt;
  auto type = getTensorType(dim.getSource());
  if (!type || type.isDynamicDim(*dim.getConstantIndex()))
    return std::nullopt;
  return type.getDimSize(*dim.getConstantIndex());
}

static Sizes simplify(Builder &builder, ArrayRef<OpFoldResult> sizes) {
  return llvm::map_to_vector(sizes, [&](OpFoldResult size) -> OpFoldResult {
    if (std::optional<int64_t> number = getStaticSize(size))
      return builder.getIndexAttr(*number);
    return size;
  });
}

static SmallVector<int64_t> getShape(ArrayRef<OpFoldResult> sizes) {
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  dispatchIndexOpFoldResults(sizes, dynamic, shape);
  return shape;
}

/// The number that all elements of a constant are, or null.
static TypedAttr getSplatNumber(Value value) {
  SplatElementsAttr splat;
  if (!matchPattern(value, m_Constant(&splat)))
    return {};
  return cast<TypedAttr>(splat.getSplatValue<Attribute>());
}

/// A value made of nothing but its size (empty, splat or filled), made again
/// with other sizes; null where it cannot be.
static Value makeWithSizes(OpBuilder &builder, Value value,
                           ArrayRef<OpFoldResult> sizes) {
  auto type = getTensorType(value);
  if (type.getShape() == ArrayRef(getShape(sizes)))
    return value;
  Operation *op = value.getDefiningOp();
  Location loc = value.getLoc();
  if (isa_and_present<tensor::EmptyOp>(op))
    return tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
  if (auto splat = dyn_cast_or_null<tensor::SplatOp>(op))
    return tensor::SplatOp::create(builder, loc, splat.getInput(), sizes);
  // What a splat of static size folds to.
  if (TypedAttr number = getSplatNumber(value))
    return tensor::SplatOp::create(
        builder, loc, arith::ConstantOp::create(builder, loc, number), sizes);
  auto fill = dyn_cast_or_null<linalg::FillOp>(op);
  if (!fill)
    return {};
  Value init = makeWithSizes(builder, fill.getOutputs()[0], sizes);
  if (!init)
    return {};
  return linalg::FillOp::create(builder, loc, fill.getInputs(), init)
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// What changes
//===----------------------------------------------------------------------===//

bool ShapeCloner::isChanged(Value value) {
  return mapping.lookupOrDefault(value).getType() != value.getType();
}

SmallVector<bool> ShapeCloner::getChangedDims(Value value) {
  auto before = getTensorType(value);
  auto after = getTensorType(mapping.lookupOrDefault(value));
  if (!before)
    return {};
  return llvm::map_to_vector(llvm::seq(before.getRank()), [&](int64_t dim) {
    return before.getDimSize(dim) != after.getDimSize(dim);
  });
}

bool ShapeCloner::usesChanged(Operation *op) {
  SetVector<Value> values;
  getUsedValuesDefinedAbove(op->getRegions(), values);
  values.insert_range(op->getOperands());
  return llvm::any_of(values, [&](Value value) { return isChanged(value); });
}

//===----------------------------------------------------------------------===//
// Cloning
//===----------------------------------------------------------------------===//

LogicalResult ShapeCloner::cloneBlock(Block &block) {
  for (Operation &op : block)
    if (failed(clone(&op)))
      return failure();
  return success();
}

LogicalResult ShapeCloner::clone(Operation *op) {
  if (isa<tensor::EmptyOp, tensor::SplatOp>(op))
    return cloneFilled(op), success();
  if (auto routed = dyn_cast<RoutedOp>(op))
    return cloneRouted(routed);
  if (auto experts = dyn_cast<ExpertsOp>(op))
    return cloneExperts(experts);
  if (!usesChanged(op) || isa<tensor::DimOp>(op) ||
      op->hasTrait<OpTrait::ReturnLike>())
    return builder.clone(*op, mapping), success();
  if (isa<ModDialect>(op->getDialect()))
    return cloneModOp(op);
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return cloneLinalg(linalgOp);
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    return cloneConcat(concat);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
    return cloneSlice(slice);
  if (OpTrait::hasElementwiseMappableTraits(op))
    return cloneElementwise(op);
  return op->emitOpError("on a tensor that depends on tokens: the types of its "
                         "results cannot be inferred");
}

LogicalResult ShapeCloner::cloneAs(Operation *op,
                                   ArrayRef<int64_t> resultShape) {
  Operation *clone = builder.clone(*op, mapping);
  for (Value result : clone->getResults())
    result.setType(cast<ShapedType>(result.getType()).clone(resultShape));
  return success();
}

/// Whether an op of a model reads tokens by their place, as fused programs do.
static bool readsPlaces(Operation *op) {
  auto linear = dyn_cast<LinearOp>(op);
  auto inverse = dyn_cast<InverseRMSOp>(op);
  return (linear && !linear.isTokenwise()) || (inverse && inverse.getRows());
}

/// The first operand of each op of a model gives batch and tokens.
LogicalResult ShapeCloner::cloneModOp(Operation *op) {
  if (auto scatter = dyn_cast<ScatterOp>(op); scatter && !scatter.getIndices())
    return cloneAs(
        op, getTensorType(mapping.lookupOrDefault(scatter.getX())).getShape());
  if (!isa<EmbeddingOp, PositionsOp, RMSNormOp, InverseRMSOp, LinearOp, RopeOp,
           AttentionOp, RouterOp, PredictorOp, PoolOp, NoiseOp>(op) ||
      cast<DestinationOpInterface>(op).getInto() || readsPlaces(op))
    return op->emitOpError("is not part of the functional form of a model");
  auto input = getTensorType(mapping.lookupOrDefault(op->getOperand(0)));
  SmallVector<int64_t> shape(getTensorType(op->getResult(0)).getShape());
  llvm::copy(input.getShape().take_front(2), shape.begin());
  return cloneAs(op, shape);
}

/// Clones a region of routed tokens for as many tokens as `shape` says.
LogicalResult ShapeCloner::cloneRegion(Region &region, Region &into,
                                       ArrayRef<int64_t> shape) {
  Block &block = region.front();
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&into);
  for (BlockArgument argument : block.getArguments()) {
    RankedTensorType before = getTensorType(argument);
    ArrayRef<int64_t> sizes = shape.take_front(before.getRank());
    body->addArgument(before.clone(sizes), argument.getLoc());
  }
  mapping.map(block.getArguments(), body->getArguments());
  startRegion(block, *body);
  return cloneBlock(block);
}

LogicalResult ShapeCloner::cloneRouted(RoutedOp routed) {
  auto clone =
      cast<RoutedOp>(builder.insert(routed->cloneWithoutRegions(mapping)));
  auto type = getTensorType(clone.getX());
  clone.getResult().setType(type);
  if (Value members = clone.getMembers())
    members.setType(clone.getScores().getType());

  SmallVector<int64_t> shape(type.getShape());
  int64_t tokens = shape[1];
  shape[1] = getRoutedTokens(routed);
  if (failed(cloneRegion(routed.getBody(), clone.getBody(), shape)))
    return failure();
  if (!routed.getBypass().empty()) {
    bool isShare = !type.isDynamicDim(1) && shape[1] < tokens;
    shape[1] = isShare ? tokens - shape[1] : shape[1];
    if (failed(cloneRegion(routed.getBypass(), clone.getBypass(), shape)))
      return failure();
  }
  return finishRouted(clone);
}

LogicalResult ShapeCloner::cloneExperts(ExpertsOp experts) {
  auto clone =
      cast<ExpertsOp>(builder.insert(experts->cloneWithoutRegions(mapping)));
  auto type = getTensorType(clone.getX());
  clone.getResult().setType(type);
  SmallVector<int64_t> shape(type.getShape());
  shape[1] = getExpertTokens(experts);
  for (auto [expert, into] :
       llvm::zip_equal(experts.getExperts(), clone.getExperts()))
    if (failed(cloneRegion(expert, into, shape)))
      return failure();
  finishExperts(clone);
  return success();
}

void ShapeCloner::cloneFilled(Operation *op) {
  Operation *clone = builder.clone(*op, mapping);
  auto type = getTensorType(op->getResult(0));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(clone);
  Sizes sizes;
  if (auto empty = dyn_cast<tensor::EmptyOp>(clone))
    sizes = empty.getMixedSizes();
  else
    sizes =
        getMixedValues(type.getShape(),
                       cast<tensor::SplatOp>(clone).getDynamicSizes(), builder);
  sizes = simplify(builder, sizes);
  Value value = makeWithSizes(builder, clone->getResult(0), sizes);
  mapping.map(op->getResult(0), value);
  if (value != clone->getResult(0))
    clone->erase();
}

LogicalResult ShapeCloner::cloneElementwise(Operation *op) {
  Value reference;
  for (Value operand : op->getOperands())
    if (!reference && isChanged(operand))
      reference = mapping.lookup(operand);
  Operation *clone = builder.clone(*op, mapping);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(clone);
  Sizes sizes = getSizes(builder, op->getLoc(), reference);
  for (OpOperand &operand : clone->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    Value value = makeWithSizes(builder, operand.get(), sizes);
    if (!value)
      return op->emitOpError("operand #")
             << operand.getOperandNumber() << " becomes "
             << operand.get().getType() << " beside " << reference.getType();
    operand.set(value);
  }
  for (Value result : clone->getResults())
    result.setType(getTensorType(result).clone(getShape(sizes)));
  return success();
}

/// The sizes of an init as the inputs that share its loops give them.
static Sizes getInitSizes(OpBuilder &builder, linalg::LinalgOp op,
                          OpOperand *init) {
  Sizes sizes = getSizes(builder, op.getLoc(), init->get());
  AffineMap map = op.getMatchingIndexingMap(init);
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap inputMap = op.getMatchingIndexingMap(input);
    for (auto [dim, expr] : llvm::enumerate(inputMap.getResults()))
      for (auto [initDim, initExpr] : llvm::enumerate(map.getResults()))
        if (expr == initExpr && isa<AffineDimExpr>(expr))
          sizes[initDim] = getSize(builder, op.getLoc(), input->get(), dim);
  }
  return sizes;
}

LogicalResult ShapeCloner::cloneLinalg(linalg::LinalgOp op) {
  if (failed(checkLinalg(op)))
    return failure();
  auto clone = cast<linalg::LinalgOp>(builder.clone(*op, mapping));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(clone);
  for (OpOperand &init : clone.getDpsInitsMutable()) {
    Sizes sizes = getInitSizes(builder, clone, &init);
    Value value = makeWithSizes(builder, init.get(), sizes);
    if (!value)
      return op.emitOpError("init cannot be made with the shape of its inputs");
    init.set(value);
    clone->getResult(clone.getTiedOpResult(&init).getResultNumber())
        .setType(value.getType());
  }
  return success();
}

LogicalResult ShapeCloner::cloneConcat(tensor::ConcatOp op) {
  for (Value input : op.getInputs())
    if (getChangedDims(input)[op.getDim()])
      return op.emitOpError("joins tensors along their tokens");
  auto clone = cast<tensor::ConcatOp>(builder.clone(*op, mapping));
  clone.getResult().setType(tensor::ConcatOp::inferResultType(
      op.getDim(), clone.getInputs().getTypes()));
  return success();
}

/// Whether a slice takes all of a dimension, before or after it changes.
static bool isWhole(tensor::ExtractSliceOp op, OpFoldResult size,
                    OpFoldResult whole, int64_t dim) {
  if (op.isDynamicSize(dim))
    return getStaticSize(size) && getStaticSize(size) == getStaticSize(whole);
  return op.getStaticSize(dim) == op.getSourceType().getDimSize(dim);
}

/// A slice must be whole along the dimensions that change.
LogicalResult ShapeCloner::cloneSlice(tensor::ExtractSliceOp op) {
  SmallVector<bool> changed = getChangedDims(op.getSource());
  if (op.getSourceType().getRank() != op.getType().getRank())
    return op.emitOpError(
        "drops dimensions of a tensor that depends on tokens");
  auto clone = cast<tensor::ExtractSliceOp>(builder.clone(*op, mapping));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(clone);
  Sizes sizes = simplify(builder, clone.getMixedSizes());
  for (auto [dim, isChangedDim] : llvm::enumerate(changed)) {
    if (!isChangedDim)
      continue;
    OpFoldResult whole = getSize(builder, op.getLoc(), clone.getSource(), dim);
    if (!isWhole(op, sizes[dim], whole, dim) ||
        !isZeroInteger(clone.getMixedOffsets()[dim]))
      return op.emitOpError("takes some of the tokens");
    sizes[dim] = whole;
  }
  mapping.map(op.getResult(),
              tensor::ExtractSliceOp::create(
                  builder, op.getLoc(), clone.getSource(),
                  clone.getMixedOffsets(), sizes, clone.getMixedStrides())
                  .getResult());
  clone.erase();
  return success();
}
