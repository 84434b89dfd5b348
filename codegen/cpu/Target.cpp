//===- Target.cpp - What kernels must know of a CPU -----------------------===//
//
// The vectors of a CPU and the tile sizes that follow from them.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Target.h"

using namespace mlir::mod;

CpuTarget CpuTarget::get(unsigned vectorBits) {
  if (vectorBits == 512)
    return {vectorBits, 32, 1024 * 1024};
  return {vectorBits, 16, 512 * 1024};
}

void CpuTarget::addTiles() {
  hasTiles = true;
  level2Bytes = 2048 * 1024;
}

bool CpuTarget::isSupported(unsigned vectorBits) {
  return vectorBits == 128 || vectorBits == 256 || vectorBits == 512;
}
