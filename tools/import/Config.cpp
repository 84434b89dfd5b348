//===- Config.cpp - What a model directory says of its model ----*- C++ -*-===//
//
// Reads `config.json`, key by key, and refuses what the importer cannot honour.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Config.h"
#include "tools/import/Json.h"

using namespace mlir;
using namespace mlir::mod;

/// The model class must be Llama's: others share keys but compute differently.
static void readFamily(ObjectReader &root) {
  if (!root.has("model_type") && !root.has("architectures"))
    return root.error("model_type", "is missing: expected 'llama'");
  StringRef type = root.getString("model_type", "llama");
  if (type != "llama")
    return root.error("model_type", "is '" + type + "', supported is: llama");
  if (!root.has("architectures"))
    return;
  for (const ObjectReader::Element &element : root.getElements("architectures"))
    if (element.value->getAsString() != StringRef("LlamaForCausalLM"))
      root.error(element, "is " + element.describe() +
                              ", supported is: LlamaForCausalLM");
}

/// The attention heads, which must divide what they share.
static void readHeads(ObjectReader &root, Config &config) {
  config.heads = root.getCount("num_attention_heads");
  config.kvHeads = root.getCount("num_key_value_heads", config.heads);
  if (config.heads % config.kvHeads)
    root.error("num_key_value_heads", "must divide num_attention_heads (" +
                                          Twine(config.heads) + "), not be " +
                                          Twine(config.kvHeads));
  if (!root.has("head_dim") && config.hidden % config.heads)
    root.error("num_attention_heads", "must divide hidden_size (" +
                                          Twine(config.hidden) + "), not be " +
                                          Twine(config.heads));
  config.headDim = root.getCount(
      "head_dim", std::max<int64_t>(config.hidden / config.heads, 1));
  if (config.headDim % 2)
    root.error("head_dim", "must be even for rotary embedding, not " +
                               Twine(config.headDim));
}

/// Refuses scaled rotary embedding, which would change every position.
static void checkRopeType(ObjectReader &root, StringRef key) {
  if (!root.has(key))
    return;
  ObjectReader rope = root.getObject(key);
  StringRef typeKey = rope.has("rope_type") ? "rope_type" : "type";
  StringRef type = rope.getString(typeKey, "default");
  if (type != "default")
    rope.error(typeKey, "is '" + type + "', supported is: default");
  for (StringRef scale : {"factor", "partial_rotary_factor"})
    if (rope.getPositive(scale, 1.0) != 1.0)
      rope.error(scale, "must be 1 or absent");
}

static void readRope(ObjectReader &root, Config &config) {
  checkRopeType(root, "rope_scaling");
  checkRopeType(root, "rope_parameters");
  config.ropeTheta =
      root.getObject("rope_parameters")
          .getPositive("rope_theta", root.getPositive("rope_theta", 10000.0));
}

/// Keys that other Llama-like models use and that would change the result.
static void refuseVariants(ObjectReader &root) {
  StringRef activation = root.getString("hidden_act", "silu");
  if (activation != "silu")
    root.error("hidden_act", "is '" + activation + "', supported is: silu");
  if (root.getPositive("partial_rotary_factor", 1.0) != 1.0)
    root.error("partial_rotary_factor", "must be 1 or absent");
  if (root.has("quantization_config"))
    root.error("quantization_config",
               "is not supported: expected F32, F16 or BF16 weights");
}

static void readEosTokens(ObjectReader &root, Config &config) {
  if (!root.has("eos_token_id"))
    return;
  for (const ObjectReader::Element &element : root.getElements("eos_token_id"))
    config.eosTokens.push_back(root.toInteger(element, 0, config.vocab - 1));
}

static void readLlama(ObjectReader &root, Config &config) {
  // Building takes time and memory per layer, however small its tensors are.
  constexpr int64_t kMaxLayers = 1 << 16;
  config.vocab = root.getCount("vocab_size");
  config.hidden = root.getCount("hidden_size");
  config.intermediate = root.getCount("intermediate_size");
  config.layers = root.getCount("num_hidden_layers", {}, kMaxLayers);
  config.context = root.getCount("max_position_embeddings");
  config.normEps = root.getPositive("rms_norm_eps", 1e-6);
  config.tiedEmbeddings = root.getFlag("tie_word_embeddings", false);
  config.attentionBias = root.getFlag("attention_bias", false);
  config.mlpBias = root.getFlag("mlp_bias", false);
  readHeads(root, config);
  readRope(root, config);
  refuseVariants(root);
  readEosTokens(root, config);
}

//===----------------------------------------------------------------------===//
// The mod object
//===----------------------------------------------------------------------===//

static SmallVector<int64_t> readLayerList(ObjectReader &mod, int64_t layers) {
  SmallVector<int64_t> routed;
  for (const ObjectReader::Element &element :
       mod.getElements("routed_layers")) {
    int64_t layer = mod.toInteger(element, 0, layers - 1);
    if (llvm::is_contained(routed, layer))
      mod.error(element, "is layer " + Twine(layer) + " again");
    routed.push_back(layer);
  }
  if (routed.empty())
    mod.error("routed_layers", "must list at least one layer");
  return routed;
}

