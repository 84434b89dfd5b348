//===- AddedTokens.h - Tokens that are looked for --------------*- C++ -*-===//
//
// Added and special tokens are found in the text before the model sees it.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_ADDEDTOKENS_H
#define RUNTIME_TEXT_ADDEDTOKENS_H

#include "runtime/text/Regex.h"
#include "runtime/text/TokenTable.h"

namespace modrt {

/// A part of a text: a token that was found, or -1 for what is between tokens.
struct Part {
  int32_t token;
  size_t begin, end;
};

/// Those of the added tokens that are looked for at the same time.
class AddedTokens {
public:
  modrt_status open(const TokenTable &table, bool normalized);

  /// Cuts a text at the tokens in it: leftmost first, then longest.
  modrt_status find(std::string_view text, std::vector<Part> &parts) const;

private:
  struct Token {
    int32_t id;
    uint32_t flags;
    std::string_view content;
  };
  struct Surroundings;
  const Token *match(std::string_view text, size_t at) const;

  std::vector<Token> tokens[256]; // by their first byte, longest first
  bool hasAny = false, needsSurroundings = false;
  Regex word, space;
};

} // namespace modrt

#endif // RUNTIME_TEXT_ADDEDTOKENS_H
