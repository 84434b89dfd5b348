//===- WriteTable.cpp - Tokenizers in binary form ---------------*- C++ -*-===//
//
// Lays a tokenizer out as runtime/text/Table.h says.
//
//===----------------------------------------------------------------------===//

#include "tools/import/tokenizer/Spec.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::mod;
namespace table = modrt::table;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// Printable bytes are themselves, the others follow U+0100 in their order.
static llvm::DenseMap<uint32_t, char> makeByteAlphabet() {
  llvm::DenseMap<uint32_t, char> bytes;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bool isPrintable =
        (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    bytes[isPrintable ? byte : next++] = static_cast<char>(byte);
  }
  return bytes;
}

std::optional<std::string> mod::decodeByteAlphabet(StringRef name) {
  static const llvm::DenseMap<uint32_t, char> alphabet = makeByteAlphabet();
  SmallVector<llvm::UTF32> characters(name.size() + 1);
  const auto *begin = reinterpret_cast<const llvm::UTF8 *>(name.begin());
  llvm::UTF32 *end = characters.begin();
  llvm::ConvertUTF8toUTF32(&begin,
                           reinterpret_cast<const llvm::UTF8 *>(name.end()),
                           &end, characters.end(), llvm::strictConversion);
  std::string bytes;
  for (llvm::UTF32 c : ArrayRef(characters.begin(), end)) {
    auto byte = alphabet.find(c);
    if (byte == alphabet.end())
      return std::nullopt;
    bytes += byte->second;
  }
  return bytes;
}

std::optional<char> mod::parseByteName(StringRef name) {
  uint8_t byte;
  if (name.size() != 6 || !name.consume_front("<0x") ||
      !name.consume_back(">") || name.getAsInteger(16, byte))
    return std::nullopt;
  return static_cast<char>(byte);
}

/// What a token decodes to; sets Byte where it is one.
static std::string decodeName(const DecoderSpec &decoder, StringRef name,
                              uint8_t &flags) {
  if (decoder.isByteLevel)
    return decodeByteAlphabet(name).value_or(name.str());
  std::optional<char> byte = parseByteName(name);
  if (decoder.hasBytes && byte) {
    flags |= table::Byte;
    return std::string(1, *byte);
  }
  std::string text = name.str();
  for (const auto &[pattern, content] : decoder.replacements)
    for (size_t at = 0; (at = text.find(pattern, at)) != std::string::npos;
         at += content.size())
      text.replace(at, pattern.size(), content);
  return text;
}

//===----------------------------------------------------------------------===//
// Sections
//===----------------------------------------------------------------------===//

namespace {

/// A table that grows at its end.
class Writer {
public:
  explicit Writer(const TokenizerSpec &spec)
      : spec(spec), bytes(sizeof(table::Header), '\0') {}
  std::string write();

private:
  template <typename T>
  table::Span addSection(ArrayRef<T> elements) {
    bytes.resize(llvm::alignTo(bytes.size(), 8));
    uint32_t offset = bytes.size();
    bytes.append(reinterpret_cast<const char *>(elements.data()),
                 elements.size() * sizeof(T));
    return {offset, uint32_t(elements.size())};
  }
  table::Span addText(StringRef text);
  void addTokens(table::Header &header);
  void addBytesTokens(table::Header &header);
  void addSlots(table::Header &header);
  void addMerges(table::Header &header);
  table::Span addSteps(ArrayRef<StepSpec> steps);
  void addAdded(table::Header &header);

  const TokenizerSpec &spec;
  std::string bytes;
  llvm::StringMap<table::Span> texts;
  /// Of the model's tokens, by id; empty for others.
  std::vector<std::string> pieces;
};

} // namespace

/// Equal texts are stored once.
table::Span Writer::addText(StringRef text) {
  auto [entry, isNew] = texts.try_emplace(text);
  if (isNew) {
    entry->second = {uint32_t(bytes.size()), uint32_t(text.size())};
    bytes += text;
  }
  return entry->second;
}

