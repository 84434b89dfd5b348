//===- ReadTokenizer.cpp - From tokenizer.json to a table -------*- C++ -*-===//
//
// Reads the parts of the file, writes the table, and has the runtime open it.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Text.h"
#include "tools/import/tokenizer/Spec.h"
#include "tools/import/tokenizer/Tokenizer.h"

using namespace mlir;
using namespace mlir::mod;
namespace table = modrt::table;

TokenSpec &TokenizerSpec::getToken(int32_t id) {
  if (size_t(id) >= tokens.size())
    tokens.resize(id + 1);
  return tokens[id];
}

static void readAddedToken(ObjectReader &entry, int64_t vocab,
                           TokenizerSpec &spec) {
  entry.allowOnly({"id", "content", "single_word", "lstrip", "rstrip",
                   "normalized", "special"});
  AddedSpec added = {};
  added.id = entry.getInteger("id", 0, vocab - 1);
  added.content = entry.getString("content", "").str();
  for (auto [key, flag] : {std::pair{"normalized", table::Normalized},
                           std::pair{"single_word", table::SingleWord},
                           std::pair{"lstrip", table::StripLeft},
                           std::pair{"rstrip", table::StripRight}})
    if (entry.getFlag(key, false))
      added.flags |= flag;
  TokenSpec &token = spec.getToken(added.id);
  if (token.isPiece && token.name != added.content)
    entry.error("content", "is '" + added.content +
                               "', but the vocabulary has '" + token.name +
                               "' as token " + Twine(added.id));
  token.name = added.content;
  token.isSpecial = entry.getFlag("special", false);
  spec.added.push_back(std::move(added));
}

void mod::readAddedTokens(ObjectReader &root, int64_t vocab,
                          TokenizerSpec &spec) {
  for (ObjectReader &entry : root.getObjects("added_tokens"))
    readAddedToken(entry, vocab, spec);
}

/// Tokens that are looked for in normalized text are normalized themselves.
static modrt_status normalizeAdded(TokenizerSpec &spec, std::string &bytes) {
  modrt::Tokenizer opened;
  MODRT_TRY(opened.open(bytes.data(), bytes.size()));
  for (AddedSpec &added : spec.added) {
    if (!(added.flags & table::Normalized))
      continue;
    std::string normalized;
    MODRT_TRY(opened.normalize(added.content, normalized));
    if (TokenSpec &token = spec.getToken(added.id); !token.isPiece)
      token.name = normalized;
    added.content = std::move(normalized);
  }
  // Where two begin at the same place, the longer one is meant.
  llvm::sort(spec.added, [](const AddedSpec &a, const AddedSpec &b) {
    return std::pair(b.content.size(), a.id) <
           std::pair(a.content.size(), b.id);
  });
  bytes = writeTable(spec);
  return modrt::ok();
}

FailureOr<mod::Tokenizer> mod::readTokenizer(StringRef path, int64_t vocab,
                                             MLIRContext *context) {
  JsonFile file(path, "the tokenizer", context);
  TokenizerSpec spec;
  if (file.ok()) {
    ObjectReader root(file);
    root.allowOnly({"version", "truncation", "padding", "added_tokens",
                    "normalizer", "pre_tokenizer", "post_processor", "decoder",
                    "model"});
    readPreTokenizer(root, spec);
    readNormalizer(root, spec);
    readDecoder(root, spec);
    readModel(root, vocab, spec);
    readAddedTokens(root, vocab, spec);
    readPostProcessor(root, spec);
  }
  if (!file.ok())
    return failure();
  std::string bytes = writeTable(spec);
  modrt_status status = normalizeAdded(spec, bytes);
  if (modrt::failed(status)) {
    file.error("pre_tokenizer", StringRef(status.message));
    return failure();
  }
  bool isBpe = spec.model == table::Model::Bpe;
  return Tokenizer{isBpe ? "bpe" : "unigram", std::move(bytes)};
}
