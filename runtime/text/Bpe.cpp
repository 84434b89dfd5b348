//===- Bpe.cpp - Byte pair encoding ---------------------------------------===//
//
// Symbols in a list, the pairs that may be joined in a heap.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Models.h"
#include "runtime/text/Utf8.h"

#include <queue>
#include <tuple>

using namespace modrt;

namespace {

/// A word while its symbols are joined.
class Word {
public:
  Word(const TokenTable &table, std::vector<int32_t> symbols);
  void join();
  void append(std::vector<int32_t> &tokens) const;

private:
  struct Symbol {
    int32_t token; // -1: became part of the one before
    int32_t before, behind;
  };
  struct Pair {
    uint32_t rank;
    int32_t left;
    int32_t merged;
    /// Whether it comes later; a priority queue has the largest first.
    bool operator<(const Pair &other) const {
      return std::tie(other.rank, other.left) < std::tie(rank, left);
    }
  };
  void propose(int32_t left);
  void apply(const Pair &pair);

  const TokenTable &table;
  std::vector<Symbol> symbols;
  std::priority_queue<Pair> pairs;
};

/// The symbols that a word begins as.
class Symbols {
public:
  explicit Symbols(const TokenTable &table) : table(table) {}
  void add(std::string_view symbol);
  std::vector<int32_t> take();

private:
  void addUnknown();

  const TokenTable &table;
  std::vector<int32_t> tokens;
  bool isUnknownDue = false;
};

} // namespace

Word::Word(const TokenTable &table, std::vector<int32_t> tokens)
    : table(table) {
  int32_t count = tokens.size();
  for (int32_t i = 0; i < count; ++i)
    symbols.push_back({tokens[i], i - 1, i + 1 < count ? i + 1 : -1});
  for (int32_t i = 0; i + 1 < count; ++i)
    propose(i);
}

void Word::propose(int32_t left) {
  int32_t right = symbols[left].behind;
  const table::Merge *merge =
      table.findMerge(symbols[left].token, symbols[right].token);
  if (merge)
    pairs.push({merge->rank, left, static_cast<int32_t>(merge->merged)});
}

void Word::apply(const Pair &pair) {
  Symbol &left = symbols[pair.left];
  if (left.token < 0 || left.behind < 0)
    return;
  // The pair may be another by now.
  Symbol &right = symbols[left.behind];
  const table::Merge *merge = table.findMerge(left.token, right.token);
  if (!merge || static_cast<int32_t>(merge->merged) != pair.merged)
    return;
  left.token = pair.merged;
  left.behind = right.behind;
  right.token = -1;
  if (left.behind >= 0) {
    symbols[left.behind].before = pair.left;
    propose(pair.left);
  }
  if (left.before >= 0)
    propose(left.before);
}

void Word::join() {
  while (!pairs.empty()) {
    Pair pair = pairs.top();
    pairs.pop();
    apply(pair);
  }
}

void Word::append(std::vector<int32_t> &tokens) const {
  for (const Symbol &symbol : symbols)
    if (symbol.token >= 0)
      tokens.push_back(symbol.token);
}

bool modrt::appendBytes(const TokenTable &table, std::string_view text,
                        std::vector<int32_t> &tokens) {
  size_t before = tokens.size();
  for (unsigned char byte : text) {
    tokens.push_back(table.byteToken(byte));
    if (tokens.back() < 0) {
      tokens.resize(before);
      return false;
    }
  }
  return true;
}

void Symbols::addUnknown() {
  if (isUnknownDue)
    tokens.push_back(table.header().unknown);
  isUnknownDue = false;
}

/// What has no token is bytes, or unknown, or nothing at all.
void Symbols::add(std::string_view symbol) {
  bool isByte = table.has(table::ByteLevel);
  int32_t token = isByte ? table.byteToken(symbol[0]) : table.find(symbol);
  if (token >= 0) {
    addUnknown();
    tokens.push_back(token);
    return;
  }
  if (table.has(table::ByteFallback) && !isByte &&
      appendBytes(table, symbol, tokens))
    return;
  if (!table.has(table::FuseUnknown))
    addUnknown();
  isUnknownDue = table.header().unknown >= 0;
}

std::vector<int32_t> Symbols::take() {
  addUnknown();
  return std::move(tokens);
}

void modrt::encodeBpe(const TokenTable &table, std::string_view word,
                      std::vector<int32_t> &tokens) {
  int32_t whole = table.has(table::IgnoreMerges) ? table.find(word) : -1;
  if (whole >= 0) {
    tokens.push_back(whole);
    return;
  }
  Symbols symbols(table);
  while (!word.empty()) {
    size_t length = table.has(table::ByteLevel) ? 1 : characterLength(word[0]);
    symbols.add(word.substr(0, length));
    word.remove_prefix(length);
  }
  Word joined(table, symbols.take());
  joined.join();
  joined.append(tokens);
}
