//===- fuzz-safetensors.cpp - The importer under random checkpoints -------===//
//
// A model.safetensors beside a good configuration, $MODEL/config.json.
//
//===----------------------------------------------------------------------===//

#include "test/Fuzz/Fuzz.h"
#include "tools/import/Import.h"

using namespace mlir;
using namespace mlir::mod;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const FuzzFolder folder("config.json");
  folder.write("model.safetensors", toText(data, size));
  FuzzContext context;
  (void)importModel(folder.getPath(), context.get());
  return 0;
}
