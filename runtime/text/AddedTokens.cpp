//===- AddedTokens.cpp - Tokens that are looked for -----------------------===//
//
// Scans for the first bytes of tokens.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/AddedTokens.h"

#include <algorithm>

using namespace modrt;

modrt_status AddedTokens::open(const TokenTable &table, bool normalized) {
  for (const auto &added :
       table.array<table::AddedToken>(table.header().added)) {
    std::string_view content = table.text(added.content);
    if (bool(added.flags & table::Normalized) != normalized || content.empty())
      continue;
    hasAny = true;
    needsSurroundings |= (added.flags & ~table::Normalized) != 0;
    tokens[static_cast<unsigned char>(content[0])].push_back(
        {added.id, added.flags, content});
  }
  if (!needsSurroundings)
    return ok();
  MODRT_TRY(word.compile("[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
                         "\\x{200c}\\x{200d}]"));
  return space.compile("\\p{wspace}+");
}

/// Where words and white space are in a text.
struct AddedTokens::Surroundings {
  std::vector<Regex::Match> words, spaces;

  static bool endsAt(const std::vector<Regex::Match> &matches, size_t at) {
    return std::any_of(matches.begin(), matches.end(),
                       [&](const Regex::Match &m) { return m.end == at; });
  }
  static bool beginsAt(const std::vector<Regex::Match> &matches, size_t at) {
    return std::any_of(matches.begin(), matches.end(),
                       [&](const Regex::Match &m) { return m.begin == at; });
  }
  bool isWithinWord(size_t begin, size_t end) const {
    return endsAt(words, begin) || beginsAt(words, end);
  }
  size_t spaceBefore(size_t at) const {
    for (const Regex::Match &m : spaces)
      if (m.begin < at && at <= m.end)
        return m.begin;
    return at;
  }
  size_t spaceBehind(size_t at) const {
    for (const Regex::Match &m : spaces)
      if (m.begin <= at && at < m.end)
        return m.end;
    return at;
  }
};

const AddedTokens::Token *AddedTokens::match(std::string_view text,
                                             size_t at) const {
  for (const Token &token : tokens[static_cast<unsigned char>(text[at])])
    if (text.compare(at, token.content.size(), token.content) == 0)
      return &token;
  return nullptr;
}

modrt_status AddedTokens::find(std::string_view text,
                               std::vector<Part> &parts) const {
  Surroundings around;
  if (needsSurroundings) {
    MODRT_TRY(word.findAll(text, around.words));
    MODRT_TRY(space.findAll(text, around.spaces));
  }
  size_t done = 0; // before it everything is in parts
  for (size_t at = 0; hasAny && at < text.size();) {
    const Token *token = match(text, at);
    size_t begin = at, end = at + (token ? token->content.size() : 1);
    at = end;
    if (!token ||
        ((token->flags & table::SingleWord) && around.isWithinWord(begin, end)))
      continue;
    if (token->flags & table::StripLeft)
      begin = around.spaceBefore(begin);
    if (token->flags & table::StripRight)
      end = around.spaceBehind(end);
    begin = std::max(begin, done);
    if (done < begin)
      parts.push_back({-1, done, begin});
    parts.push_back({token->id, begin, end});
    done = end;
  }
  if (done < text.size())
    parts.push_back({-1, done, text.size()});
  return ok();
}
