//===- fuzz-dialect.cpp - The textual dialect under random input ----------===//
//
// What parses and verifies must print as something that parses to the same.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "test/Fuzz/Fuzz.h"

using namespace mlir;
using namespace mlir::mod;

static std::string print(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  return text;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzContext context;
  // MLIR's parser reads the zero behind a text that ends within an op.
  std::string source = toText(data, size).str();
  auto module = parseSourceString<ModuleOp>(source, context.get());
  if (!module)
    return 0;
  std::string text = print(*module);
  // Resources get other names in a context that has them.
  FuzzContext other;
  auto again = parseSourceString<ModuleOp>(text, other.get());
  if (!again || print(*again) != text) {
    llvm::errs() << "prints as what does not parse to the same:\n" << text;
    abort();
  }
  return 0;
}
