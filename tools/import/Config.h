//===- Config.h - What a model directory says of its model ------*- C++ -*-===//
//
// `config.json`: Hugging Face's keys for Llama, and the `mod` object.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_CONFIG_H
#define MOD_TOOLS_IMPORT_CONFIG_H

#include "dialect/ModDialect.h"
#include <map>
#include <optional>
#include <variant>

namespace mlir::mod {

/// A ratio of the tokens, or a count.
using Capacity = std::variant<double, int64_t>;

/// What becomes of a selected token `x` of a layer `B(x) = x + attn + mlp` with
/// the update `f = attn + mlp` and the gate `g`.
enum class Selected {
  gatedUpdate,        // x + g*f
  gatedLayer,         // g*B
  addedGatedLayer,    // x + g*B
  gatedMlp,           // x + attn + g*mlp
  addedLayerGatedMlp, // 2*x + attn + g*mlp
};

/// The `mod` object. A dense model routes no layer.
struct RoutingConfig {
  std::map<int64_t, Capacity> layers;
  GateKind gate = GateKind::raw;
  double gateScale = 1.0, gateBias = 0.0;
  Selected selected = Selected::gatedUpdate;
  Causal causal = Causal::router;
  /// The predictors' width; none without predictors.
  std::optional<int64_t> predictorHidden;
};

struct Config {
  int64_t vocab, hidden, intermediate, layers, heads, kvHeads, headDim, context;
  double normEps, ropeTheta;
  bool tiedEmbeddings, attentionBias, mlpBias;
  SmallVector<int32_t> eosTokens;
  RoutingConfig routing;
};

/// Reads and checks `config.json`; emits one error if it is not a model that
/// can be imported.
FailureOr<Config> readConfig(StringRef path, MLIRContext *context);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_CONFIG_H
