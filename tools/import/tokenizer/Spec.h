//===- Spec.h - What tokenizer.json says ------------------------*- C++ -*-===//
//
// A tokenizer between its file and its table.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_TOKENIZER_SPEC_H
#define MOD_TOOLS_IMPORT_TOKENIZER_SPEC_H

#include "runtime/text/Table.h"
#include "tools/import/Json.h"
#include <vector>

namespace mlir::mod {

/// A token by its id. Ids need not be without gaps.
struct TokenSpec {
  std::string name;     ///< as the file has it
  bool isPiece = false; ///< of the model, not only an added token
  bool isSpecial = false;
  double score = 0;
};

struct StepSpec {
  modrt::table::StepKind kind;
  std::string pattern, content;
  modrt::table::Behavior behavior = modrt::table::Behavior::Isolated;
  bool inverted = false, onlyFirst = false;
};

struct AddedSpec {
  int32_t id;
  uint32_t flags;
  std::string content;
};

/// How the names of tokens become text.
struct DecoderSpec {
  std::vector<std::pair<std::string, std::string>> replacements;
  bool isByteLevel = false, hasBytes = false;
  modrt::table::DropSpaces drop = modrt::table::DropSpaces::None;
};

struct TokenizerSpec {
  modrt::table::Model model;
  uint32_t flags = 0;
  int32_t unknown = -1;
  double unknownScore = 0;
  std::vector<TokenSpec> tokens;
  std::vector<modrt::table::Merge> merges;
  std::vector<StepSpec> normalizer, splitter;
  std::vector<AddedSpec> added;
  SmallVector<int32_t> prefix, suffix;
  DecoderSpec decoder;

  bool isByteLevel() const { return flags & modrt::table::ByteLevel; }

  /// The token of an id, made if there is none yet.
  TokenSpec &getToken(int32_t id);
};

/// The parts of the file; each emits an error where it cannot be honoured.
void readModel(ObjectReader &root, int64_t vocab, TokenizerSpec &spec);
void readNormalizer(ObjectReader &root, TokenizerSpec &spec);
void readPreTokenizer(ObjectReader &root, TokenizerSpec &spec);
void readAddedTokens(ObjectReader &root, int64_t vocab, TokenizerSpec &spec);
void readPostProcessor(ObjectReader &root, TokenizerSpec &spec);
void readDecoder(ObjectReader &root, TokenizerSpec &spec);

/// A regular expression of `tokenizers` (Oniguruma's) as PCRE2 has it.
llvm::Expected<std::string> translatePattern(StringRef pattern);

/// A text as an expression that matches just it.
std::string quotePattern(StringRef text);

/// The bytes that a name stands for in the alphabet of byte-level tokenizers,
/// in which each byte is a printable character; nothing for other names.
std::optional<std::string> decodeByteAlphabet(StringRef name);

/// The byte of a name like `<0x0A>`.
std::optional<char> parseByteName(StringRef name);

std::string writeTable(const TokenizerSpec &spec);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_TOKENIZER_SPEC_H
