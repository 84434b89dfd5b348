//===- BuildForward.cpp - The forward pass of a model -----------*- C++ -*-===//
//
// Llama's forward pass in the functional form of the dialect, one function per
// part of the transformer.
//
//===----------------------------------------------------------------------===//

#include "tools/import/BuildForward.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "tools/import/Config.h"
#include "tools/import/Parameters.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
/// What a decoder layer adds to the residual, and where.
struct LayerParts {
  Value attention;
  /// The residual with the attention added: the input of the MLP.
  Value middle;
  Value mlp;
};

/// Builds `@forward`. Parts are named as in the checkpoint, for parameters and
/// for locations.
class ForwardBuilder {
public:
  ForwardBuilder(const Config &config, const Checkpoint &checkpoint,
                 func::FuncOp function)
      : config(config), function(function), builder(function.getBody()),
        parameters(checkpoint, builder, function) {}

  LogicalResult build();

private:
  Value buildStack(Value tokens);
  Value buildHead(Value x, Value table);
  Value buildLayer(int64_t layer, Value x, Value positions);
  Value buildRouted(int64_t layer, StringRef name, Value x, Value positions);
  LayerParts buildParts(StringRef name, Value x, Value positions);
  Value buildAttention(const Twine &name, Value x, Value positions);
  Value buildMlp(const Twine &name, Value x);
  Value buildSwiGlu(Location loc, Value gate, Value up);
  Value buildNorm(const Twine &name, Value x);
  Value buildLinear(const Twine &name, Value x, int64_t outputs, bool hasBias);
  Value buildRouter(const Twine &name, Value x);
  Value buildPredictor(const Twine &name, Value x);
  Value buildUpdate(Location loc, const LayerParts &parts, Value scores);
  void buildRegion(RoutedOp routed, StringRef name, Value positions);
  GateAttr getGate();
  Attribute getCapacity(int64_t layer);

  /// The place of a part: `layers.3.mlp`.
  Location getLoc(const Twine &name) {
    std::string path = name.str();
    StringRef shown = path;
    shown.consume_front("model.");
    return NameLoc::get(builder.getStringAttr(shown));
  }

  const Config &config;
  func::FuncOp function;
  OpBuilder builder;
  Parameters parameters;
};
} // namespace

//===----------------------------------------------------------------------===//
// The parts of a transformer
//===----------------------------------------------------------------------===//

Value ForwardBuilder::buildLinear(const Twine &name, Value x, int64_t outputs,
                                  bool hasBias) {
  Location loc = getLoc(name);
  int64_t inputs = cast<ShapedType>(x.getType()).getDimSize(2);
  Value weight = parameters.load(loc, name + ".weight", {outputs, inputs});
  Value bias;
  if (hasBias)
    bias = parameters.load(loc, name + ".bias", outputs);
  return LinearOp::create(builder, loc, x, weight, bias).getResult();
}

Value ForwardBuilder::buildNorm(const Twine &name, Value x) {
  Location loc = getLoc(name);
  Value scale = parameters.load(loc, name + ".weight", config.hidden);
  return RMSNormOp::create(builder, loc, x, scale, config.normEps).getResult();
}

Value ForwardBuilder::buildAttention(const Twine &name, Value x,
                                     Value positions) {
  Location loc = getLoc(name);
  int64_t heads = config.heads, kvHeads = config.kvHeads;
  int64_t width = heads * config.headDim, kvWidth = kvHeads * config.headDim;
  bool bias = config.attentionBias;
  Value query = buildLinear(name + ".q_proj", x, width, bias);
  Value key = buildLinear(name + ".k_proj", x, kvWidth, bias);
  Value value = buildLinear(name + ".v_proj", x, kvWidth, bias);
  query =
      RopeOp::create(builder, loc, query, positions, heads, config.ropeTheta)
          .getResult();
  key = RopeOp::create(builder, loc, key, positions, kvHeads, config.ropeTheta)
            .getResult();
  Value mixed =
      AttentionOp::create(builder, loc, query, key, value, heads, kvHeads)
          .getResult();
  return buildLinear(name + ".o_proj", mixed, config.hidden, bias);
}

