//===- BuildForward.cpp - The forward pass of a model -----------*- C++ -*-===//
//
// The forward pass of Llama and its relatives in the functional form of the
// dialect, one function per part of the transformer.
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
#include "passes/Elementwise.h"
#include "tools/import/ForwardBuilder.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

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

/// With heads each is normalised by itself, all by one scale.
Value ForwardBuilder::buildNorm(const Twine &name, Value x,
                                std::optional<int64_t> heads) {
  Location loc = getLoc(name);
  int64_t width = heads ? config.headDim : config.hidden;
  Value scale = parameters.load(loc, name + ".weight", width);
  if (config.variant.unitOffset) {
    auto type = cast<RankedTensorType>(scale.getType());
    Value ones = arith::ConstantOp::create(builder, loc,
                                           DenseElementsAttr::get(type, 1.0f));
    scale = arith::AddFOp::create(builder, loc, scale, ones);
  }
  return RMSNormOp::create(builder, loc, x, scale, config.normEps, heads)
      .getResult();
}

Value ForwardBuilder::buildRope(Location loc, Value x, Value positions,
                                int64_t heads) {
  return RopeOp::create(builder, loc, x, positions, heads, config.ropeTheta,
                        config.variant.ropeScaling)
      .getResult();
}

KeysOfTokens ForwardBuilder::buildKeys(const Twine &name, Value x,
                                       Value positions) {
  int64_t kvHeads = config.kvHeads, width = kvHeads * config.headDim;
  bool bias = config.variant.projectionBias;
  Value key = buildLinear(name + ".k_proj", x, width, bias);
  Value value = buildLinear(name + ".v_proj", x, width, bias);
  if (config.variant.headNorms)
    key = buildNorm(name + ".k_norm", key, kvHeads);
  return {buildRope(getLoc(name), key, positions, kvHeads), value};
}

Value ForwardBuilder::buildAttention(const Twine &name, Value x,
                                     Value positions) {
  Location loc = getLoc(name);
  int64_t heads = config.heads;
  Value query = buildLinear(name + ".q_proj", x, heads * config.headDim,
                            config.variant.projectionBias);
  if (config.variant.headNorms)
    query = buildNorm(name + ".q_norm", query, heads);
  query = buildRope(loc, query, positions, heads);
  auto known = allKeys.find(name.str());
  bool seesAll = known != allKeys.end();
  bool seesSome = !seesAll && isa<RoutedOp>(builder.getBlock()->getParentOp());
  KeysOfTokens keys = seesAll ? known->second : buildKeys(name, x, positions);
  if (leavesKeys)
    allKeys[name.str()] = keys;
  Value mixed = AttentionOp::create(builder, loc, query, keys.key, keys.value,
                                    seesAll ? positions : Value(),
                                    seesSome && window ? positions : Value(),
                                    heads, config.kvHeads, window)
                    .getResult();
  return buildLinear(name + ".o_proj", mixed, config.hidden,
                     config.variant.outputBias);
}

/// `silu(x)`, times `factor` if there is one.
Value ForwardBuilder::buildSilu(Location loc, Value x, Value factor) {
  Value init = tensor::EmptyOp::create(builder, loc,
                                       tensor::getMixedSizes(builder, loc, x),
                                       getElementTypeOrSelf(x));
  return createSilu(builder, loc, x, init, factor);
}

/// An elementwise op of `inputs`, whose body gets their elements.
static Value buildMap(OpBuilder &builder, Location loc, ValueRange inputs,
                      function_ref<Value(OpBuilder &, ValueRange)> compute) {
  Type element = getElementTypeOrSelf(inputs[0]);
  Value init = tensor::EmptyOp::create(
      builder, loc, tensor::getMixedSizes(builder, loc, inputs[0]), element);
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    linalg::YieldOp::create(b, loc, compute(b, args));
  };
  return linalg::MapOp::create(builder, loc, inputs, init, body)->getResult(0);
}

