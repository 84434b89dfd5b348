//===- ForwardBuilder.h - Parts of a forward pass ---------------*- C++ -*-===//
//
// One function per part of the transformer, in the functional form of the
// dialect.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_FORWARDBUILDER_H
#define MOD_TOOLS_IMPORT_FORWARDBUILDER_H

#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "tools/import/Config.h"
#include "tools/import/Parameters.h"

namespace mlir::mod {

/// What a decoder layer, or one half of it, adds to the residual, and where.
struct LayerParts {
  Value attention;
  /// The residual with the attention added: the input of the MLP.
  Value middle;
  Value mlp;
};

/// What a router makes of tokens, what orders them, and the predictor's logits
/// where these route.
struct RoutingScores {
  Value router, order, logits;
};

/// Keys, rotated, and values of some tokens.
struct KeysOfTokens {
  Value key, value;
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
  Value buildScoped(int64_t layer, StringRef name, Value x, Value positions);
  Value buildRouted(int64_t layer, Value x, Value positions);
  Value buildFirst(int64_t layer, Value x, Value positions);
  void buildAllKeys(StringRef name, Value x, Value positions);
  RoutedOp createRouted(int64_t layer, int64_t step, Value x,
                        const RoutingScores &scores);
  RoutedOp buildStep(int64_t layer, int64_t step, Value x, Value positions,
                     Value candidates);
  RoutingScores buildScores(int64_t layer, int64_t step, Value x,
                            Value positions, Value candidates);
  LayerParts buildParts(StringRef name, Value x, Value positions, Scope scope);
  Value buildDense(StringRef name, Value x, Value positions, Scope scope);
  KeysOfTokens buildKeys(const Twine &name, Value x, Value positions);
  Value buildAttention(const Twine &name, Value x, Value positions);
  Value buildMlp(const Twine &name, Value x);
  Value buildGlu(const Twine &name, Value x, StringRef gateName,
                 StringRef upName, StringRef downName);
  Value buildSilu(Location loc, Value x, Value factor = {});
  Value buildGelu(Location loc, Value x, Value factor);
  Value buildNorm(const Twine &name, Value x,
                  std::optional<int64_t> heads = {});
  Value buildRope(Location loc, Value x, Value positions, int64_t heads);
  Value buildEmbedding(Value tokens, Value table);
  Value buildLinear(const Twine &name, Value x, int64_t outputs, bool hasBias);

  // BuildExperts.cpp
  Value buildExperts(const Twine &name, Value x);

  // BuildRouting.cpp
  Value buildRouter(const Twine &name, Value x);
  Value buildPredictor(const Twine &name, Value x);
  Value buildOrder(int64_t layer, Location loc, Value scores, Value positions);
  Value force(Location loc, Value values, Value positions);
  Value forceIf(Location loc, Value values, Value numbers,
                arith::CmpIPredicate predicate, int64_t bound);
  Value buildUpdate(Location loc, const LayerParts &parts, Value scores);
  std::string getInnerName(StringRef name);
  Value buildRouterInput(StringRef name, Value x);
  Value add(Location loc, Value a, Value b);
  Value buildAdapter(const Twine &name, Value x);
  Block *createRegion(Region &region, RoutedOp routed, Value positions,
                      bool hasScores);
  LayerParts buildLayers(int64_t first, Value x, Value positions);
  void buildRegion(RoutedOp routed, int64_t layer, Value positions);
  void buildBypass(RoutedOp routed, StringRef name, Value positions);
  GateAttr getGate();
  GateAttr getBlockGate();
  Attribute getCapacity(int64_t layer, int64_t step);
  ThresholdAttr getThreshold(int64_t layer, int64_t step);

  static std::string getLayerName(int64_t layer) {
    return ("model.layers." + Twine(layer)).str();
  }

  /// The place of a part: `layers.3.mlp`.
  Location getLoc(const Twine &name) {
    std::string path = name.str();
    StringRef shown = path;
    shown.consume_front("model.");
    return NameLoc::get(builder.getStringAttr(shown));
  }

  const Config &config;
  /// How many tokens the layer that is built sees.
  std::optional<int64_t> window;
  /// Of all tokens, by the attention that some of them go through.
  llvm::StringMap<KeysOfTokens> allKeys;
  /// Whether attentions leave their keys there.
  bool leavesKeys = false;
  func::FuncOp function;
  OpBuilder builder;
  Parameters parameters;
};

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_FORWARDBUILDER_H
