//===- BuildRouting.cpp - The routed layers of a model ----------*- C++ -*-===//
//
// Who takes part in a layer, what it makes of them, and what becomes of the
// others.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tools/import/ForwardBuilder.h"
#include "tools/import/Presets.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// The first row of a parameter less the second: of two outputs, how far the
/// first is above the second.
static Value subtractRows(OpBuilder &builder, Value parameter) {
  Location loc = parameter.getLoc();
  auto type = cast<RankedTensorType>(parameter.getType());
  auto sizes = getAsIndexOpFoldResult(builder.getContext(), type.getShape());
  SmallVector<OpFoldResult> ones(type.getRank(), builder.getIndexAttr(1));
  sizes[0] = builder.getIndexAttr(1);
  Value rows[2];
  for (auto [row, value] : llvm::enumerate(rows)) {
    SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0));
    offsets[0] = builder.getIndexAttr(row);
    value = tensor::ExtractSliceOp::create(builder, loc, parameter, offsets,
                                           sizes, ones);
  }
  return arith::SubFOp::create(builder, loc, rows[0], rows[1]);
}

Value ForwardBuilder::buildRouter(const Twine &name, Value x) {
  Location loc = getLoc(name);
  bool isArgmax = config.routing.scheme == Scheme::argmax;
  int64_t outputs = isArgmax ? 2 : 1;
  Value weight =
      parameters.load(loc, name + ".weight", {outputs, config.hidden});
  Value bias;
  if (parameters.contains(name + ".bias"))
    bias = parameters.load(loc, name + ".bias", outputs);
  if (isArgmax)
    weight = subtractRows(builder, weight);
  if (isArgmax && bias)
    bias = subtractRows(builder, bias);
  return RouterOp::create(builder, loc, x, weight, bias).getResult();
}

/// The predictor's logits where they route. One that nothing asks still belongs
/// to the checkpoint.
Value ForwardBuilder::buildPredictor(const Twine &name, Value x) {
  Location loc = getLoc(name);
  int64_t hidden = *config.routing.predictorHidden;
  bool isAsked = config.routing.causal == Causal::predictor ||
                 config.routing.prefill == Prefill::predictor;
  if (!isAsked) {
    parameters.declare(loc, name + ".0.weight", {hidden, config.hidden});
    parameters.declare(loc, name + ".0.bias", hidden);
    parameters.declare(loc, name + ".2.weight", {1, hidden});
    parameters.declare(loc, name + ".2.bias", 1);
    return {};
  }
  Value downWeight =
      parameters.load(loc, name + ".0.weight", {hidden, config.hidden});
  Value downBias = parameters.load(loc, name + ".0.bias", hidden);
  Value upWeight = parameters.load(loc, name + ".2.weight", {1, hidden});
  Value upBias = parameters.load(loc, name + ".2.bias", 1);
  return PredictorOp::create(builder, loc, x, downWeight, downBias, upWeight,
                             upBias)
      .getResult();
}

Attribute ForwardBuilder::getCapacity(int64_t layer, int64_t step) {
  const Capacity &capacity = config.routing.layers.at(layer).capacities[step];
  if (const int64_t *count = std::get_if<int64_t>(&capacity))
    return builder.getI64IntegerAttr(*count);
  FloatAttr ratio = builder.getF64FloatAttr(std::get<double>(capacity));
  if (std::optional<Rounding> rounding = config.routing.rounding)
    return RoundedAttr::get(builder.getContext(), ratio, *rounding);
  return ratio;
}

/// The number that a standard normal one is above with a probability of
/// `share`.
static double getQuantile(double share) {
  double low = -8, high = 8;
  while (high - low > 1e-12) {
    double middle = (low + high) / 2;
    bool isBelow = std::erfc(middle / std::sqrt(2.0)) / 2 > share;
    (isBelow ? low : high) = middle;
  }
  return low;
}

