//===- Config.cpp - What a model directory says of its model ----*- C++ -*-===//
//
// Reads the keys that all models have, and refuses what the importer cannot
// honour.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Config.h"
#include "tools/import/Json.h"
#include "tools/import/Presets.h"
#include "tools/import/Readers.h"

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
  }
  if (!file.ok())
    return failure();
  return config;
}