/// `silu(gate) * up`, with `silu(g) = g / (1 + exp(-g))`.
Value ForwardBuilder::buildSwiGlu(Location loc, Value gate, Value up) {
  Type element = getElementTypeOrSelf(gate);
  Value init = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, gate), element);
  Value one = arith::ConstantOp::create(builder, loc,
                                        builder.getFloatAttr(element, 1.0));
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    Value negated = arith::NegFOp::create(b, loc, args[0]);
    Value exp = math::ExpOp::create(b, loc, negated);
    Value denominator = arith::AddFOp::create(b, loc, exp, one);
    Value silu = arith::DivFOp::create(b, loc, args[0], denominator);
    Value product = arith::MulFOp::create(b, loc, silu, args[1]);
    linalg::YieldOp::create(b, loc, product);
  };
  return linalg::MapOp::create(builder, loc, ValueRange{gate, up}, init, body)
      ->getResult(0);
}

Value ForwardBuilder::buildMlp(const Twine &name, Value x) {
  bool bias = config.mlpBias;
  Value gate = buildLinear(name + ".gate_proj", x, config.intermediate, bias);
  Value up = buildLinear(name + ".up_proj", x, config.intermediate, bias);
  Value product = buildSwiGlu(getLoc(name), gate, up);
  return buildLinear(name + ".down_proj", product, config.hidden, bias);
}

