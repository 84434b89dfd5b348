//===- fuzz-dialect.cpp - The textual dialect under random input ----------===//
//
// What parses and verifies must print as something that parses to the same.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "test/Fuzz/Fuzz.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace mlir::mod;

/// Whether LLVM's parser of `linalg.broadcast`, `reduce` or `transpose` may
/// read a list that is none: version 22 crashes there.
static bool crashesLinalg(StringRef text) {
  static const llvm::Regex list("^ *= *\\[( *[0-9]{1,9} *,)* *[0-9]{1,9} *\\]");
  for (StringRef name : {"dimensions", "permutation"})
    for (StringRef rest = text; rest.contains(name);) {
      rest = rest.substr(rest.find(name) + name.size());
      if (!list.match(rest))
        return true;
    }
  return false;
}

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
  if (crashesLinalg(source))
    return 0;
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
