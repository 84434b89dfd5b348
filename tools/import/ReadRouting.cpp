//===- ReadRouting.cpp - How layers are routed ------------------*- C++ -*-===//
//
// The `mod` object, key by key: what a preset says where the file does not.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Presets.h"
#include "tools/import/Readers.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

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

/// Whether a gate is not of its token's own score alone.
static bool gatesBySoftmax(const RoutingConfig &routing) {
  return routing.gate == GateKind::softmax ||
         routing.gate == GateKind::softmax_topk;
}

static void readSelected(ObjectReader &mod, RoutingConfig &routing) {
  routing.selected = readCase<Selected>(
      mod, "selected",
      {"x + g*f", "g*B", "x + g*B", "x + attn + g*mlp", "2*x + attn + g*mlp"});
  if (routing.selected >= Selected::gatedMlp && gatesBySoftmax(routing))
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
  if (routing.scheme == Scheme::sequence)
    mod.error("prefill", "does not go with 'sequence' routing, where the "
                         "prompt decides for its sequence");
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
  if (routing.keys == KeyTokens::first && gatesBySoftmax(routing))
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
  if (routing.skipped == Skipped::gated && gatesBySoftmax(routing))
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

void mod::readRouting(ObjectReader &root, StringRef preset, Config &config) {
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
  readLayers(mod, config);
}
