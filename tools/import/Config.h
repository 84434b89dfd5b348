//===- Config.h - What a model directory says of its model ------*- C++ -*-===//
//
// `config.json`: Hugging Face's keys for Llama and its relatives, and the `mod`
// object.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_CONFIG_H
#define MOD_TOOLS_IMPORT_CONFIG_H

#include "dialect/ModDialect.h"
#include "tools/import/Family.h"
#include <map>
#include <optional>
#include <variant>

namespace mlir::mod {

/// A ratio of the tokens, or a count.
using Capacity = std::variant<double, int64_t>;

/// How a layer picks its tokens.
enum class Scheme {
  expert_choice, // the largest scores
  token_choice,  // of these the ones whose score passes
  stochastic,    // the largest of random numbers
  threshold,     // the scores that pass
  argmax,        // where the first of two outputs is the larger
  sequence,      // all tokens of a sequence, or none, by what its prompt scores
};

/// What of a layer is routed.
enum class Scope { block, attention, mlp };

/// Whose keys and values a routed layer attends to.
enum class KeyTokens {
  routed, // those of the tokens that take part
  all,    // skipped tokens have them too
  first,  // of recursions, those of the first, which all tokens go through
};

/// What becomes of a skipped token.
enum class Skipped {
  kept,    // x
  gated,   // g*x
  adapted, // x + adapter
};

/// What becomes of a selected token `x` of a layer `B(x) = x + attn + mlp` with
/// the update `f = attn + mlp` and the gate `g`.
enum class Selected {
  gatedUpdate,        // x + g*f
  gatedLayer,         // g*B
  addedGatedLayer,    // x + g*B
  gatedMlp,           // x + attn + g*mlp
  addedLayerGatedMlp, // 2*x + attn + g*mlp
};

/// Layers that are routed together, and the capacity of each time that tokens
/// go through them.
struct RoutedLayers {
  int64_t last;
  SmallVector<Capacity> capacities;
};

/// The `mod` object. A dense model routes no layer.
struct RoutingConfig {
  /// By the first of them.
  std::map<int64_t, RoutedLayers> layers;
  /// How often a token goes through them at most.
  int64_t recursions = 1;
  GateKind gate = GateKind::raw;
  double gateScale = 1.0, gateBias = 0.0;
  Selected selected = Selected::gatedUpdate;
  Scheme scheme = Scheme::expert_choice;
  int64_t seed = 0;
  Pooling pooling = Pooling::mean;
  Ties ties = Ties::first;
  /// How a ratio is rounded; down if it is not given.
  std::optional<Rounding> rounding;
  /// What tested values must pass, and whether equals do.
  double least = 0.0;
  bool passesEqual = false;
  /// The first tokens, which take part in any case.
  int64_t forcedTokens = 0;
  /// The tokens that may be skipped; all if it is not given.
  std::optional<std::pair<int64_t, int64_t>> eligible;
  /// Routers and predictors read what the first product reads, not `x`.
  bool readsNorm = false;
  Scope scope = Scope::block;
  KeyTokens keys = KeyTokens::routed;
  Skipped skipped = Skipped::kept;
  /// The width of the adapters of skipped tokens.
  int64_t adapterHidden = 0;
  Causal causal = Causal::router;
  /// How prompts are routed, where that differs.
  std::optional<Prefill> prefill;
  /// The predictors' width; none without predictors.
  std::optional<int64_t> predictorHidden;
};

/// The experts of each MLP.
struct ExpertsConfig {
  /// Networks, and choices that do nothing.
  int64_t experts = 0, noops = 0;
  /// How many a token goes to; none: experts choose their tokens.
  std::optional<int64_t> top;
  std::optional<Capacity> capacity;
  GateKind gate = GateKind::softmax_topk;
  /// The share that routes a token where the future is unknown.
  double least = 0.0;
};

struct Config {
  int64_t vocab, hidden, intermediate, layers, heads, kvHeads, headDim, context;
  double normEps, ropeTheta;
  bool tiedEmbeddings, mlpBias;
  Variant variant;
  SmallVector<int32_t> eosTokens;
  RoutingConfig routing;
  std::optional<ExpertsConfig> experts;
};

/// Reads and checks `config.json`; emits one error if it is not a model that
/// can be imported. What its `mod` object does not say is as in the preset, if
/// one is named or follows from `architectures`.
FailureOr<Config> readConfig(StringRef path, MLIRContext *context,
                             StringRef preset = "");

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_CONFIG_H
