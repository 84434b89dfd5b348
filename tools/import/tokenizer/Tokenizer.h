//===- Tokenizer.h - tokenizer.json as a table ------------------*- C++ -*-===//
//
// Reads and checks a tokenizer, and makes of it what a compiled model holds.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_TOKENIZER_TOKENIZER_H
#define MOD_TOOLS_IMPORT_TOKENIZER_TOKENIZER_H

#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/LLVM.h"
#include <string>

namespace mlir::mod {

struct Tokenizer {
  /// `bpe` or `unigram`.
  StringRef kind;
  /// As in runtime/text/Table.h.
  std::string table;
};

/// Reads `tokenizer.json` of a model with `vocab` tokens; emits one error if it
/// is no tokenizer that the runtime can do.
FailureOr<Tokenizer> readTokenizer(StringRef path, int64_t vocab,
                                   MLIRContext *context);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_TOKENIZER_TOKENIZER_H