/// The routed layers in the order in which capacities are listed for them.
static SmallVector<int64_t> readRoutedLayers(ObjectReader &mod,
                                             int64_t layers) {
  if (mod.isList("routed_layers"))
    return readLayerList(mod, layers);
  StringRef which =
      mod.getChoice("routed_layers", {"odd", "even", "all"}, "odd");
  SmallVector<int64_t> routed;
  for (int64_t layer = which == "odd"; layer < layers;
       layer += which == "all" ? 1 : 2)
    routed.push_back(layer);
  return routed;
}

/// `0.25` is a ratio, `64` a count: what matters is how it is written.
static Capacity readCapacity(ObjectReader &mod,
                             const ObjectReader::Element &element,
                             int64_t context) {
  double number = element.value->getAsNumber().value_or(0);
  if (element.isFloat() && number > 0 && number <= 1)
    return number;
  if (!element.isFloat() && number >= 1 && number <= context)
    return *element.value->getAsInteger();
  mod.error(element, "must be a ratio in (0, 1] or a count from 1 to " +
                         Twine(context) + ", not " + element.describe());
  return 1.0;
}

static void readCapacities(ObjectReader &mod, const Config &config,
                           ArrayRef<int64_t> routed, RoutingConfig &routing) {
  SmallVector<Capacity> capacities;
  if (mod.has("capacity"))
    for (const ObjectReader::Element &element : mod.getElements("capacity"))
      capacities.push_back(readCapacity(mod, element, config.context));
  else
    capacities.push_back(0.125);
  if (!mod.isList("capacity"))
    capacities.resize(routed.size(), capacities.front());
  if (capacities.size() != routed.size())
    return mod.error("capacity", "lists " + Twine(capacities.size()) +
                                     " values for " + Twine(routed.size()) +
                                     " routed layers");
  for (auto [layer, capacity] : llvm::zip_equal(routed, capacities))
    routing.layers[layer] = capacity;
}

static void readGate(ObjectReader &mod, RoutingConfig &routing) {
  routing.gate = *symbolizeGateKind(mod.getChoice(
      "gate", {"raw", "sigmoid", "tanh", "softmax", "softmax_topk", "none"},
      "raw"));
  routing.gateScale = mod.getFinite("gate_scale", 1.0);
  routing.gateBias = mod.getFinite("gate_bias", 0.0);
}

/// In the order of `Selected`.
static void readSelected(ObjectReader &mod, RoutingConfig &routing) {
  StringRef forms[] = {"x + g*f", "g*B", "x + g*B", "x + attn + g*mlp",
                       "2*x + attn + g*mlp"};
  StringRef form = mod.getChoice("selected", forms, forms[0]);
  routing.selected = static_cast<Selected>(llvm::find(forms, form) - forms);
  if (routing.selected >= Selected::gatedMlp &&
      (routing.gate == GateKind::softmax ||
       routing.gate == GateKind::softmax_topk))
    mod.error("selected",
              "'" + form + "' needs a gate of each token's own score");
}

static void readCausal(ObjectReader &mod, RoutingConfig &routing) {
  if (mod.has("predictor")) {
    ObjectReader predictor = mod.getObject("predictor");
    predictor.allowOnly({"hidden"});
    routing.predictorHidden = predictor.getCount("hidden");
  }
  routing.causal = *symbolizeCausal(
      mod.getChoice("decode", {"predictor", "router", "always"},
                    routing.predictorHidden ? "predictor" : "router"));
  if (routing.causal == Causal::predictor && !routing.predictorHidden)
    mod.error("decode", "is 'predictor', but there is no predictor");
}

static void readRouting(ObjectReader &root, Config &config) {
  if (!root.has("mod"))
    return;
  ObjectReader mod = root.getObject("mod");
  mod.allowOnly({"routed_layers", "capacity", "routing", "gate", "gate_scale",
                 "gate_bias", "selected", "predictor", "decode"});
  StringRef scheme =
      mod.getChoice("routing", {"expert_choice", "token_choice", "stochastic"},
                    "expert_choice");
  if (scheme != "expert_choice")
    mod.error("routing",
              "'" + scheme + "' is not supported, only: expert_choice");
  readGate(mod, config.routing);
  readSelected(mod, config.routing);
  readCausal(mod, config.routing);
  SmallVector<int64_t> routed = readRoutedLayers(mod, config.layers);
  readCapacities(mod, config, routed, config.routing);
}

FailureOr<Config> mod::readConfig(StringRef path, MLIRContext *context) {
  JsonFile file(path, "the configuration", context);
  Config config = {};
  if (file.ok()) {
    ObjectReader root(file);
    readFamily(root);
    readLlama(root, config);
    readRouting(root, config);
  }
  if (!file.ok())
    return failure();
  return config;
}
