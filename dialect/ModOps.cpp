//===- ModOps.cpp - Operations of the mod dialect ---------------*- C++ -*-===//
//
// Builders, effects and bounds. The rules are in ModVerifiers.cpp, the syntax
// that TableGen cannot say is in Assembly.cpp.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "dialect/Assembly.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

int64_t mod::getCapacityCount(Attribute capacity, int64_t tokens) {
  if (auto count = dyn_cast<IntegerAttr>(capacity))
    return std::min(count.getInt(), tokens);
  if (auto rounded = dyn_cast<RoundedAttr>(capacity)) {
    double share = rounded.getRatio().getValueAsDouble() * double(tokens);
    bool isUp = rounded.getRounding() == Rounding::ceil;
    return std::max<int64_t>(1,
                             isUp ? std::ceil(share) : std::floor(share + 0.5));
  }
  double ratio = cast<FloatAttr>(capacity).getValueAsDouble();
  return std::max<int64_t>(1, std::floor(ratio * double(tokens)));
}

#define GET_OP_CLASSES
#include "dialect/ModOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Builders
//===----------------------------------------------------------------------===//

/// The type of per-token values with the batch and tokens of `like` and a
/// width of their own, or none.
static RankedTensorType perToken(Value like, Type element,
                                 std::optional<int64_t> width = std::nullopt) {
  auto shaped = cast<RankedTensorType>(like.getType());
  SmallVector<int64_t> shape(shaped.getShape().take_front(2));
  if (width)
    shape.push_back(*width);
  return RankedTensorType::get(shape, element);
}

static int64_t getDim(Value value, unsigned dim) {
  return cast<ShapedType>(value.getType()).getDimSize(dim);
}

static Type getElement(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
}

void EmbeddingOp::build(OpBuilder &builder, OperationState &state, Value tokens,
                        Value table) {
  build(builder, state, perToken(tokens, getElement(table), getDim(table, 1)),
        tokens, table, /*into=*/Value());
}

void PositionsOp::build(OpBuilder &builder, OperationState &state, Value tokens,
                        Value start) {
  build(builder, state, tokens.getType(), tokens, start, /*into=*/Value());
}

static IntegerAttr getOptionalInt(OpBuilder &builder,
                                  std::optional<int64_t> value) {
  return value ? builder.getI64IntegerAttr(*value) : IntegerAttr();
}

void RMSNormOp::build(OpBuilder &builder, OperationState &state, Value x,
                      Value scale, double eps, std::optional<int64_t> heads) {
  build(builder, state, x.getType(), x, scale, builder.getF64FloatAttr(eps),
        getOptionalInt(builder, heads), /*into=*/Value());
}

void InverseRMSOp::build(OpBuilder &builder, OperationState &state, Value x,
                         double eps) {
  build(builder, state, perToken(x, builder.getF32Type()), x, /*rows=*/Value(),
        builder.getF64FloatAttr(eps), /*into=*/Value());
}

void LinearOp::build(OpBuilder &builder, OperationState &state, Value input,
                     Value weight, Value bias) {
  build(builder, state, perToken(input, getElement(input), getDim(weight, 0)),
        input, weight, /*rows=*/Value(), /*scales=*/Value(),
        /*row_scales=*/Value(), bias,
        /*glu=*/ActivationAttr(), /*addend=*/Value(), /*gate=*/GateAttr(),
        /*scores=*/Value(), /*accumulate=*/UnitAttr(), /*into=*/Value(),
        /*indices=*/Value());
}

void RowScalesOp::build(OpBuilder &builder, OperationState &state, Value x,
                        Value rows, int64_t limit) {
  build(builder, state, perToken(rows ? rows : x, builder.getF32Type()), x,
        rows, builder.getI64IntegerAttr(limit), /*into=*/Value());
}

void QuantizeOp::build(OpBuilder &builder, OperationState &state, Value x,
                       Value rows, Value scales, Type element, int64_t width) {
  build(builder, state, perToken(rows ? rows : x, element, width), x, rows,
        scales, /*into=*/Value());
}

void NoiseOp::build(OpBuilder &builder, OperationState &state, Value positions,
                    int64_t seed) {
  build(builder, state, perToken(positions, builder.getF32Type()), positions,
        builder.getI64IntegerAttr(seed), /*into=*/Value());
}

