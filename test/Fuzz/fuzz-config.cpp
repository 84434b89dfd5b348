//===- fuzz-config.cpp - The importer under random configurations ---------===//
//
// A config.json over the tensors of $MODEL. What can be imported must
// lead to programs, or to an error.
//
//===----------------------------------------------------------------------===//

#include "codegen/Pipelines.h"
#include "mlir/Pass/PassManager.h"
#include "test/Fuzz/Fuzz.h"
#include "tools/import/Import.h"

using namespace mlir;
using namespace mlir::mod;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const FuzzFolder folder("model.safetensors");
  folder.write("config.json", toText(data, size));
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