void Writer::addTokens(table::Header &header) {
  std::vector<table::Span> pieceSpans, textSpans;
  std::vector<uint8_t> flags;
  std::vector<double> scores;
  for (const TokenSpec &token : spec.tokens) {
    uint8_t flag = token.isSpecial ? table::Special : 0;
    std::string piece = token.isPiece ? token.name : "";
    if (spec.isByteLevel())
      piece = decodeByteAlphabet(piece).value_or("");
    textSpans.push_back(addText(decodeName(spec.decoder, token.name, flag)));
    pieceSpans.push_back(addText(piece));
    flags.push_back(flag);
    scores.push_back(token.score);
    header.longestPiece = std::max<uint32_t>(header.longestPiece, piece.size());
    pieces.push_back(std::move(piece));
  }
  header.pieces = addSection<table::Span>(pieceSpans);
  header.texts = addSection<table::Span>(textSpans);
  header.tokenFlags = addSection<uint8_t>(flags);
  if (spec.model == table::Model::Unigram)
    header.scores = addSection<double>(scores);
}

void Writer::addBytesTokens(table::Header &header) {
  std::vector<int32_t> tokens(256, -1);
  for (auto [id, piece] : llvm::enumerate(pieces)) {
    std::optional<char> byte = parseByteName(piece);
    if (spec.isByteLevel() && piece.size() == 1)
      byte = piece.front();
    if (byte && (spec.isByteLevel() == (piece.size() == 1)))
      tokens[static_cast<uint8_t>(*byte)] = id;
  }
  header.bytesTokens = addSection<int32_t>(tokens);
}

/// A quarter of the places stay free, and one at least.
static uint32_t countPlaces(size_t entries) { return entries * 4 / 3 + 1; }

void Writer::addSlots(table::Header &header) {
  std::vector<int32_t> slots(countPlaces(pieces.size()), -1);
  for (auto [id, piece] : llvm::enumerate(pieces)) {
    if (piece.empty())
      continue;
    uint32_t at = table::place(table::hash(piece), slots.size());
    while (slots[at] >= 0)
      at = (at + 1) % slots.size();
    slots[at] = id;
  }
  header.slots = addSection<int32_t>(slots);
}

/// Of equal pairs the last one counts.
void Writer::addMerges(table::Header &header) {
  std::vector<table::Merge> places(countPlaces(spec.merges.size()),
                                   {0, 0, table::kFree, 0});
  for (const table::Merge &merge : spec.merges) {
    uint32_t at =
        table::place(table::hash(merge.left, merge.right), places.size());
    while (places[at].rank != table::kFree &&
           (places[at].left != merge.left || places[at].right != merge.right))
      at = (at + 1) % places.size();
    places[at] = merge;
  }
  header.merges = addSection<table::Merge>(places);
}

table::Span Writer::addSteps(ArrayRef<StepSpec> steps) {
  std::vector<table::Step> entries;
  for (const StepSpec &step : steps)
    entries.push_back({step.kind, step.behavior, step.inverted, step.onlyFirst,
                       addText(step.pattern), addText(step.content)});
  return addSection<table::Step>(entries);
}

void Writer::addAdded(table::Header &header) {
  std::vector<table::AddedToken> entries;
  for (const AddedSpec &added : spec.added)
    entries.push_back({added.id, added.flags, addText(added.content)});
  header.added = addSection<table::AddedToken>(entries);
}

std::string Writer::write() {
  table::Header header = {};
  std::copy(std::begin(table::kMagic), std::end(table::kMagic), header.magic);
  header.model = spec.model;
  header.flags = spec.flags;
  header.unknown = spec.unknown;
  header.unknownScore = spec.unknownScore;
  header.dropSpaces = spec.decoder.drop;
  addTokens(header);
  addBytesTokens(header);
  addSlots(header);
  addMerges(header);
  header.normalizer = addSteps(spec.normalizer);
  header.splitter = addSteps(spec.splitter);
  addAdded(header);
  header.prefix = addSection<int32_t>(spec.prefix);
  header.suffix = addSection<int32_t>(spec.suffix);
  header.bytes = bytes.size();
  bytes.replace(0, sizeof(header), reinterpret_cast<const char *>(&header),
                sizeof(header));
  return std::move(bytes);
}

std::string mod::writeTable(const TokenizerSpec &spec) {
  return Writer(spec).write();
}