void SoftmaxOp::build(OpBuilder &builder, OperationState &state, Value scores,
                      Value indices) {
  build(builder, state, scores.getType(), scores, indices, /*into=*/Value());
}

void PoolOp::build(OpBuilder &builder, OperationState &state, Pooling pooling,
                   Value scores) {
  build(builder, state, scores.getType(), pooling, scores, /*into=*/Value());
}

void LatchOp::build(OpBuilder &builder, OperationState &state, Value scores,
                    Value latch, Value sequences, Value start) {
  build(builder, state, scores.getType(), scores, latch, sequences, start,
        /*into=*/Value());
}

void SharesOp::build(OpBuilder &builder, OperationState &state, Value logits,
                     IntegerAttr top, GateAttr gate) {
  auto type = cast<RankedTensorType>(logits.getType());
  build(
      builder, state,
      type.clone({type.getDimSize(2), type.getDimSize(0), type.getDimSize(1)}),
      logits, top, gate, /*into=*/Value());
}

void RopeOp::build(OpBuilder &builder, OperationState &state, Value x,
                   Value positions, int64_t heads, double theta,
                   RopeScalingAttr scaling) {
  build(builder, state, x.getType(), x, positions,
        builder.getI64IntegerAttr(heads), builder.getF64FloatAttr(theta),
        scaling, /*into=*/Value());
}

void AttentionOp::build(OpBuilder &builder, OperationState &state, Value query,
                        Value key, Value value, Value positions,
                        Value ownPositions, int64_t heads, int64_t kvHeads,
                        std::optional<int64_t> window) {
  build(builder, state, query.getType(), query, key, value, positions,
        ownPositions, builder.getI64IntegerAttr(heads),
        builder.getI64IntegerAttr(kvHeads), getOptionalInt(builder, window),
        /*into=*/Value());
}

void CachedAttentionOp::build(OpBuilder &builder, OperationState &state,
                              Value query, Value cache, int64_t heads,
                              int64_t kvHeads, Value sequences, Value positions,
                              std::optional<int64_t> window) {
  build(builder, state, query.getType(), query, cache, sequences, positions,
        builder.getI64IntegerAttr(heads), builder.getI64IntegerAttr(kvHeads),
        getOptionalInt(builder, window), /*into=*/Value());
}

void CacheAppendOp::build(OpBuilder &builder, OperationState &state,
                          Value cache, Value key, Value value, Value sequences,
                          Value rowPositions) {
  build(builder, state, cache, key, value, sequences, rowPositions,
        /*positions=*/Value(), /*heads=*/IntegerAttr(), /*theta=*/FloatAttr(),
        /*scaling=*/RopeScalingAttr());
}

void RouterOp::build(OpBuilder &builder, OperationState &state, Value x,
                     Value weight, Value bias) {
  build(builder, state, perToken(x, builder.getF32Type()), x, weight, bias,
        /*into=*/Value());
}

void PredictorOp::build(OpBuilder &builder, OperationState &state, Value x,
                        Value downWeight, Value downBias, Value upWeight,
                        Value upBias) {
  build(builder, state, perToken(x, builder.getF32Type()), x, downWeight,
        downBias, upWeight, upBias, /*into=*/Value());
}

