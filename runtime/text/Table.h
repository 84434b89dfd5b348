//===- Table.h - A tokenizer as compiled models hold it --------*- C++ -*-===//
//
// The binary form of tokenizer.json: written by the compiler, used where it
// lies. docs/tokenizers.md describes it.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_TABLE_H
#define RUNTIME_TEXT_TABLE_H

#include <cstdint>
#include <string_view>

namespace modrt::table {

constexpr char kMagic[8] = "MODTOK1";

/// Bytes, or elements of a section, from `offset` on; offsets count bytes from
/// the beginning of the table, those of sections are multiples of 8.
struct Span {
  uint32_t offset;
  uint32_t size;
};

enum class Model : uint32_t { Bpe, Unigram };

/// What is done to a text before the model sees it.
enum class StepKind : uint32_t {
  Nfc,           ///< canonical composition
  Prepend,       ///< put `content` before a text that is not empty
  PrependUnless, ///< the same where the text does not begin with it
  Replace,       ///< each `pattern`, as it is written, by `content`
  Split,         ///< cut at matches of the regular expression `pattern`
};

/// Where a text is cut: matches are dropped, pieces of their own, joined with
/// what is of their kind, or part of what is before or behind them.
enum class Behavior : uint32_t {
  Removed,
  Isolated,
  Contiguous,
  MergedWithPrevious,
  MergedWithNext,
};

struct Step {
  StepKind kind;
  Behavior behavior;  ///< of Split
  uint32_t inverted;  ///< of Split: what does not match is the match
  uint32_t onlyFirst; ///< of PrependUnless: where the whole text begins
  Span pattern;
  Span content;
};

/// A token that is looked for in the text, not made by the model.
struct AddedToken {
  int32_t id;
  uint32_t flags; ///< of AddedFlags
  Span content;
};

enum AddedFlags : uint32_t {
  Normalized = 1, ///< found in the normalized text, else before
  SingleWord = 2, ///< not within a word
  StripLeft = 4,  ///< takes the white space before it
  StripRight = 8, ///< and behind it
};

/// Two tokens that become one. Free places have rank kFree.
struct Merge {
  uint32_t left, right, rank, merged;
};
constexpr uint32_t kFree = ~0u;

enum TokenFlags : uint8_t {
  Special = 1, ///< has no text
  Byte = 2,    ///< stands for the one byte of its text
};

enum ModelFlags : uint32_t {
  ByteLevel = 1,    ///< the symbols of BPE are bytes, else characters
  ByteFallback = 2, ///< characters without a token become bytes
  IgnoreMerges = 4, ///< words that are tokens are not merged
  FuseUnknown = 8,  ///< unknown characters side by side are one token
};

/// What decoding drops at the beginning of a text.
enum class DropSpaces : uint32_t { None, One, OfFirstToken };

struct Header {
  char magic[8];
  uint32_t bytes; ///< of the whole table
  Model model;
  uint32_t flags;  ///< of ModelFlags
  int32_t unknown; ///< the token of what has none, or -1
  DropSpaces dropSpaces;
  uint32_t longestPiece; ///< bytes
  double unknownScore;
  Span pieces;      ///< Span [tokens]: what the model joins; empty: nothing
  Span texts;       ///< Span [tokens]: what decoding writes
  Span tokenFlags;  ///< uint8_t [tokens], of TokenFlags
  Span scores;      ///< double [tokens], of Unigram
  Span slots;       ///< int32_t: the tokens by the hash of their pieces, or -1
  Span merges;      ///< Merge, by the hash of left and right
  Span bytesTokens; ///< int32_t [256]: tokens of bytes, or -1
  Span normalizer;  ///< Step
  Span splitter;    ///< Step
  Span added;       ///< AddedToken, longest first
  Span prefix;      ///< int32_t: tokens before each text
  Span suffix;      ///< int32_t: tokens behind it
};

/// FNV-1a, mixed: the upper bits matter.
inline uint64_t hash(std::string_view text) {
  uint64_t value = 0xcbf29ce484222325u;
  for (char c : text)
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return (value ^ value >> 32) * 0x9e3779b97f4a7c15u;
}

inline uint64_t hash(uint32_t left, uint32_t right) {
  return (uint64_t(left) << 32 | right) * 0x9e3779b97f4a7c15u;
}

/// Where the search for a key begins among `places`; it goes on to the next
/// ones, and from the last to the first.
inline uint32_t place(uint64_t hash, uint32_t places) {
  return (hash >> 32) * places >> 32;
}

} // namespace modrt::table

#endif // RUNTIME_TEXT_TABLE_H
