//===- ReadDecoder.cpp - What comes behind the model ------------*- C++ -*-===//
//
// Decoders, and the tokens that stand before and behind any text.
//
//===----------------------------------------------------------------------===//

#include "tools/import/tokenizer/Spec.h"

using namespace mlir;
using namespace mlir::mod;
using modrt::table::DropSpaces;

/// A text loses the space that encoding put before it.
static void readStrip(ObjectReader &step, DecoderSpec &decoder) {
  int64_t start = step.getInteger("start", 0, 1);
  step.getInteger("stop", 0, 0);
  step.getChoice("content", {" "}, " ");
  if (start)
    decoder.drop = DropSpaces::One;
}

static void readReplace(ObjectReader &step, DecoderSpec &decoder) {
  ObjectReader pattern = step.getObject("pattern");
  StringRef text = pattern.getString("String", "");
  if (text.empty())
    return pattern.error("String", "is missing: expected a text to replace");
  decoder.replacements.emplace_back(text.str(),
                                    step.getString("content", "").str());
}

static void readMetaspace(ObjectReader &step, DecoderSpec &decoder) {
  StringRef old = step.getFlag("add_prefix_space", true) ? "always" : "never";
  StringRef scheme =
      step.getChoice("prepend_scheme", {"always", "first", "never"}, old);
  decoder.replacements.emplace_back(
      step.getString("replacement", "\u2581").str(), " ");
  if (scheme != "never")
    decoder.drop = DropSpaces::OfFirstToken;
}

static void readDecoderStep(ObjectReader &step, DecoderSpec &decoder) {
  StringRef type = step.getString("type", "");
  if (type == "Sequence") {
    for (ObjectReader &part : step.getObjects("decoders"))
      readDecoderStep(part, decoder);
  } else if (type == "ByteLevel") {
    decoder.isByteLevel = true;
  } else if (type == "ByteFallback") {
    decoder.hasBytes = true;
  } else if (type == "Replace") {
    readReplace(step, decoder);
  } else if (type == "Strip") {
    readStrip(step, decoder);
  } else if (type == "Metaspace") {
    readMetaspace(step, decoder);
  } else if (type != "Fuse") {
    step.error("type", "is '" + type +
                           "', supported are: Sequence, ByteLevel, "
                           "ByteFallback, Replace, Strip, Metaspace, Fuse");
  }
}

void mod::readDecoder(ObjectReader &root, TokenizerSpec &spec) {
  if (!root.has("decoder"))
    return root.error("decoder", "is missing");
  ObjectReader step = root.getObject("decoder");
  readDecoderStep(step, spec.decoder);
}

//===----------------------------------------------------------------------===//
// Post-processors
//===----------------------------------------------------------------------===//

/// The ids of a special token of a template.
static SmallVector<int32_t> readSpecial(ObjectReader &processor, StringRef name,
                                        const TokenizerSpec &spec) {
  ObjectReader tokens = processor.getObject("special_tokens");
  ObjectReader token = tokens.getObject(name);
  SmallVector<int32_t> ids;
  if (!token.has("ids")) {
    processor.error("special_tokens", "has no ids for '" + name + "'");
    return ids;
  }
  for (const ObjectReader::Element &element : token.getElements("ids"))
    ids.push_back(token.toInteger(element, 0, spec.tokens.size() - 1));
  return ids;
}

/// The template of one text: special tokens, the text, special tokens.
static void readTemplate(ObjectReader &processor, TokenizerSpec &spec) {
  SmallVector<int32_t> prefix, suffix;
  bool isBehind = false;
  for (ObjectReader &piece : processor.getObjects("single")) {
    if (piece.has("Sequence")) {
      if (isBehind)
        return piece.error("Sequence", "is in the template again");
      isBehind = true;
      continue;
    }
    ObjectReader special = piece.getObject("SpecialToken");
    llvm::append_range(
        isBehind ? suffix : prefix,
        readSpecial(processor, special.getString("id", ""), spec));
  }
  if (!isBehind)
    processor.error("single", "has no place for the text");
  spec.prefix.insert(spec.prefix.begin(), prefix.begin(), prefix.end());
  llvm::append_range(spec.suffix, suffix);
}

static void readProcessor(ObjectReader &processor, TokenizerSpec &spec) {
  StringRef type = processor.getString("type", "");
  if (type == "Sequence") {
    for (ObjectReader &part : processor.getObjects("processors"))
      readProcessor(part, spec);
  } else if (type == "TemplateProcessing") {
    readTemplate(processor, spec);
  } else if (type != "ByteLevel") {
    processor.error("type", "is '" + type +
                                "', supported are: Sequence, "
                                "TemplateProcessing, ByteLevel");
  }
}

void mod::readPostProcessor(ObjectReader &root, TokenizerSpec &spec) {
  if (!root.has("post_processor"))
    return;
  ObjectReader processor = root.getObject("post_processor");
  readProcessor(processor, spec);
}
