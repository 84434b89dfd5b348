//===- fuzz-safetensors.cpp - The importer under random checkpoints -------===//
//
// The first byte chooses the configuration of one of $MODELS, the rest is
// model.safetensors.
//
//===----------------------------------------------------------------------===//

#include "test/Fuzz/Fuzz.h"
#include "tools/import/Import.h"

using namespace mlir;
using namespace mlir::mod;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const auto folders = copyFromModels("config.json");
  if (size == 0)
    return 0;
  const FuzzFolder &folder = *folders[data[0] % folders.size()];
  folder.write("model.safetensors", toText(data + 1, size - 1));
  FuzzContext context;
  (void)importModel(folder.getPath(), context.get());
  return 0;
}