/// What tested values must pass; null for what is said by saying nothing.
ThresholdAttr ForwardBuilder::getThreshold(int64_t layer, int64_t step) {
  const RoutingConfig &routing = config.routing;
  double least = routing.least;
  if (routing.scheme == Scheme::stochastic) {
    const Capacity &capacity = routing.layers.at(layer).capacities[step];
    const int64_t *count = std::get_if<int64_t>(&capacity);
    least = getQuantile(count ? double(*count) / config.context
                              : std::get<double>(capacity));
  }
  bool isTested = routing.causal != Causal::always ||
                  routing.prefill == Prefill::router ||
                  routing.prefill == Prefill::predictor ||
                  routing.scheme == Scheme::token_choice;
  if (!isTested || (least == 0 && !routing.passesEqual))
    return {};
  return ThresholdAttr::get(builder.getContext(),
                            builder.getF64FloatAttr(least),
                            routing.passesEqual);
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// `values`, infinite where `numbers` compare so with `bound`.
Value ForwardBuilder::forceIf(Location loc, Value values, Value numbers,
                              arith::CmpIPredicate predicate, int64_t bound) {
  Type element = getElementTypeOrSelf(values);
  Value init = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, values), element);
  Value limit =
      arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(bound));
  Value infinity = arith::ConstantOp::create(builder, loc,
                                             builder.getF32FloatAttr(INFINITY));
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    Value isForced = arith::CmpIOp::create(b, loc, predicate, args[1], limit);
    linalg::YieldOp::create(
        b, loc,
        arith::SelectOp::create(b, loc, isForced, infinity, args[0])
            .getResult());
  };
  return linalg::MapOp::create(builder, loc, ValueRange{values, numbers}, init,
                               body)
      ->getResult(0);
}

/// The same for all tokens that take part in any case.
Value ForwardBuilder::force(Location loc, Value values, Value positions) {
  const RoutingConfig &routing = config.routing;
  if (routing.forcedTokens)
    values = forceIf(loc, values, positions, arith::CmpIPredicate::slt,
                     routing.forcedTokens);
  if (!routing.eligible)
    return values;
  Value tokens = function.getArgument(0);
  values = forceIf(loc, values, tokens, arith::CmpIPredicate::slt,
                   routing.eligible->first);
  return forceIf(loc, values, tokens, arith::CmpIPredicate::sgt,
                 routing.eligible->second);
}

