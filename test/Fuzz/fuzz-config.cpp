//===- fuzz-config.cpp - The importer under random configurations ---------===//
//
// The first byte chooses the tensors of one of $MODELS, the rest is
// config.json. What can be imported must lead to programs, or to an error.
//
//===----------------------------------------------------------------------===//

#include "codegen/Pipelines.h"
#include "mlir/Pass/PassManager.h"
#include "test/Fuzz/Fuzz.h"
#include "tools/import/Import.h"

using namespace mlir;
using namespace mlir::mod;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const auto folders = copyFromModels("model.safetensors");
  if (size == 0)
    return 0;
  const FuzzFolder &folder = *folders[data[0] % folders.size()];
  folder.write("config.json", toText(data + 1, size - 1));
  FuzzContext context;
  auto module = importModel(folder.getPath(), context.get());
  if (failed(module))
    return 0;
  PassManager pipeline(context.get());
  for (Phase phase : {Phase::specialized, Phase::derived, Phase::fused})
    buildPhase(pipeline, phase, PhaseOptions());
  (void)pipeline.run(**module);
  return 0;
}
