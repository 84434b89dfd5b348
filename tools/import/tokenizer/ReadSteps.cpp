//===- ReadSteps.cpp - What comes before the model --------------*- C++ -*-===//
//
// Normalizers and pre-tokenizers as lists of the runtime's steps.
//
//===----------------------------------------------------------------------===//

#include "tools/import/tokenizer/Spec.h"

using namespace mlir;
using namespace mlir::mod;
using modrt::table::Behavior;
using modrt::table::StepKind;

/// How GPT-2 cuts words.
static constexpr llvm::StringLiteral kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+)"
    R"(|\s+(?!\S)|\s+)";

/// Refuses a step that the runtime has not, and names those it has.
static void refuse(ObjectReader &step, StringRef type,
                   ArrayRef<StringRef> known) {
  step.error("type",
             "is '" + type + "', supported are: " + llvm::join(known, ", "));
}

//===----------------------------------------------------------------------===//
// Normalizers
//===----------------------------------------------------------------------===//

static void readReplace(ObjectReader &step, TokenizerSpec &spec) {
  ObjectReader pattern = step.getObject("pattern");
  StringRef text = pattern.getString("String", "");
  if (text.empty())
    return pattern.error("String", "is missing: expected a text to replace");
  spec.normalizer.push_back(
      {StepKind::Replace, text.str(), step.getString("content", "").str()});
}

static void readNormalizerStep(ObjectReader &step, TokenizerSpec &spec) {
  StringRef type = step.getString("type", "");
  if (type == "Sequence") {
    for (ObjectReader &part : step.getObjects("normalizers"))
      readNormalizerStep(part, spec);
  } else if (type == "NFC") {
    spec.normalizer.push_back({StepKind::Nfc, "", ""});
  } else if (type == "Prepend") {
    spec.normalizer.push_back(
        {StepKind::Prepend, "", step.getString("prepend", "").str()});
  } else if (type == "Replace") {
    readReplace(step, spec);
  } else {
    refuse(step, type, {"Sequence", "NFC", "Prepend", "Replace"});
  }
}

void mod::readNormalizer(ObjectReader &root, TokenizerSpec &spec) {
  if (!root.has("normalizer"))
    return;
  ObjectReader step = root.getObject("normalizer");
  readNormalizerStep(step, spec);
}

//===----------------------------------------------------------------------===//
// Pre-tokenizers
//===----------------------------------------------------------------------===//

static void addSplit(std::string pattern, Behavior behavior,
                     TokenizerSpec &spec, bool inverted = false) {
  spec.splitter.push_back(
      {StepKind::Split, std::move(pattern), "", behavior, inverted});
}

static void addPattern(ObjectReader &where, StringRef pattern,
                       Behavior behavior, TokenizerSpec &spec,
                       bool inverted = false) {
  llvm::Expected<std::string> translated = translatePattern(pattern);
  if (!translated)
    return where.error("Regex", llvm::toString(translated.takeError()));
  addSplit(std::move(*translated), behavior, spec, inverted);
}

static void readSplit(ObjectReader &step, TokenizerSpec &spec) {
  StringRef names[] = {"Removed", "Isolated", "Contiguous",
                       "MergedWithPrevious", "MergedWithNext"};
  StringRef name = step.getChoice("behavior", names, "Isolated");
  auto behavior = static_cast<Behavior>(llvm::find(names, name) - names);
  bool inverted = step.getFlag("invert", false);
  ObjectReader pattern = step.getObject("pattern");
  if (pattern.has("String"))
    return addSplit(quotePattern(pattern.getString("String", "")), behavior,
                    spec, inverted);
  StringRef text = pattern.getString("Regex", "");
  if (text.empty())
    return pattern.error("Regex",
                         "is missing: expected an expression to split at");
  addPattern(pattern, text, behavior, spec, inverted);
}

static void readByteLevel(ObjectReader &step, TokenizerSpec &spec) {
  spec.flags |= modrt::table::ByteLevel;
  if (step.getFlag("add_prefix_space", true))
    spec.splitter.push_back({StepKind::PrependUnless, "", " "});
  if (step.getFlag("use_regex", true))
    addPattern(step, kGpt2Pattern, Behavior::Isolated, spec);
}

static void readMetaspace(ObjectReader &step, TokenizerSpec &spec) {
  std::string mark = step.getString("replacement", "\u2581").str();
  // Old files say whether there is a prefix, not when.
  StringRef old = step.getFlag("add_prefix_space", true) ? "always" : "never";
  StringRef scheme =
      step.getChoice("prepend_scheme", {"always", "first", "never"}, old);
  spec.splitter.push_back({StepKind::Replace, " ", mark});
  if (scheme != "never")
    spec.splitter.push_back({StepKind::PrependUnless, "", mark,
                             Behavior::Isolated, false, scheme == "first"});
  if (step.getFlag("split", true))
    addSplit(quotePattern(mark), Behavior::MergedWithNext, spec);
}

static void readPreTokenizerStep(ObjectReader &step, TokenizerSpec &spec) {
  StringRef type = step.getString("type", "");
  if (spec.isByteLevel())
    return step.error("type", "is '" + type +
                                  "' behind 'ByteLevel', which must be last");
  if (type == "Sequence") {
    for (ObjectReader &part : step.getObjects("pretokenizers"))
      readPreTokenizerStep(part, spec);
  } else if (type == "ByteLevel") {
    readByteLevel(step, spec);
  } else if (type == "Split") {
    readSplit(step, spec);
  } else if (type == "Metaspace") {
    readMetaspace(step, spec);
  } else if (type == "Digits") {
    bool single = step.getFlag("individual_digits", false);
    addSplit(single ? "\\p{N}" : "\\p{N}+", Behavior::Isolated, spec);
  } else if (type == "WhitespaceSplit") {
    addSplit("\\p{wspace}", Behavior::Removed, spec);
  } else if (type == "Punctuation") {
    step.getChoice("behavior", {"Isolated"}, "Isolated");
    addSplit("[\\p{P}$+<=>^`|~]", Behavior::Isolated, spec);
  } else {
    refuse(step, type,
           {"Sequence", "ByteLevel", "Split", "Metaspace", "Digits",
            "WhitespaceSplit", "Punctuation"});
  }
}

void mod::readPreTokenizer(ObjectReader &root, TokenizerSpec &spec) {
  if (!root.has("pre_tokenizer"))
    return;
  ObjectReader step = root.getObject("pre_tokenizer");
  readPreTokenizerStep(step, spec);
}
