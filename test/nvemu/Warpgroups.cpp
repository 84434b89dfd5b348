//===- Warpgroups.cpp - Products that four warps make together ------------===//
//
// wgmma: operands lie in shared memory as their descriptors say. Each warp
// makes its 16 rows at once; that it is asynchronous is checked by who touches
// memory.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/Emulator.h"

#include <cstring>

using namespace nvemu;

namespace {
constexpr int kLanes = 32, kRows = 16, kDepth = 16, kMostColumns = 256;
constexpr int kChunkBytes = 16, kChunkElements = 8;
using Slots = uint64_t *const *;

/// An operand whose rows are inputs (PTX ISA, "Matrix descriptor format").
class Operand {
public:
  explicit Operand(uint64_t descriptor);
  /// Loads one row.
  void load(int row, uint16_t *numbers) const;

private:
  uint32_t getPlace(int row, int chunk) const;

  uint32_t start, leading, stride;
  uint32_t width = 0; ///< bytes of rows whose chunks change places, or 0
};
} // namespace

Operand::Operand(uint64_t descriptor) {
  auto field = [&](int shift) {
    return uint32_t(descriptor >> shift & 0x3fff) << 4;
  };
  start = field(0);
  leading = field(16);
  stride = field(32);
  if (descriptor >> 49 & 7)
    stop("wgmma: a descriptor with a base offset");
  if (int mode = int(descriptor >> 62))
    width = 256 >> mode;
}

/// Eight rows are together; address bits from 7 on change those from 4 on.
uint32_t Operand::getPlace(int row, int chunk) const {
  uint32_t place = start + row / 8 * stride;
  if (!width)
    return place + chunk * leading + row % 8 * kChunkBytes;
  place += row % 8 * width + chunk * kChunkBytes;
  uint32_t turned = width / kChunkBytes - 1;
  return place ^ (place >> 7 & turned) << 4;
}

void Operand::load(int row, uint16_t *numbers) const {
  for (int chunk = 0; chunk < kDepth / kChunkElements; ++chunk)
    memcpy(numbers + chunk * kChunkElements,
           readByProduct(getPlace(row, chunk), kChunkBytes), kChunkBytes);
}

template <float (*convert)(uint32_t)>
static void multiply(uint32_t mask, Slots arguments, Slots results) {
  if (mask != ~0u)
    stop("wgmma needs the whole warp");
  for (int lane = 1; lane < kLanes; ++lane)
    for (int slot = 0; slot < 3; ++slot)
      if (arguments[lane][slot] != arguments[0][slot])
        stop("wgmma: lanes have different descriptors");
  int columns = int(arguments[0][0]), first = int(beginProduct() % 4) * kRows;
  Operand x(arguments[0][1]), w(arguments[0][2]);
  uint16_t rows[kRows][kDepth], outputs[kMostColumns][kDepth];
  for (int row = 0; row < kRows; ++row)
    x.load(first + row, rows[row]);
  for (int column = 0; column < columns; ++column)
    w.load(column, outputs[column]);
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < columns / 2; ++i) {
      int row = lane / 4 + i / 2 % 2 * 8;
      int column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      float sum;
      memcpy(&sum, &arguments[lane][3 + i], sizeof(sum));
      for (int k = 0; k < kDepth; ++k)
        sum += convert(rows[row][k]) * convert(outputs[column][k]);
      results[lane][i] = 0;
      memcpy(&results[lane][i], &sum, sizeof(sum));
    }
}

const WarpOp *nvemu::findGroupOp(const std::string &type) {
  static const WarpOp ofBF16 = {multiply<fromBF16>, -1};
  static const WarpOp ofF16 = {multiply<fromF16>, -1};
  return type == "bf16" ? &ofBF16 : type == "f16" ? &ofF16 : nullptr;
}
