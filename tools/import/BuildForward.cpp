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
#include "passes/Elementwise.h"
#include "tools/import/ForwardBuilder.h"

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

/// `silu(x)`, times `factor` if there is one.
Value ForwardBuilder::buildSilu(Location loc, Value x, Value factor) {
  Value init = tensor::EmptyOp::create(builder, loc,
                                       tensor::getMixedSizes(builder, loc, x),
                                       getElementTypeOrSelf(x));
  return createSilu(builder, loc, x, init, factor);
}

Value ForwardBuilder::buildMlp(const Twine &name, Value x) {
  bool bias = config.mlpBias;
  Value gate = buildLinear(name + ".gate_proj", x, config.intermediate, bias);
  Value up = buildLinear(name + ".up_proj", x, config.intermediate, bias);
  Value product = buildSilu(getLoc(name), gate, up);
  return buildLinear(name + ".down_proj", product, config.hidden, bias);
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
    parts.mlp = buildMlp(name + ".mlp", normed);
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
  std::string name = ("model.layers." + Twine(layer)).str();
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
