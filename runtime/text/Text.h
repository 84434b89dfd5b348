//===- Text.h - Texts as tokens and back -----------------------*- C++ -*-===//
//
// The tokenizer of a model.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_TEXT_H
#define RUNTIME_TEXT_TEXT_H

#include "runtime/text/AddedTokens.h"
#include "runtime/text/Normalizer.h"

namespace modrt {

/// A tokenizer over a table; several threads may use it.
class Tokenizer {
public:
  modrt_status open(const void *memory, int64_t size);

  /// The tokens of a text, with those that stand before and behind any. Bytes
  /// that are not UTF-8 count as U+FFFD.
  modrt_status encode(std::string_view text,
                      std::vector<int32_t> &tokens) const;

  /// What normalization makes of a text.
  modrt_status normalize(std::string_view text, std::string &result) const;

  const TokenTable &table() const { return entries; }

private:
  modrt_status encodePart(std::string_view text, bool isFirst,
                          std::vector<int32_t> &tokens) const;
  modrt_status encodeWords(Segment segment, std::vector<int32_t> &tokens) const;

  TokenTable entries;
  Steps normalizer, splitter;
  AddedTokens added, addedNormalized;
};

/// Tokens to text, one by one. Text comes out as soon as its characters are
/// whole; bytes of tokens that cannot become UTF-8 are U+FFFD.
class TextStream {
public:
  /// Without a table tokens are bytes, which pass as they are once they are
  /// whole characters or cannot become such.
  explicit TextStream(const TokenTable *table) : table(table) {}

  /// What can be shown once this token is known.
  std::string push(int32_t token);
  /// What is left where the text ends.
  std::string finish();

private:
  std::string replace(std::string_view bytes) const;
  std::string takeWhole(bool isEnd);

  const TokenTable *table;
  std::string pending;
  bool isStart = true;
};

} // namespace modrt

#endif // RUNTIME_TEXT_TEXT_H
