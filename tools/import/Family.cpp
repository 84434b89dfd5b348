//===- Family.cpp - What sets model families apart --------------*- C++ -*-===//
//
// Names of families, and the keys that mean something else in each.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Family.h"
#include "tools/import/Config.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FamilyName {
  Family family;
  StringLiteral type, architecture;
};
} // namespace

static constexpr FamilyName kFamilies[] = {
    {Family::llama, "llama", "LlamaForCausalLM"},
    {Family::llama, "llama", "LlamaMoDForCausalLM"},
    {Family::mistral, "mistral", "MistralForCausalLM"},
    {Family::mistral, "mistral", "MistralMoDForCausalLM"},
    {Family::mixtral, "mixtral", "MixtralForCausalLM"},
    {Family::mixtral, "mixtral", "MixtralMoDForCausalLM"},
    {Family::qwen2, "qwen2", "Qwen2ForCausalLM"},
    {Family::qwen2, "qwen2", "Qwen2MoDForCausalLM"},
    {Family::qwen3, "qwen3", "Qwen3ForCausalLM"},
    {Family::gemma, "gemma", "GemmaForCausalLM"},
    {Family::gemma, "gemma", "GemmaMoDForCausalLM"},
};

/// The names of all families, or of one.
static std::string listNames(StringLiteral FamilyName::*name,
                             std::optional<Family> only = {}) {
  llvm::SmallSetVector<StringRef, 8> names;
  for (const FamilyName &family : kFamilies)
    if (!only || family.family == *only)
      names.insert(family.*name);
  return llvm::join(names, ", ");
}

static std::optional<Family> findFamily(StringLiteral FamilyName::*name,
                                        StringRef value) {
  for (const FamilyName &family : kFamilies)
    if (family.*name == value)
      return family.family;
  return {};
}

/// The family of the architectures, which must agree with `type`, if given.
static std::optional<Family> readArchitectures(ObjectReader &root,
                                               std::optional<Family> type) {
  for (const ObjectReader::Element &element :
       root.getElements("architectures")) {
    std::optional<Family> family = findFamily(
        &FamilyName::architecture, element.value->getAsString().value_or(""));
    if (!family || (type && family != type))
      root.error(element, "is " + element.describe() + ", supported are: " +
                              listNames(&FamilyName::architecture, type));
    type = family ? family : type;
  }
  return type;
}

Family mod::readFamily(ObjectReader &root) {
  std::optional<Family> family;
  if (root.has("model_type")) {
    StringRef type = root.getString("model_type", "");
    family = findFamily(&FamilyName::type, type);
    if (!family)
      root.error("model_type", "is '" + type + "', supported are: " +
                                   listNames(&FamilyName::type));
  } else if (!root.has("architectures")) {
    root.error("model_type",
               "is missing: expected one of: " + listNames(&FamilyName::type));
  }
  if (root.has("architectures"))
    family = readArchitectures(root, family);
  return family.value_or(Family::llama);
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// Gemma's files say `gelu` and mean its approximation by tanh.
static void readActivation(ObjectReader &root, Family family,
                           Variant &variant) {
  bool isGemma = family == Family::gemma;
  StringRef key = isGemma && root.has("hidden_activation") ? "hidden_activation"
                                                           : "hidden_act";
  StringRef name = root.getString(key, isGemma ? "gelu_pytorch_tanh" : "silu");
  if (name == "gelu_pytorch_tanh" || (isGemma && name == "gelu"))
    variant.activation = HiddenActivation::gelu;
  else if (name != "silu")
    root.error(key,
               "is '" + name + "', supported are: silu, gelu_pytorch_tanh");
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

/// Whether each layer is said to have a window.
static SmallVector<bool> readLayerTypes(ObjectReader &root,
                                        const Config &config) {
  SmallVector<bool> slides;
  for (const ObjectReader::Element &element : root.getElements("layer_types")) {
    StringRef type = element.value->getAsString().value_or("");
    if (type != "full_attention" && type != "sliding_attention")
      root.error(element,
                 "is " + element.describe() +
                     ", expected one of: full_attention, sliding_attention");
    slides.push_back(type == "sliding_attention");
  }
  if (int64_t(slides.size()) != config.layers)
    root.error("layer_types", "lists " + Twine(slides.size()) + " layers of " +
                                  Twine(config.layers));
  slides.resize(config.layers);
  return slides;
}

static bool isMistral(Family family) {
  return family == Family::mistral || family == Family::mixtral;
}

static SmallVector<bool> getSliding(ObjectReader &root, Family family,
                                    const Config &config) {
  SmallVector<bool> slides(config.layers, isMistral(family));
  bool isQwen = family == Family::qwen2 || family == Family::qwen3;
  if (!isQwen)
    return slides;
  if (root.has("layer_types"))
    return readLayerTypes(root, config);
  int64_t first =
      root.has("max_window_layers")
          ? root.getInteger("max_window_layers", 0, ObjectReader::kMaxCount)
          : 28;
  for (int64_t layer = first; layer < config.layers; ++layer)
    slides[layer] = true;
  return slides;
}

/// A window as wide as the context hides nothing.
static void readWindows(ObjectReader &root, Family family, Config &config) {
  Variant &variant = config.variant;
  variant.windows.resize(config.layers);
  bool isQwen = family == Family::qwen2 || family == Family::qwen3;
  bool isNull =
      root.getJson().get("sliding_window") && !root.has("sliding_window");
  // Mixtral's files without the key mean none.
  bool isStated = family == Family::mistral ||
                  (family == Family::mixtral && root.has("sliding_window"));
  bool has = !isNull && (isStated ||
                         (isQwen && root.getFlag("use_sliding_window", false)));
  if (!has)
    return;
  int64_t window = root.getCount("sliding_window", 4096);
  SmallVector<bool> slides = getSliding(root, family, config);
  for (int64_t layer = 0; layer < config.layers; ++layer)
    if (slides[layer] && window < config.context)
      variant.windows[layer] = window;
}

void mod::readVariant(ObjectReader &root, Family family, Config &config) {
  Variant &variant = config.variant;
  bool bias = root.getFlag("attention_bias", false);
  variant.projectionBias = bias || family == Family::qwen2;
  variant.outputBias = bias;
  variant.headNorms = family == Family::qwen3;
  variant.unitOffset = variant.scaledEmbeddings = family == Family::gemma;
  readActivation(root, family, variant);
  readWindows(root, family, config);
}