/// What the tokens are ordered by.
Value ForwardBuilder::buildOrder(int64_t layer, Location loc, Value scores,
                                 Value positions) {
  const RoutingConfig &routing = config.routing;
  if (routing.scheme == Scheme::stochastic)
    scores = NoiseOp::create(builder, loc, positions, routing.seed + layer)
                 .getResult();
  if (routing.scheme == Scheme::sequence)
    scores = PoolOp::create(builder, loc, routing.pooling, scores).getResult();
  return force(loc, scores, positions);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// The sum of two values, of which either may be missing.
Value ForwardBuilder::add(Location loc, Value a, Value b) {
  if (!a || !b)
    return a ? a : b;
  return arith::AddFOp::create(builder, loc, a, b);
}

/// The name of the parts of a layer, which astramind wraps.
std::string ForwardBuilder::getInnerName(StringRef name) {
  bool isWrapped = parameters.contains(name + kWrappedRouter + ".weight");
  return (name + (isWrapped ? ".block" : "")).str();
}

/// Layers that are routed together: the parts of the last of them, to whose
/// attention is added what the others give, where the sum is asked for.
LayerParts ForwardBuilder::buildLayers(int64_t first, Value x,
                                       Value positions) {
  const RoutingConfig &routing = config.routing;
  LayerParts parts;
  Value before;
  for (int64_t layer = first; layer <= routing.layers.at(first).last; ++layer) {
    std::string name = getLayerName(layer);
    if (parts.mlp)
      x = add(getLoc(name), parts.middle, parts.mlp);
    if (routing.selected == Selected::gatedUpdate)
      before = add(getLoc(name), parts.attention, parts.mlp);
    parts = buildParts(getInnerName(name), x, positions, routing.scope);
    parts.attention = add(getLoc(name), before, parts.attention);
    if (!parameters.ok())
      break;
  }
  return parts;
}

/// What the region of a routed layer yields. The gate that multiplies the MLP
/// alone does so here.
Value ForwardBuilder::buildUpdate(Location loc, const LayerParts &parts,
                                  Value scores) {
  switch (config.routing.selected) {
  case Selected::gatedUpdate:
    return add(loc, parts.attention, parts.mlp);
  case Selected::gatedLayer:
  case Selected::addedGatedLayer:
    return add(loc, parts.middle, parts.mlp);
  case Selected::gatedMlp:
  case Selected::addedLayerGatedMlp:
    return ScatterOp::create(builder, loc, parts.middle.getType(), parts.mlp,
                             parts.middle, /*indices=*/Value(),
                             /*replace=*/false, scores, getGate())
        .getResult();
  }
  llvm_unreachable("all forms are listed");
}

GateAttr ForwardBuilder::getGate() {
  const RoutingConfig &routing = config.routing;
  return GateAttr::get(builder.getContext(), routing.gate, routing.gateScale,
                       routing.gateBias);
}

/// What weighs all that a block yields.
GateAttr ForwardBuilder::getBlockGate() {
  bool isInside = config.routing.selected >= Selected::gatedMlp;
  return isInside ? GateAttr::get(builder.getContext(), GateKind::none)
                  : getGate();
}

/// Begins a region, which may ask for the scores of its tokens.
Block *ForwardBuilder::createRegion(Region &region, RoutedOp routed,
                                    Value positions, bool hasScores) {
  SmallVector<Type> types = {routed.getX().getType(), positions.getType()};
  if (hasScores)
    types.push_back(routed.getScores().getType());
  SmallVector<Location> locs(types.size(), routed.getLoc());
  return builder.createBlock(&region, {}, types, locs);
}

void ForwardBuilder::buildRegion(RoutedOp routed, int64_t layer,
                                 Value positions) {
  bool hasScores = config.routing.selected >= Selected::gatedMlp;
  OpBuilder::InsertionGuard guard(builder);
  Block *body = createRegion(routed.getBody(), routed, positions, hasScores);
  LayerParts parts =
      buildLayers(layer, body->getArgument(0), body->getArgument(1));
  Value update =
      buildUpdate(routed.getLoc(), parts, body->getArguments().back());
  YieldOp::create(builder, routed.getLoc(), update);
}

/// `x + up(silu(down(x)))`.
Value ForwardBuilder::buildAdapter(const Twine &name, Value x) {
  Value hidden = buildLinear(name + ".0", x, config.routing.adapterHidden,
                             /*hasBias=*/true);
  return buildLinear(name + ".2", buildSilu(getLoc(name), hidden),
                     config.hidden, /*hasBias=*/true);
}

/// Whether what the region yields takes the place of the token.
static bool replaces(Selected selected) {
  return selected == Selected::gatedLayer || selected == Selected::gatedMlp;
}

/// Both regions of a layer are added, or neither is.
void ForwardBuilder::buildBypass(RoutedOp routed, StringRef name,
                                 Value positions) {
  const RoutingConfig &routing = config.routing;
  if (routing.skipped == Skipped::kept)
    return;
  Location loc = routed.getLoc();
  bool isGated = routing.skipped == Skipped::gated;
  OpBuilder::InsertionGuard guard(builder);
  Block *body = createRegion(routed.getBypass(), routed, positions, isGated);
  Value x = body->getArgument(0), update;
  if (isGated) {
    // g x, or what x must be increased by for that.
    GateAttr gate = getGate();
    if (!routed.getReplace())
      gate = GateAttr::get(builder.getContext(), gate.getKind(),
                           gate.getScaleValue(), gate.getBiasValue() - 1);
    update = ScatterOp::create(builder, loc, x.getType(), x, x,
                               /*indices=*/Value(), /*replace=*/true,
                               body->getArgument(2), gate)
                 .getResult();
  } else {
    update = buildAdapter(name + ".adapter", x);
    if (routed.getReplace())
      update = arith::AddFOp::create(builder, loc, x, update);
  }
  YieldOp::create(builder, loc, update);
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

static Selection getSelection(Scheme scheme) {
  switch (scheme) {
  case Scheme::expert_choice:
  case Scheme::stochastic:
    return Selection::expert_choice;
  case Scheme::token_choice:
    return Selection::token_choice;
  case Scheme::threshold:
  case Scheme::argmax:
  case Scheme::sequence:
    return Selection::causal;
  }
  llvm_unreachable("all schemes are listed");
}

/// What the router and the predictor read: the residual, or what the norm of
/// the layer makes of it.
Value ForwardBuilder::buildRouterInput(StringRef name, Value x) {
  if (!config.routing.readsNorm)
    return x;
  bool isMlp = config.routing.scope == Scope::mlp;
  return buildNorm(getInnerName(name) + (isMlp ? ".post_attention_layernorm"
                                               : ".input_layernorm"),
                   x);
}

/// Only candidates have a finite score. A recursion has a router for each step.
RoutingScores ForwardBuilder::buildScores(int64_t layer, int64_t step, Value x,
                                          Value positions, Value candidates) {
  std::string name = getLayerName(layer);
  Location loc = getLoc(name);
  bool isWrapped = parameters.contains(name + kWrappedRouter + ".weight");
  StringRef router = isWrapped ? StringRef(kWrappedRouter) : ".router";
  std::string part =
      config.routing.recursions > 1 ? ("." + Twine(step)).str() : "";
  Value read = buildRouterInput(name, x);
  RoutingScores scores;
  scores.router = buildRouter(name + router + part, read);
  scores.order = buildOrder(layer, loc, scores.router, positions);
  if (config.routing.predictorHidden)
    scores.logits = buildPredictor(name + ".predictor" + part, read);
  if (scores.logits)
    scores.logits = force(loc, scores.logits, positions);
  if (candidates)
    scores.order = add(loc, scores.order, candidates);
  if (candidates && scores.logits)
    scores.logits = add(loc, scores.logits, candidates);
  return scores;
}

/// The keys and values of all tokens, which some of them attend to.
void ForwardBuilder::buildAllKeys(StringRef name, Value x, Value positions) {
  Value input = buildNorm(name + ".input_layernorm", x);
  std::string attention = (name + ".self_attn").str();
  allKeys[attention] = buildKeys(attention, input, positions);
}

/// All tokens go through the layers for the first time, and leave their keys
/// and values to the recursions.
Value ForwardBuilder::buildFirst(int64_t layer, Value x, Value positions) {
  Location loc = getLoc(getLayerName(layer));
  Value scores = buildScores(layer, /*step=*/0, x, positions, {}).router;
  leavesKeys = true;
  LayerParts parts = buildLayers(layer, x, positions);
  leavesKeys = false;
  Value update = buildUpdate(loc, parts, scores);
  return ScatterOp::create(builder, loc, x.getType(), update, x,
                           /*indices=*/Value(),
                           replaces(config.routing.selected), scores,
                           getBlockGate())
      .getResult();
}

/// A routed block without its regions. All steps of a recursion but the last
/// say who took part.
RoutedOp ForwardBuilder::createRouted(int64_t layer, int64_t step, Value x,
                                      const RoutingScores &scores) {
  MLIRContext *context = builder.getContext();
  const RoutingConfig &routing = config.routing;
  Selection selection = getSelection(routing.scheme);
  bool isForced = (routing.forcedTokens || routing.eligible) &&
                  selection != Selection::causal;
  bool isLast = step + 1 == routing.recursions;
  auto flag = [&](bool set) {
    return set ? builder.getUnitAttr() : UnitAttr();
  };
  auto routed = RoutedOp::create(
      builder, getLoc(getLayerName(layer)), x.getType(),
      isLast ? Type() : scores.router.getType(), x, scores.order,
      scores.order == scores.router ? Value() : scores.router, scores.logits,
      SelectionAttr::get(context, selection), getCapacity(layer, step),
      TiesAttr::get(context, routing.ties), flag(isForced), getBlockGate(),
      flag(replaces(routing.selected)),
      CausalAttr::get(context, routing.causal), getThreshold(layer, step),
      routing.prefill ? PrefillAttr::get(context, *routing.prefill)
                      : PrefillAttr());
  routed->setAttr("mod.layer", builder.getI64IntegerAttr(layer));
  return routed;
}

/// A routed block, or one step of a recursion.
RoutedOp ForwardBuilder::buildStep(int64_t layer, int64_t step, Value x,
                                   Value positions, Value candidates) {
  std::string name = getLayerName(layer);
  RoutingScores scores = buildScores(layer, step, x, positions, candidates);
  if (config.routing.keys == KeyTokens::all)
    buildAllKeys(getInnerName(name), x, positions);
  RoutedOp routed = createRouted(layer, step, x, scores);
  buildRegion(routed, layer, positions);
  buildBypass(routed, name, positions);
  return routed;
}

/// Tokens of a step are candidates of the next.
Value ForwardBuilder::buildRouted(int64_t layer, Value x, Value positions) {
  Value candidates;
  const RoutingConfig &routing = config.routing;
  bool sharesKeys = routing.keys == KeyTokens::first;
  if (sharesKeys)
    x = buildFirst(layer, x, positions);
  // Recursions that the checkpoint lacks must not cost anything.
  for (int64_t step = sharesKeys; step < routing.recursions && parameters.ok();
       ++step) {
    RoutedOp routed = buildStep(layer, step, x, positions, candidates);
    x = routed.getResult();
    candidates = routed.getMembers();
  }
  allKeys.clear();
  return x;
}

/// What of the layer is not routed treats every token.
Value ForwardBuilder::buildScoped(int64_t layer, StringRef name, Value x,
                                  Value positions) {
  Scope scope = config.routing.scope;
  if (scope == Scope::mlp)
    x = buildDense(name, x, positions, Scope::attention);
  x = buildRouted(layer, x, positions);
  if (scope == Scope::attention)
    x = buildDense(name, x, positions, Scope::mlp);
  return x;
}
