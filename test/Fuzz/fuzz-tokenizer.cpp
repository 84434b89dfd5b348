//===- fuzz-tokenizer.cpp - tokenizer.json under random input -------------===//
//
// What can be read must make a table that the runtime reads, by which texts
// become tokens of the vocabulary and these become texts.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Text.h"
#include "test/Fuzz/Fuzz.h"
#include "tools/import/tokenizer/Tokenizer.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t vocab = 400;
static constexpr StringLiteral text =
    " The quick\n\n  brown\tfox's 12345 \xc3\xa9t\xc3\xa9 \xf0\x9f\xa6\x8a "
    "<|endoftext|>\xff\xfe<mask> \xe4\xb8\xad\xe6\x96\x87";

static void convert(const std::string &table) {
  // Tables lie at multiples of eight in a compiled model.
  std::vector<uint64_t> aligned(table.size() / 8 + 1);
  memcpy(aligned.data(), table.data(), table.size());
  modrt::Tokenizer tokenizer;
  if (tokenizer.open(aligned.data(), table.size()).code != MODRT_OK)
    llvm::report_fatal_error("the runtime does not read the table");
  std::vector<int32_t> tokens;
  if (tokenizer.encode(std::string_view(text), tokens).code != MODRT_OK)
    return;
  modrt::TextStream stream(&tokenizer.table());
  for (int32_t token : tokens) {
    if (token < 0 || token >= vocab)
      llvm::report_fatal_error("a token is not in the vocabulary");
    stream.push(token);
  }
  stream.finish();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const FuzzFolder folder;
  folder.write("tokenizer.json", toText(data, size));
  FuzzContext context;
  auto tokenizer =
      readTokenizer(folder.getFile("tokenizer.json"), vocab, context.get());
  if (succeeded(tokenizer))
    convert(tokenizer->table);
  return 0;
}