/// `gelu(x) factor`, with the approximation `gelu(x) = x sigmoid(2 z)` and
/// `z = sqrt(2 / pi) (x + 0.044715 x^3)`; 0.5 (1 + tanh(z)) is sigmoid(2 z).
Value ForwardBuilder::buildGelu(Location loc, Value x, Value factor) {
  Type element = getElementTypeOrSelf(x);
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getFloatAttr(element, value));
  };
  double slope = -2 * std::sqrt(2 / M_PI);
  Value one = constant(1.0), linear = constant(slope);
  Value cubic = constant(slope * 0.044715);
  return buildMap(
      builder, loc, {x, factor}, [&](OpBuilder &b, ValueRange args) {
        Value square = arith::MulFOp::create(b, loc, args[0], args[0]);
        Value bent = arith::MulFOp::create(b, loc, square, cubic);
        Value sum = arith::AddFOp::create(b, loc, bent, linear);
        Value exponent = arith::MulFOp::create(b, loc, args[0], sum);
        Value exp = math::ExpOp::create(b, loc, exponent);
        Value denominator = arith::AddFOp::create(b, loc, exp, one);
        Value active = arith::DivFOp::create(b, loc, args[0], denominator);
        return Value(arith::MulFOp::create(b, loc, active, args[1]));
      });
}

Value ForwardBuilder::buildMlp(const Twine &name, Value x) {
  return buildGlu(name, x, ".gate_proj", ".up_proj", ".down_proj");
}

Value ForwardBuilder::buildGlu(const Twine &name, Value x, StringRef gateName,
                               StringRef upName, StringRef downName) {
  bool bias = config.mlpBias;
  Value gate = buildLinear(name + gateName, x, config.intermediate, bias);
  Value up = buildLinear(name + upName, x, config.intermediate, bias);
  bool isGelu = config.variant.activation == HiddenActivation::gelu;
  Value product = isGelu ? buildGelu(getLoc(name), gate, up)
                         : buildSilu(getLoc(name), gate, up);
  return buildLinear(name + downName, product, config.hidden, bias);
}

LayerParts ForwardBuilder::buildParts(StringRef name, Value x, Value positions,
                                      Scope scope) {
  LayerParts parts{{}, x, {}};
  if (scope != Scope::mlp) {
    Value input = buildNorm(name + ".input_layernorm", x);
    parts.attention = buildAttention(name + ".self_attn", input, positions);
    parts.middle =
        arith::AddFOp::create(builder, getLoc(name), x, parts.attention);
  }
  if (scope != Scope::attention) {
    Value normed = buildNorm(name + ".post_attention_layernorm", parts.middle);
    parts.mlp = config.experts
                    ? buildExperts(name + ".block_sparse_moe", normed)
                    : buildMlp(name + ".mlp", normed);
  }
  return parts;
}

Value ForwardBuilder::buildDense(StringRef name, Value x, Value positions,
                                 Scope scope) {
  LayerParts parts = buildParts(name, x, positions, scope);
  if (!parts.mlp)
    return parts.middle;
  return arith::AddFOp::create(builder, getLoc(name), parts.middle, parts.mlp);
}

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

Value ForwardBuilder::buildLayer(int64_t layer, Value x, Value positions) {
  std::string name = getLayerName(layer);
  window = config.variant.windows[layer];
  if (config.routing.layers.count(layer))
    return buildScoped(layer, name, x, positions);
  return buildDense(name, x, positions, Scope::block);
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

Value ForwardBuilder::buildEmbedding(Value tokens, Value table) {
  Location loc = getLoc("model.embed_tokens");
  Value x = EmbeddingOp::create(builder, loc, tokens, table).getResult();
  if (!config.variant.scaledEmbeddings)
    return x;
  Value scale = arith::ConstantOp::create(
      builder, loc, builder.getF32FloatAttr(std::sqrt(float(config.hidden))));
  return buildMap(builder, loc, x, [&](OpBuilder &b, ValueRange args) {
    return Value(arith::MulFOp::create(b, loc, args[0], scale));
  });
}

Value ForwardBuilder::buildStack(Value tokens) {
  Location loc = getLoc("model.embed_tokens");
  Value table = parameters.load(loc, "model.embed_tokens.weight",
                                {config.vocab, config.hidden});
  Value x = buildEmbedding(tokens, table);
  Value positions = PositionsOp::create(builder, loc, tokens).getResult();
  // Layers that the checkpoint lacks must not cost anything.
  for (int64_t layer = 0; layer < config.layers && parameters.ok(); ++layer) {
    x = buildLayer(layer, x, positions);
    auto routed = config.routing.layers.find(layer);
    if (routed != config.routing.layers.end())
      layer = routed->second.last;
  }
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
