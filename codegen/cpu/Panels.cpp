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
  int64_t together = element.isBF16() && headDim % 2 == 0 ? 2 : 1;
  int64_t keyPanel = target.getPanel();
  int64_t valuePanel = getValueVectors(target, headDim) * target.getLanes();
  SmallVector<int64_t> keys = {kvHeads,
                               int64_t(llvm::divideCeil(tokens, keyPanel)),
                               headDim / together, keyPanel};
  SmallVector<int64_t> values = {
      kvHeads, int64_t(llvm::divideCeil(headDim, valuePanel)),
      int64_t(llvm::divideCeil(tokens, together)), valuePanel};
  if (together > 1) {
    keys.push_back(together);
    values.push_back(together);
  }
  return {MemRefType::get(keys, element), MemRefType::get(values, element),
          tokens};
}

Panels Panels::getRows(Type element, int64_t kvHeads, int64_t headDim,
                       int64_t tokens) {
  return {MemRefType::get({kvHeads, tokens, headDim, 1}, element),
          MemRefType::get({kvHeads, 1, tokens, headDim}, element), tokens};
}

int64_t Panels::getValueTokens() const {
  int64_t together = values.getRank() == 5 ? values.getDimSize(4) : 1;
  return values.getDimSize(2) * together;
}

int64_t Panels::getTokenBytes() const {
  int64_t keyTokens = keys.getDimSize(1) * keys.getDimSize(3);
  return getBytes(keys) / keyTokens + getBytes(values) / getValueTokens();
}

int64_t Panels::getSplits(int64_t keysOfTask, int64_t tasks) const {
  int64_t most = tokens / keysOfTask;
  int64_t wanted = llvm::divideCeil(tasks, keys.getDimSize(0));
  return std::max<int64_t>(1, std::min(most, wanted));
}
