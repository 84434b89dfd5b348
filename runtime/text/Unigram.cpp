//===- Unigram.cpp - The likeliest pieces ---------------------------------===//
//
// Viterbi's algorithm over the characters of a word.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Models.h"
#include "runtime/text/Utf8.h"

#include <algorithm>

using namespace modrt;

namespace {

/// The best way to a place in a word.
struct Node {
  double score = 0;
  size_t begin = std::string_view::npos; // of the last piece; npos: no way yet
  int32_t token = -1;
};

/// The pieces of a word, from left to right.
class Lattice {
public:
  Lattice(const TokenTable &table, std::string_view word)
      : table(table), word(word), nodes(word.size() + 1) {}
  std::vector<std::string_view> findPieces();

private:
  void extend(size_t at, size_t end, double score, int32_t token);
  void extendFrom(size_t at);

  const TokenTable &table;
  std::string_view word;
  std::vector<Node> nodes;
};

} // namespace

void Lattice::extend(size_t at, size_t end, double score, int32_t token) {
  Node &node = nodes[end];
  double total = nodes[at].score + score;
  if (node.begin == std::string_view::npos || total > node.score)
    node = {total, at, token};
}

void Lattice::extendFrom(size_t at) {
  size_t character = characterLength(word[at]);
  size_t most = std::min<size_t>(word.size(), at + table.header().longestPiece);
  bool isCharacterKnown = false;
  for (size_t end = at + character; end <= most;) {
    int32_t token = table.find(word.substr(at, end - at));
    if (token >= 0) {
      extend(at, end, table.score(token), token);
      isCharacterKnown |= end == at + character;
    }
    if (end == word.size())
      break;
    end += characterLength(word[end]);
  }
  if (!isCharacterKnown)
    extend(at, at + character, table.header().unknownScore,
           table.header().unknown);
}

/// Unknown characters side by side are one piece.
std::vector<std::string_view> Lattice::findPieces() {
  for (size_t at = 0; at < word.size(); at += characterLength(word[at]))
    extendFrom(at);
  std::vector<std::string_view> pieces;
  bool wasUnknown = false;
  for (size_t end = word.size(); end > 0; end = nodes[end].begin) {
    size_t begin = nodes[end].begin;
    bool isUnknown = nodes[end].token == table.header().unknown &&
                     table.has(table::FuseUnknown);
    if (isUnknown && wasUnknown)
      pieces.back() = word.substr(begin, end - begin + pieces.back().size());
    else
      pieces.push_back(word.substr(begin, end - begin));
    wasUnknown = isUnknown;
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

void modrt::encodeUnigram(const TokenTable &table, std::string_view word,
                          std::vector<int32_t> &tokens) {
  for (std::string_view piece : Lattice(table, word).findPieces()) {
    int32_t token = table.find(piece);
    if (token >= 0)
      tokens.push_back(token);
    else if (!table.has(table::ByteFallback) ||
             !appendBytes(table, piece, tokens))
      tokens.push_back(table.header().unknown);
  }
}
