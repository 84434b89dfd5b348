//===- Config.cpp - What a model directory says of its model ----*- C++ -*-===//
//
// Reads `config.json`, key by key, and refuses what the importer cannot honour.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Config.h"
#include "tools/import/Json.h"
#include "tools/import/Presets.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// Whether the model class is one that astramind's `apply_mod_to_hf` makes.
static bool isAstramind(ObjectReader &root) {
  return root.has("architectures") &&
         llvm::any_of(
             root.getElements("architectures"),
             [](const ObjectReader::Element &element) {
               return element.value->getAsString().value_or("").ends_with(
                   kAstramindClass);
             });
}

/// The preset that goes with a file; empty where it says how it routes.
static StringRef detectPreset(ObjectReader &root) {
  if (!root.has("is_mod"))
    return isAstramind(root) ? StringRef(kAstramindPreset) : StringRef();
  // Router-Tuning has model classes of the same names.
  if (!root.has("mod"))
    root.error("is_mod", "is of Router-Tuning: expected a 'mod' object or "
                         "--preset=router-tuning to say how it routes");
  return "";
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

/// Keys that other Llama-like models use and that would change the result.
static void refuseVariants(ObjectReader &root) {
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

static void readModel(ObjectReader &root, Family family, MLIRContext *context,
                      Config &config) {
  // Building takes time and memory per layer, however small its tensors are.
  constexpr int64_t kMaxLayers = 1 << 16;
  config.vocab = root.getCount("vocab_size");
  config.hidden = root.getCount("hidden_size");
  config.intermediate = root.getCount("intermediate_size");
  config.layers = root.getCount("num_hidden_layers", {}, kMaxLayers);
  config.context = root.getCount("max_position_embeddings");
  config.normEps = root.getPositive("rms_norm_eps", 1e-6);
  config.tiedEmbeddings =
      root.getFlag("tie_word_embeddings", family == Family::gemma);
  config.mlpBias = root.getFlag("mlp_bias", false);
  readHeads(root, config);
  readVariant(root, family, config);
  readRope(root, context, config);
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

/// The first and the last layer.
using LayerRange = std::pair<int64_t, int64_t>;

static LayerRange readRange(ObjectReader &mod,
                            const ObjectReader::Element &element,
                            int64_t layers) {
  SmallVector<int64_t> range;
  for (const ObjectReader::Element &layer : mod.getElements(element))
    range.push_back(mod.toInteger(layer, 0, layers - 1));
  if (range.size() == 2 && range[0] <= range[1])
    return {range[0], range[1]};
  mod.error(element, "must be the first and the last of the layers that are "
                     "routed together");
  return {0, 0};
}

static SmallVector<LayerRange> readRanges(ObjectReader &mod, int64_t layers) {
  SmallVector<LayerRange> ranges;
  if (mod.has("routed_layers"))
    mod.error("ranges", "say what 'routed_layers' says too: expected one of "
                        "the two");
  for (const ObjectReader::Element &element : mod.getElements("ranges")) {
    LayerRange range = readRange(mod, element, layers);
    if (!ranges.empty() && range.first <= ranges.back().second)
      mod.error(element, "must begin behind layer " +
                             Twine(ranges.back().second) +
                             ", where the one before ends");
    ranges.push_back(range);
  }
  if (ranges.empty())
    mod.error("ranges", "must list at least one range of layers");
  return ranges;
}

/// All layers but the first and the last.
static SmallVector<LayerRange> getMiddle(ObjectReader &mod, int64_t layers) {
  if (layers < 3)
    mod.error(
        "recursions",
        "repeat the layers between the first and the last, but there are " +
            Twine(layers) + " layers: expected 'ranges'");
  return {{1, layers - 2}};
}

/// What is routed, in the order in which capacities are listed.
static SmallVector<LayerRange> readRoutedLayers(ObjectReader &mod,
                                                int64_t layers) {
  if (mod.has("ranges"))
    return readRanges(mod, layers);
  if (mod.has("recursions") && !mod.has("routed_layers"))
    return getMiddle(mod, layers);
  SmallVector<int64_t> routed;
  if (mod.isList("routed_layers")) {
    routed = readLayerList(mod, layers);
  } else {
    StringRef which =
        mod.getChoice("routed_layers", {"odd", "even", "all"}, "odd");
    for (int64_t layer = which == "odd"; layer < layers;
         layer += which == "all" ? 1 : 2)
      routed.push_back(layer);
  }
  return llvm::map_to_vector(
      routed, [](int64_t layer) { return LayerRange(layer, layer); });
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

/// What is listed, or the one value that there is for all.
static SmallVector<Capacity> readCapacityList(ObjectReader &mod,
                                              int64_t context, size_t count,
                                              const Twine &what) {
  SmallVector<Capacity> capacities;
  for (const ObjectReader::Element &element : mod.getElements("capacity"))
    capacities.push_back(readCapacity(mod, element, context));
  if (!mod.isList("capacity"))
    capacities.resize(count, capacities.front());
  if (capacities.size() != count)
    mod.error("capacity", "lists " + Twine(capacities.size()) + " values for " +
                              Twine(count) + what);
  return capacities;
}

/// The capacity of each step of a recursion, whose candidates are the tokens of
/// the step before.
static SmallVector<Capacity>
readStepCapacities(ObjectReader &mod, int64_t context, int64_t steps) {
  SmallVector<Capacity> capacities;
  if (!mod.has("capacity")) {
    for (int64_t step = 0; step < steps; ++step)
      capacities.push_back(double(steps - step) / double(steps));
    return capacities;
  }
  capacities = readCapacityList(mod, context, steps, " recursions");
  for (auto [before, after] :
       llvm::zip(capacities, llvm::drop_begin(capacities)))
    if (before.index() != after.index() || before < after)
      mod.error("capacity", "must not grow from recursion to recursion: "
                            "expected ratios or counts, the largest first");
  return capacities;
}

static void readCapacities(ObjectReader &mod, const Config &config,
                           ArrayRef<LayerRange> routed,
                           RoutingConfig &routing) {
  if (mod.has("recursions")) {
    SmallVector<Capacity> steps =
        readStepCapacities(mod, config.context, routing.recursions);
    if (routing.keys == KeyTokens::first && steps.front() != Capacity(1.0))
      mod.error("capacity",
                "must begin with 1.0 where recursions share the keys "
                "of the first (kv 'shared')");
    for (LayerRange range : routed)
      routing.layers[range.first] = {range.second, steps};
    return;
  }
  // Schemes without a bound may take every token.
  SmallVector<Capacity> capacities(
      routed.size(), routing.scheme >= Scheme::threshold ? 1.0 : 0.125);
  if (mod.has("capacity"))
    capacities = readCapacityList(mod, config.context, routed.size(),
                                  mod.has("ranges") ? " ranges of layers"
                                                    : " routed layers");
  for (auto [range, capacity] : llvm::zip(routed, capacities))
    routing.layers[range.first] = {range.second, {capacity}};
}

/// The number of the case that a member is, the first if it is missing.
template <typename Enum>
static Enum readCase(ObjectReader &mod, StringRef key,
                     ArrayRef<StringRef> cases) {
  StringRef value = mod.getChoice(key, cases, cases.front());
  return static_cast<Enum>(llvm::find(cases, value) - cases.begin());
}

static void readGate(ObjectReader &mod, RoutingConfig &routing) {
  routing.gate = *symbolizeGateKind(mod.getChoice(
      "gate", {"raw", "sigmoid", "tanh", "softmax", "softmax_topk", "none"},
      "raw"));
  routing.gateScale = mod.getFinite("gate_scale", 1.0);
  routing.gateBias = mod.getFinite("gate_bias", 0.0);
}

static void readSelected(ObjectReader &mod, RoutingConfig &routing) {
  routing.selected = readCase<Selected>(
      mod, "selected",
      {"x + g*f", "g*B", "x + g*B", "x + attn + g*mlp", "2*x + attn + g*mlp"});
  if (routing.selected >= Selected::gatedMlp &&
      (routing.gate == GateKind::softmax ||
       routing.gate == GateKind::softmax_topk))
    mod.error("selected", "gates the MLP, which needs a gate of each token's "
                          "own score");
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
  if (routing.causal == Causal::predictor &&
      routing.scheme == Scheme::stochastic)
    mod.error("decode", "is 'predictor', but 'stochastic' routing is by random "
                        "numbers: expected router or always");
}

/// How prompts are routed; not said where as single tokens.
static void readPrefill(ObjectReader &mod, RoutingConfig &routing) {
  if (!mod.has("prefill"))
    return;
  Prefill prefill = *symbolizePrefill(mod.getChoice(
      "prefill", {"top_k", "predictor", "router", "always"}, "router"));
  if (routing.scheme == Scheme::sequence || routing.recursions > 1)
    mod.error("prefill", "does not go with sequences and recursions, whose "
                         "prompts are routed as 'decode' says");
  if (prefill == Prefill::predictor && !routing.predictorHidden)
    mod.error("prefill", "is 'predictor', but there is no predictor");
  if (prefill == Prefill::predictor && routing.scheme == Scheme::stochastic)
    mod.error("prefill", "is 'predictor', but 'stochastic' routing is by "
                         "random numbers: expected top_k, router or always");
  if (prefill == Prefill::top_k && routing.scheme >= Scheme::threshold)
    mod.error("prefill", "is 'top_k', but the routing takes each token by "
                         "itself");
  if (prefill != static_cast<Prefill>(routing.causal))
    routing.prefill = prefill;
}

/// A probability as the logit that has it.
static double readLogit(ObjectReader &mod, StringRef key) {
  double share = mod.getFinite(key, 0.5);
  if (share > 0 && share < 1)
    return std::log(share / (1 - share));
  mod.error(key, "must be a probability between 0 and 1, not " +
                     Twine(llvm::formatv("{0}", share).str()));
  return 0;
}

static void readSelection(ObjectReader &mod, RoutingConfig &routing) {
  routing.scheme =
      readCase<Scheme>(mod, "routing",
                       {"expert_choice", "token_choice", "stochastic",
                        "threshold", "argmax", "sequence"});
  routing.ties = readCase<Ties>(mod, "ties", {"first", "none", "all"});
  StringRef rounding =
      mod.getChoice("capacity_rounding", {"floor", "ceil", "nearest"}, "floor");
  routing.rounding = symbolizeRounding(rounding);
  routing.seed = mod.getNatural("seed", 0);
  routing.least = readLogit(mod, "threshold");
  routing.passesEqual = readCase<int>(mod, "comparison", {">", ">="});
  if (routing.scheme != Scheme::argmax)
    return;
  if (mod.has("threshold") || mod.has("comparison"))
    mod.error("routing", "'argmax' takes no threshold and no comparison");
  routing.passesEqual = true;
}

/// Routing of whole sequences: by one score, which there is nobody to except
/// from.
static void readSequence(ObjectReader &mod, RoutingConfig &routing) {
  if (routing.scheme != Scheme::sequence) {
    if (mod.has("pooling"))
      mod.error("pooling", "is of routing 'sequence'");
    return;
  }
  routing.pooling = *symbolizePooling(
      mod.getChoice("pooling", {"mean", "first", "last"}, "mean"));
  if (routing.causal != Causal::router)
    mod.error("decode", "must be 'router' where the prompt decides for its "
                        "sequence");
  for (StringRef key : {"predictor", "forced_tokens", "eligible_tokens"})
    if (mod.has(key))
      mod.error(key, "is of tokens, but 'sequence' routes all or none of them");
}

/// Repeated layers: what is said of tokens must hold in all steps.
static void readRecursions(ObjectReader &mod, RoutingConfig &routing) {
  // Each is built, and named in the capacities of each layer.
  constexpr int64_t kMaxRecursions = 64;
  if (!mod.has("recursions"))
    return;
  routing.recursions = mod.getInteger("recursions", 2, kMaxRecursions);
  if (routing.scheme == Scheme::stochastic ||
      routing.scheme == Scheme::sequence)
    mod.error("routing", "must be by each token's own score where recursions "
                         "choose among the tokens of the one before");
  for (StringRef key : {"forced_tokens", "eligible_tokens"})
    if (mod.has(key))
      mod.error(key, "would take part in all recursions, which is not "
                     "supported");
  if (routing.ties == Ties::none)
    mod.error("ties", "must not be 'none' where recursions choose among the "
                      "tokens of the one before");
  if (routing.skipped != Skipped::kept)
    mod.error("skipped", "must be 'x' where skipped tokens leave a recursion");
  if (routing.scope != Scope::block)
    mod.error("scope", "must be 'block' where layers are repeated");
  bool isSoftmax = routing.gate == GateKind::softmax ||
                   routing.gate == GateKind::softmax_topk;
  if (routing.keys == KeyTokens::first && isSoftmax)
    mod.error("gate", "must be of each token's own score where all tokens go "
                      "through the first of the recursions (kv 'shared')");
}

/// Tokens that take part in any case.
static void readForced(ObjectReader &mod, const Config &config,
                       RoutingConfig &routing) {
  routing.forcedTokens = mod.getNatural("forced_tokens", 0);
  if (!mod.has("eligible_tokens"))
    return;
  SmallVector<int64_t> range;
  for (const ObjectReader::Element &element :
       mod.getElements("eligible_tokens"))
    range.push_back(mod.toInteger(element, 0, config.vocab - 1));
  if (range.size() != 2 || range[0] > range[1])
    return mod.error("eligible_tokens",
                     "must be the first and the last of a range of tokens");
  routing.eligible = {range[0], range[1]};
}

/// Layers of a range see what the ones before made of a token, which skipped
/// tokens do not have.
static void readKeys(ObjectReader &mod, RoutingConfig &routing) {
  routing.keys = readCase<KeyTokens>(mod, "kv", {"compact", "dense", "shared"});
  if (routing.keys == KeyTokens::first && !mod.has("recursions"))
    mod.error("kv", "is 'shared', but there are no recursions to share them");
  if (routing.keys != KeyTokens::all)
    return;
  if (mod.has("recursions"))
    mod.error("kv",
              "is of tokens that leave a recursion: expected 'compact' or "
              "'shared'");
  if (routing.scope == Scope::mlp)
    mod.error("kv", "is of attention: expected 'compact' with scope 'mlp'");
  if (mod.has("ranges"))
    mod.error("kv", "needs what each layer makes of skipped tokens: expected "
                    "'compact' with ranges");
}

static void readScope(ObjectReader &mod, RoutingConfig &routing) {
  routing.readsNorm = readCase<int>(mod, "router_input", {"x", "norm(x)"});
  routing.scope = readCase<Scope>(mod, "scope", {"block", "attention", "mlp"});
  if (routing.scope != Scope::block && routing.selected >= Selected::gatedMlp)
    mod.error("selected", "gates the MLP of a layer: expected scope 'block'");
  if (mod.has("ranges") && routing.scope != Scope::block)
    mod.error("scope", "is a part of a layer: expected 'block' with ranges");
  if (mod.has("ranges") && routing.selected >= Selected::gatedMlp)
    mod.error("selected", "gates the MLP of a layer, and ranges have several");
  routing.skipped =
      readCase<Skipped>(mod, "skipped", {"x", "g*x", "x + adapter"});
  bool isSoftmax = routing.gate == GateKind::softmax ||
                   routing.gate == GateKind::softmax_topk;
  if (routing.skipped == Skipped::gated && isSoftmax)
    mod.error("skipped", "'g*x' needs a gate of each token's own score");
  if ((routing.skipped == Skipped::adapted) != mod.has("adapter"))
    return mod.error(mod.has("adapter") ? "adapter" : "skipped",
                     "'adapter' belongs to skipped: 'x + adapter'");
  if (!mod.has("adapter"))
    return;
  ObjectReader adapter = mod.getObject("adapter");
  adapter.allowOnly({"hidden"});
  routing.adapterHidden = adapter.getCount("hidden");
}

static void readRouting(ObjectReader &root, StringRef preset, Config &config) {
  if (!root.has("mod") && preset.empty())
    return;
  llvm::json::Object merged = getPreset(preset);
  const llvm::json::Object *own = root.getJson().getObject("mod");
  if (own && own->get("ranges"))
    merged.erase("routed_layers");
  ObjectReader mod = root.getObject("mod", merged);
  mod.allowOnly({"routed_layers",
                 "ranges",
                 "recursions",
                 "capacity",
                 "capacity_rounding",
                 "ties",
                 "routing",
                 "pooling",
                 "seed",
                 "threshold",
                 "comparison",
                 "forced_tokens",
                 "eligible_tokens",
                 "router_input",
                 "gate",
                 "gate_scale",
                 "gate_bias",
                 "selected",
                 "scope",
                 "kv",
                 "skipped",
                 "adapter",
                 "predictor",
                 "decode",
                 "prefill"});
  readSelection(mod, config.routing);
  readForced(mod, config, config.routing);
  readGate(mod, config.routing);
  readSelected(mod, config.routing);
  readScope(mod, config.routing);
  readKeys(mod, config.routing);
  readCausal(mod, config.routing);
  readSequence(mod, config.routing);
  readRecursions(mod, config.routing);
  readPrefill(mod, config.routing);
  SmallVector<LayerRange> routed = readRoutedLayers(mod, config.layers);
  readCapacities(mod, config, routed, config.routing);
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

/// Experts choose the tokens, as many as if each token chose `top`.
static void readExpertChoice(ObjectReader &moe, const Config &config,
                             ExpertsConfig &experts) {
  double even = 1.0 / double(experts.experts + experts.noops);
  experts.capacity = std::min(1.0, double(*experts.top) * even);
  experts.top.reset();
  if (moe.has("capacity"))
    for (const ObjectReader::Element &element : moe.getElements("capacity"))
      experts.capacity = readCapacity(moe, element, config.context);
  experts.least = moe.getFinite("threshold", even);
  if (experts.gate == GateKind::softmax_topk)
    moe.error("gate", "'softmax_topk' is of token_choice");
}

static void readMixture(ObjectReader &moe, const Config &config,
                        ExpertsConfig &experts) {
  moe.allowOnly({"routing", "gate", "noop_experts", "capacity", "threshold"});
  experts.noops = moe.getNatural("noop_experts", 0);
  bool byExperts = moe.getChoice("routing", {"token_choice", "expert_choice"},
                                 "token_choice") == "expert_choice";
  experts.gate = *symbolizeGateKind(
      moe.getChoice("gate", {"softmax_topk", "softmax", "sigmoid", "none"},
                    byExperts ? "softmax" : "softmax_topk"));
  if (byExperts)
    return readExpertChoice(moe, config, experts);
  if (moe.has("threshold"))
    moe.error("threshold", "is of expert_choice");
  if (moe.has("capacity"))
    for (const ObjectReader::Element &element : moe.getElements("capacity"))
      experts.capacity = readCapacity(moe, element, config.context);
}

/// Mixtral's keys, and the `moe` object for other mixtures.
static void readExperts(ObjectReader &root, Family family, Config &config) {
  if (family != Family::mixtral)
    return;
  // Each expert is a region of its own.
  constexpr int64_t kMaxExperts = 1 << 10;
  ExpertsConfig experts;
  experts.experts = root.getCount("num_local_experts", 8, kMaxExperts);
  experts.top = root.getCount("num_experts_per_tok", 2, kMaxExperts);
  if (root.has("moe")) {
    ObjectReader moe = root.getObject("moe");
    readMixture(moe, config, experts);
  }
  int64_t choices = experts.experts + experts.noops;
  if (experts.top.value_or(0) > choices)
    root.error("num_experts_per_tok",
               "must be at most the number of choices (" + Twine(choices) +
                   "), not " + Twine(*experts.top));
  config.experts = experts;
}

/// A window counts the tokens of a sequence, of which a routed block has some
/// unless skipped tokens have keys too.
static void checkWindows(ObjectReader &root, const Config &config) {
  if (config.routing.keys == KeyTokens::all)
    return;
  for (const auto &[first, routed] : config.routing.layers)
    for (int64_t layer = first; layer <= routed.last; ++layer)
      if (config.variant.windows[layer])
        root.error("mod", "routes layer " + Twine(layer) +
                              ", whose attention has a sliding window: "
                              "expected kv 'dense'");
}

FailureOr<Config> mod::readConfig(StringRef path, MLIRContext *context,
                                  StringRef preset) {
  JsonFile file(path, "the configuration", context);
  Config config = {};
  if (file.ok()) {
    ObjectReader root(file);
    Family family = readFamily(root);
    readModel(root, family, context, config);
    readExperts(root, family, config);
    readRouting(root, preset.empty() ? detectPreset(root) : preset, config);
    if (file.ok())
      checkWindows(root, config);
  }
  if (!file.ok())
    return failure();
  return config;
}
