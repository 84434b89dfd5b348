//===- Panels.cpp - How keys and values lie in memory ---------------------===//
//
// The buffers of `mod.append_panels` for the vectors of a CPU.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Panels.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace mlir;
using namespace mlir::mod;

/// Vectors of one panel of values: as many as those of weights, unless this
/// would fill more than a fifth of the panels with zeros.
static int64_t getValueVectors(CpuTarget target, int64_t headDim) {
  int64_t vectors = target.getPanelVectors();
  auto fits = [&] {
    return 4 * llvm::alignTo(headDim, vectors * target.getLanes()) <=
           uint64_t(5 * headDim);
  };
  while (vectors > 1 && !fits())
    --vectors;
  return vectors;
}

Panels Panels::get(CpuTarget target, Type element, int64_t kvHeads,
                   int64_t headDim, int64_t tokens) {
  int64_t keyPanel = target.getPanel();
  int64_t valuePanel = getValueVectors(target, headDim) * target.getLanes();
  int64_t keyPanels = llvm::divideCeil(tokens, keyPanel);
  int64_t valuePanels = llvm::divideCeil(headDim, valuePanel);
  return {MemRefType::get({kvHeads, keyPanels, headDim, keyPanel}, element),
          MemRefType::get({kvHeads, valuePanels, tokens, valuePanel}, element)};
}

Panels Panels::getRows(Type element, int64_t kvHeads, int64_t headDim,
                       int64_t tokens) {
  return {MemRefType::get({kvHeads, tokens, headDim, 1}, element),
          MemRefType::get({kvHeads, 1, tokens, headDim}, element)};
}

int64_t Panels::getTokenBytes() const {
  int64_t keyValues = keys.getDimSize(0) * keys.getDimSize(2);
  return (keyValues * keys.getElementTypeBitWidth() / 8) +
         getBytes(values) / values.getDimSize(2);
}

int64_t Panels::getSplits() const {
  // A task reads at least this many keys, and few heads make tasks for some
  // threads.
  constexpr int64_t keysOfTask = 512, tasks = 32;
  int64_t most = values.getDimSize(2) / keysOfTask;
  int64_t wanted = llvm::divideCeil(tasks, keys.getDimSize(0));
  return std::max<int64_t>(1, std::min(most, wanted));
}
