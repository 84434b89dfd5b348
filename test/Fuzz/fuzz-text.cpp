//===- fuzz-text.cpp - Tokenizers under random text -----------------------===//
//
// The first byte chooses one of the tokenizer.json in the folder $TOKENIZERS;
// the rest is a text.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Text.h"
#include "test/Fuzz/Fuzz.h"
#include "tools/import/tokenizer/Tokenizer.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
struct Loaded {
  std::vector<uint64_t> table;
  modrt::Tokenizer tokenizer;
};
} // namespace

static std::vector<std::unique_ptr<Loaded>> loadAll() {
  std::vector<std::unique_ptr<Loaded>> all;
  FuzzContext context;
  const char *folder = getenv("TOKENIZERS");
  std::error_code code;
  for (llvm::sys::fs::directory_iterator file(folder ? folder : "", code), end;
       file != end && !code; file.increment(code)) {
    auto read = readTokenizer(file->path(), /*vocab=*/400, context.get());
    if (failed(read))
      continue;
    auto loaded = std::make_unique<Loaded>();
    loaded->table.resize(read->table.size() / 8 + 1);
    memcpy(loaded->table.data(), read->table.data(), read->table.size());
    if (loaded->tokenizer.open(loaded->table.data(), read->table.size()).code)
      llvm::report_fatal_error("the runtime does not read the table");
    all.push_back(std::move(loaded));
  }
  if (all.empty())
    llvm::report_fatal_error("$TOKENIZERS has no tokenizer");
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const auto tokenizers = loadAll();
  if (size == 0)
    return 0;
  const modrt::Tokenizer &tokenizer =
      tokenizers[data[0] % tokenizers.size()]->tokenizer;
  std::vector<int32_t> tokens;
  StringRef text = toText(data + 1, size - 1);
  if (tokenizer.encode({text.data(), text.size()}, tokens).code != MODRT_OK)
    return 0;
  modrt::TextStream stream(&tokenizer.table());
  for (int32_t token : tokens)
    stream.push(token);
  stream.finish();
  return 0;
}
