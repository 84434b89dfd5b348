//===- Text.cpp - Texts as tokens and back --------------------------------===//
//
// Added tokens first, then the steps, then the model.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Text.h"

#include "runtime/text/Models.h"
#include "runtime/text/Utf8.h"

#include <algorithm>

using namespace modrt;

modrt_status Tokenizer::open(const void *memory, int64_t size) {
  MODRT_TRY(entries.open(memory, size));
  MODRT_TRY(normalizer.open(entries, entries.header().normalizer));
  MODRT_TRY(splitter.open(entries, entries.header().splitter));
  MODRT_TRY(added.open(entries, /*normalized=*/false));
  return addedNormalized.open(entries, /*normalized=*/true);
}

modrt_status Tokenizer::normalize(std::string_view text,
                                  std::string &result) const {
  std::vector<Segment> segments;
  MODRT_TRY(normalizer.run({std::string(text), false}, segments));
  for (const Segment &segment : segments)
    result += segment.text;
  return ok();
}

modrt_status Tokenizer::encodeWords(Segment segment,
                                    std::vector<int32_t> &tokens) const {
  std::vector<Segment> words;
  MODRT_TRY(splitter.run(std::move(segment), words));
  bool isBpe = entries.header().model == table::Model::Bpe;
  for (const Segment &word : words)
    isBpe ? encodeBpe(entries, word.text, tokens)
          : encodeUnigram(entries, word.text, tokens);
  return ok();
}

modrt_status Tokenizer::encodePart(std::string_view text, bool isFirst,
                                   std::vector<int32_t> &tokens) const {
  std::string normalized;
  std::vector<Part> parts;
  MODRT_TRY(normalize(text, normalized));
  MODRT_TRY(addedNormalized.find(normalized, parts));
  for (const Part &part : parts)
    if (part.token >= 0)
      tokens.push_back(part.token);
    else
      MODRT_TRY(
          encodeWords({normalized.substr(part.begin, part.end - part.begin),
                       isFirst && part.begin == 0},
                      tokens));
  return ok();
}

modrt_status Tokenizer::encode(std::string_view text,
                               std::vector<int32_t> &tokens) const {
  auto append = [&](table::Span span) {
    auto fixed = entries.array<int32_t>(span);
    tokens.insert(tokens.end(), fixed.begin(), fixed.end());
  };
  std::string whole = repairUtf8(text);
  std::vector<Part> parts;
  MODRT_TRY(added.find(whole, parts));
  append(entries.header().prefix);
  for (const Part &part : parts)
    if (part.token >= 0)
      tokens.push_back(part.token);
    else
      MODRT_TRY(encodePart(
          std::string_view(whole).substr(part.begin, part.end - part.begin),
          part.begin == 0, tokens));
  append(entries.header().suffix);
  return ok();
}

//===----------------------------------------------------------------------===//
// Back to text
//===----------------------------------------------------------------------===//

/// A token at the beginning of all text, without the spaces that encoding put
/// there.
static std::string withoutSpaces(std::string text, table::DropSpaces drop) {
  if (drop == table::DropSpaces::One && text[0] == ' ')
    text.erase(0, 1);
  else if (drop == table::DropSpaces::OfFirstToken)
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  return text;
}

std::string TextStream::push(int32_t token) {
  if (!table) {
    if (token < 256)
      pending += static_cast<char>(token);
    return takeWhole(/*isEnd=*/false);
  }
  if (token >= table->numTokens() ||
      (table->tokenFlags(token) & table::Special))
    return "";
  std::string text(table->tokenText(token));
  pending += isStart ? withoutSpaces(text, table->header().dropSpaces) : text;
  isStart = false;
  return takeWhole(/*isEnd=*/false);
}

std::string TextStream::finish() { return takeWhole(/*isEnd=*/true); }

/// Bytes that are no character: as they are, or one U+FFFD for all of them, or
/// for each where tokens are single bytes.
std::string TextStream::replace(std::string_view bytes) const {
  if (!table)
    return std::string(bytes);
  size_t count = table->has(table::ByteFallback) ? bytes.size() : 1;
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += kReplacement;
  return text;
}

std::string TextStream::takeWhole(bool isEnd) {
  std::string text;
  std::string_view rest = pending;
  while (!rest.empty()) {
    auto [kind, length] = readSequence(rest);
    if (kind == Utf8Sequence::Cut && !isEnd)
      break;
    std::string_view sequence = rest.substr(0, length);
    text +=
        kind == Utf8Sequence::Whole ? std::string(sequence) : replace(sequence);
    rest.remove_prefix(length);
  }
  pending = std::string(rest);
  return text;
}