LayerParts ForwardBuilder::buildParts(StringRef name, Value x,
                                      Value positions) {
  Value input = buildNorm(name + ".input_layernorm", x);
  Value attention = buildAttention(name + ".self_attn", input, positions);
  Value middle = arith::AddFOp::create(builder, getLoc(name), x, attention);
  Value normed = buildNorm(name + ".post_attention_layernorm", middle);
  return {attention, middle, buildMlp(name + ".mlp", normed)};
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

Value ForwardBuilder::buildRouter(const Twine &name, Value x) {
  Location loc = getLoc(name);
  Value weight = parameters.load(loc, name + ".weight", {1, config.hidden});
  Value bias;
  if (parameters.contains(name + ".bias"))
    bias = parameters.load(loc, name + ".bias", 1);
  return RouterOp::create(builder, loc, x, weight, bias).getResult();
}

/// The predictor's logits where they route. One that nothing asks still belongs
/// to the checkpoint.
Value ForwardBuilder::buildPredictor(const Twine &name, Value x) {
  Location loc = getLoc(name);
  int64_t hidden = *config.routing.predictorHidden;
  if (config.routing.causal != Causal::predictor) {
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

Attribute ForwardBuilder::getCapacity(int64_t layer) {
  const Capacity &capacity = config.routing.layers.at(layer);
  if (const int64_t *count = std::get_if<int64_t>(&capacity))
    return builder.getI64IntegerAttr(*count);
  return builder.getF64FloatAttr(std::get<double>(capacity));
}

/// What the region of a routed layer yields. The gate that multiplies the MLP
/// alone does so here.
Value ForwardBuilder::buildUpdate(Location loc, const LayerParts &parts,
                                  Value scores) {
  auto add = [&](Value a, Value b) -> Value {
    return arith::AddFOp::create(builder, loc, a, b);
  };
  switch (config.routing.selected) {
  case Selected::gatedUpdate:
    return add(parts.attention, parts.mlp);
  case Selected::gatedLayer:
  case Selected::addedGatedLayer:
    return add(parts.middle, parts.mlp);
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

void ForwardBuilder::buildRegion(RoutedOp routed, StringRef name,
                                 Value positions) {
  Location loc = routed.getLoc();
  SmallVector<Type> types = {routed.getX().getType(), positions.getType()};
  if (config.routing.selected >= Selected::gatedMlp)
    types.push_back(routed.getScores().getType());
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&routed.getBody(), {}, types,
                                    SmallVector<Location>(types.size(), loc));
  LayerParts parts =
      buildParts(name, body->getArgument(0), body->getArgument(1));
  Value update = buildUpdate(loc, parts, body->getArguments().back());
  YieldOp::create(builder, loc, update);
}

/// Whether what the region yields takes the place of the token.
static bool replaces(Selected selected) {
  return selected == Selected::gatedLayer || selected == Selected::gatedMlp;
}

/// The router and the predictor read the residual, before any norm.
Value ForwardBuilder::buildRouted(int64_t layer, StringRef name, Value x,
                                  Value positions) {
  Location loc = getLoc(name);
  MLIRContext *context = builder.getContext();
  const RoutingConfig &routing = config.routing;
  Value scores = buildRouter(name + ".router", x);
  Value logits;
  if (routing.predictorHidden)
    logits = buildPredictor(name + ".predictor", x);
  bool isInside = routing.selected >= Selected::gatedMlp;
  auto routed = RoutedOp::create(
      builder, loc, x.getType(), x, scores, /*gate_scores=*/Value(), logits,
      SelectionAttr::get(context, Selection::expert_choice), getCapacity(layer),
      isInside ? GateAttr::get(context, GateKind::none) : getGate(),
      replaces(routing.selected) ? builder.getUnitAttr() : UnitAttr(),
      CausalAttr::get(context, routing.causal));
  routed->setAttr("mod.layer", builder.getI64IntegerAttr(layer));
  buildRegion(routed, name, positions);
  return routed.getResult();
}

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

Value ForwardBuilder::buildLayer(int64_t layer, Value x, Value positions) {
  std::string name = ("model.layers." + Twine(layer)).str();
  if (config.routing.layers.count(layer))
    return buildRouted(layer, name, x, positions);
  LayerParts parts = buildParts(name, x, positions);
  return arith::AddFOp::create(builder, getLoc(name), parts.middle, parts.mlp);
}

/// The head's weight is the embedding table where they are tied. Some files
/// hold such a head as well; it is not used, as everywhere.
Value ForwardBuilder::buildHead(Value x, Value table) {
  StringRef name = "lm_head";
  if (!config.tiedEmbeddings)
    return buildLinear(name, x, config.vocab, /*hasBias=*/false);
  if (parameters.contains(name + ".weight"))
    parameters.declare(getLoc(name), name + ".weight",
                       {config.vocab, config.hidden});
  return LinearOp::create(builder, getLoc(name), x, table).getResult();
}

Value ForwardBuilder::buildStack(Value tokens) {
  Location loc = getLoc("model.embed_tokens");
  Value table = parameters.load(loc, "model.embed_tokens.weight",
                                {config.vocab, config.hidden});
  Value x = EmbeddingOp::create(builder, loc, tokens, table).getResult();
  Value positions = PositionsOp::create(builder, loc, tokens).getResult();
  // Layers that the checkpoint lacks must not cost anything.
  for (int64_t layer = 0; layer < config.layers && parameters.ok(); ++layer)
    x = buildLayer(layer, x, positions);
  return buildHead(buildNorm("model.norm", x), table);
}

LogicalResult ForwardBuilder::build() {
  Value logits = buildStack(function.getArgument(0));
  func::ReturnOp::create(builder, function.getLoc(), logits);
  parameters.checkSurplus();
  return success(parameters.ok());
}

/// `@forward`, without a body: tokens to logits.
static func::FuncOp createFunction(const Config &config, ModuleOp module) {
  OpBuilder builder(module.getBodyRegion());
  constexpr int64_t dynamic = ShapedType::kDynamic;
  auto tokens = RankedTensorType::get({dynamic, dynamic}, builder.getI32Type());
  auto logits = RankedTensorType::get({dynamic, dynamic, config.vocab},
                                      builder.getF32Type());
  auto function = func::FuncOp::create(builder, module.getLoc(), "forward",
                                       builder.getFunctionType(tokens, logits));
  function.addEntryBlock();
  return function;
}

LogicalResult mod::buildForward(const Config &config,
                                const Checkpoint &checkpoint, ModuleOp module) {
  module.getContext()
      ->loadDialect<ModDialect, arith::ArithDialect, func::FuncDialect,
                    linalg::LinalgDialect, math::MathDialect,
                    ml_program::MLProgramDialect, tensor::TensorDialect>();
  func::FuncOp function = createFunction(config, module);
  return ForwardBuilder(config, checkpoint, function).build();
}
