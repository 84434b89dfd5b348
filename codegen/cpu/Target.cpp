//===- Target.cpp - What kernels must know of a CPU -----------------------===//
//
// The vectors of a CPU and the tile sizes that follow from them.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Target.h"

using namespace mlir::mod;

CpuTarget CpuTarget::get(unsigned vectorBits) {
  return {vectorBits, vectorBits == 512 ? 32u : 16u};
}

bool CpuTarget::isSupported(unsigned vectorBits) {
  return vectorBits == 128 || vectorBits == 256 || vectorBits == 512;
}