void GatherOp::build(OpBuilder &builder, OperationState &state, Value x,
                     Value indices) {
  auto type = cast<RankedTensorType>(x.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[1] = getDim(indices, 1);
  build(builder, state, type.clone(shape), x, indices, /*into=*/Value());
}

//===----------------------------------------------------------------------===//
// Questions
//===----------------------------------------------------------------------===//

static int64_t getRank(Value value) {
  return cast<ShapedType>(value.getType()).getRank();
}

bool LinearOp::isPacked() { return getRank(getWeight()) > 2; }

bool LinearOp::isFourBit() { return getElement(getWeight()).isInteger(32); }

bool LinearOp::hasOutputSums() {
  return getElement(getWeight()).isInteger(8) && getInputsTogether() == 4;
}

int64_t LinearOp::getPanel() {
  return getDim(getWeight(), isFourBit() ? 3 : 2);
}

int64_t LinearOp::getInputsTogether() {
  if (isFourBit())
    return kGroup;
  return getRank(getWeight()) == 4 ? getDim(getWeight(), 3) : 1;
}

int64_t LinearOp::getNumOutputs() {
  return getDim(getInto() ? getInto() : getResult(), 2);
}

int64_t LinearOp::getNumSums() { return getNumOutputs() * (getGlu() ? 2 : 1); }

bool LinearOp::keepsRows() { return getAccumulate() || getIndices(); }

bool LinearOp::isTokenwise() {
  return !getRows() && !getRowScales() && !getAddend() && !getInto();
}

unsigned LinearOp::getSizeOperand(unsigned dim) {
  return dim == 1 && getRows() ? 2 : 0;
}

int64_t LinearOp::getNumInputs() { return getDim(getInput(), 2); }

int64_t AttentionOp::getHeadDim() { return getDim(getQuery(), 2) / getHeads(); }

int64_t mod::getNumTogether(Value panels) {
  return getRank(panels) == 5 ? getDim(panels, 4) : 1;
}

int64_t PanelAttentionOp::getKvHeads() { return getDim(getKeys(), 0); }

int64_t PanelAttentionOp::getHeadDim() {
  return getDim(getKeys(), 2) * getNumTogether(getKeys());
}

int32_t PanelAttentionOp::getMostBehind() {
  constexpr uint64_t most = std::numeric_limits<int32_t>::max();
  return int32_t(std::min(*getWindow(), most)) - 1;
}

int64_t SelectOp::getMaxCount() {
  return getDim(getInto() ? getInto() : getIndices(), 1);
}

/// The most tokens, up to `tokens`, of which k is one.
static int64_t getMostOfOne(Attribute capacity, int64_t tokens) {
  while (tokens > 1 && getCapacityCount(capacity, tokens) > 1)
    --tokens;
  return tokens;
}

int64_t SelectOp::getBound(int64_t tokens) {
  if (!getCapacity() || getForced() || getRest() || getTies() == Ties::all)
    return tokens;
  int64_t count = getCapacityCount(*getCapacity(), tokens);
  // Where k is one, all that equal the largest score are selected.
  if (getTies() == Ties::none)
    return std::max(count - 1, getMostOfOne(*getCapacity(), tokens));
  return count;
}

ThresholdAttr RoutedOp::getCausalThreshold() {
  if (getThreshold())
    return *getThreshold();
  return ThresholdAttr::get(getContext(), Builder(*this).getF64FloatAttr(0),
                            /*inclusive=*/false);
}

bool RoutedOp::usesThreshold() {
  return routesBy(Causal::router) || routesBy(Causal::predictor) ||
         getSelection() == Selection::token_choice;
}

int64_t ExpertsOp::getNumChoices() { return getDim(getLogits(), 2); }

ThresholdAttr ExpertsOp::getPassed() {
  if (!getTop())
    return getCapacity() ? ThresholdAttr() : getThresholdAttr();
  return ThresholdAttr::get(getContext(), Builder(*this).getF64FloatAttr(0),
                            /*inclusive=*/false);
}

double ExpertsOp::getExpectedShare(int64_t tokens) {
  double chosen = double(getTop().value_or(getNumChoices())) / getNumChoices();
  if (!getCapacity())
    return chosen;
  return std::min(chosen,
                  double(getCapacityCount(*getCapacity(), tokens)) / tokens);
}

//===----------------------------------------------------------------------===//
// FLOPs
//===----------------------------------------------------------------------===//

int64_t LinearOp::getFlops(int64_t tokens, int64_t) {
  return 2 * tokens * getNumInputs() * getNumSums();
}

/// Query `i` sees `past + i + 1` keys, or a window of these, each for a score
/// and a weighted value.
static int64_t getAttentionFlops(Value query, int64_t tokens, int64_t past,
                                 std::optional<uint64_t> window) {
  int64_t most = window ? int64_t(*window) : past + tokens;
  int64_t growing = std::clamp<int64_t>(most - past, 0, tokens);
  int64_t pairs =
      growing * past + growing * (growing + 1) / 2 + (tokens - growing) * most;
  return 4 * pairs * getDim(query, 2);
}

int64_t AttentionOp::getFlops(int64_t tokens, int64_t past) {
  return getAttentionFlops(getQuery(), tokens, past, getWindow());
}

int64_t CachedAttentionOp::getFlops(int64_t tokens, int64_t past) {
  return getAttentionFlops(getQuery(), tokens, past, getWindow());
}

int64_t RouterOp::getFlops(int64_t tokens, int64_t) {
  return 2 * tokens * getDim(getX(), 2);
}

int64_t PredictorOp::getFlops(int64_t tokens, int64_t) {
  return 2 * tokens * getDim(getDownWeight(), 0) * (getDim(getX(), 2) + 1);
}

//===----------------------------------------------------------------------===//
// Memory effects: tensors have none, memrefs are read, destinations written
//===----------------------------------------------------------------------===//

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static void addEffects(Operation *op, OpOperand *written, Effects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    Type type = operand.get().getType();
    if (isa<KVCacheType>(type))
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (!isa<MemRefType>(type))
      continue;
    if (&operand == written)
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

#define MOD_DESTINATION_EFFECTS(OpTy)                                          \
  void OpTy::getEffects(Effects &effects) {                                    \
    addEffects(*this, getIntoOperand(), effects);                              \
  }
MOD_DESTINATION_EFFECTS(EmbeddingOp)
MOD_DESTINATION_EFFECTS(PositionsOp)
MOD_DESTINATION_EFFECTS(RMSNormOp)
MOD_DESTINATION_EFFECTS(InverseRMSOp)
MOD_DESTINATION_EFFECTS(RowScalesOp)
MOD_DESTINATION_EFFECTS(QuantizeOp)
MOD_DESTINATION_EFFECTS(RopeOp)
MOD_DESTINATION_EFFECTS(AttentionOp)
MOD_DESTINATION_EFFECTS(CachedAttentionOp)
MOD_DESTINATION_EFFECTS(RouterOp)
MOD_DESTINATION_EFFECTS(PredictorOp)
MOD_DESTINATION_EFFECTS(SelectOp)
MOD_DESTINATION_EFFECTS(GatherOp)
MOD_DESTINATION_EFFECTS(SoftmaxOp)
MOD_DESTINATION_EFFECTS(MembersOp)
MOD_DESTINATION_EFFECTS(PoolOp)
MOD_DESTINATION_EFFECTS(NoiseOp)
MOD_DESTINATION_EFFECTS(SharesOp)
#undef MOD_DESTINATION_EFFECTS

void LinearOp::getEffects(Effects &effects) {
  addEffects(*this, getIntoOperand(), effects);
  if (keepsRows() && isa<MemRefType>(getInto().getType()))
    effects.emplace_back(MemoryEffects::Read::get(), getIntoOperand());
}

void LatchOp::getEffects(Effects &effects) {
  addEffects(*this, getIntoOperand(), effects);
  effects.emplace_back(MemoryEffects::Read::get(), &getLatchMutable());
  effects.emplace_back(MemoryEffects::Write::get(), &getLatchMutable());
}

void ScatterOp::getEffects(Effects &effects) {
  addEffects(*this, /*written=*/nullptr, effects);
  if (isa<MemRefType>(getX().getType()))
    effects.emplace_back(MemoryEffects::Write::get(), &getXMutable());
}

void AppendPanelsOp::getEffects(Effects &effects) {
  addEffects(*this, /*written=*/nullptr, effects);
  for (OpOperand *panels : {&getKeysMutable(), &getValuesMutable()})
    effects.emplace_back(MemoryEffects::Write::get(), panels);
  for (OpOperand &kept : getKeptMutable())
    effects.emplace_back(MemoryEffects::Write::get(), &kept);
}

void PanelAttentionOp::getEffects(Effects &effects) {
  addEffects(*this, &getIntoMutable(), effects);
  for (OpOperand &partials : getPartialsMutable())
    effects.emplace_back(MemoryEffects::Write::get(), &partials);
}

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

void SelectOp::populateBoundsForIndexValue(Value value,
                                           ValueBoundsConstraintSet &bounds) {
  bounds.bound(value) >= 0;
  bounds.bound(value) <= getMaxCount();
}
