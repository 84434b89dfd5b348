//===- TensorMap.cpp - What copies by TMA are told of memory --------------===//
//
// Checks what is encoded, and copies boxes as it says.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/TensorMap.h"
#include "test/nvemu/Emulator.h"

#include <cstring>
#include <iterator>

using namespace nvemu;

namespace {
constexpr size_t kMapAlignment = 64, kAlignment = 16, kChunkBytes = 16;
constexpr uint32_t kMostInBox = 256, kMostElementStride = 8;
constexpr uint64_t kSizeEnd = 1ull << 32, kStrideEnd = 1ull << 40;

/// By CUtensorMapDataType, up to TFLOAT32_FTZ.
constexpr uint32_t kElementBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
/// By CUtensorMapSwizzle, up to 128B.
constexpr uint32_t kSwizzleBytes[] = {0, 32, 64, 128};
constexpr int kPromotions = 4;
} // namespace

const TensorMap *TensorMap::get(const void *bytes) {
  auto *map = static_cast<const TensorMap *>(bytes);
  return map->magic == kMagic ? map : nullptr;
}

/// Address bits from 7 on change those from 4 on.
static char *swizzle(char *place, uint32_t bytes) {
  if (!bytes)
    return place;
  auto address = reinterpret_cast<uintptr_t>(place);
  uintptr_t turn = address >> 7 & (bytes / kChunkBytes - 1);
  return reinterpret_cast<char *>(address ^ turn << 4);
}

void TensorMap::copyBox(char *to, int32_t column, int32_t row) const {
  for (int64_t i = 0; i < boxRows; ++i)
    for (int64_t j = 0; j < boxColumns; ++j) {
      char *place =
          swizzle(to + (i * boxColumns + j) * elementBytes, swizzleBytes);
      auto x = uint64_t(column + j), y = uint64_t(row + i);
      if (x >= columns || y >= rows) {
        memset(place, 0, elementBytes);
        continue;
      }
      const char *from = address + y * rowBytes + x * elementBytes;
      if (Faults::get().bounds && !isAllocated(from, elementBytes))
        stop("a tensor map is of memory that nobody allocated");
      memcpy(place, from, elementBytes);
    }
}

/// Whether the driver takes a map of a matrix (CUDA driver API,
/// cuTensorMapEncodeTiled).
static bool isValid(const TensorMap &map, const uint32_t *elementStrides) {
  uint32_t rowBytes = map.boxColumns * map.elementBytes;
  for (uint64_t size : {map.columns, map.rows})
    if (size == 0 || size > kSizeEnd)
      return false;
  for (uint32_t size : {map.boxColumns, map.boxRows})
    if (size == 0 || size > kMostInBox)
      return false;
  // That of columns is ignored.
  if (elementStrides[1] == 0 || elementStrides[1] > kMostElementStride)
    return false;
  return reinterpret_cast<uintptr_t>(map.address) % kAlignment == 0 &&
         map.rowBytes % kAlignment == 0 && map.rowBytes < kStrideEnd &&
         map.rowBytes >= map.columns * map.elementBytes &&
         rowBytes % kAlignment == 0 &&
         (!map.swizzleBytes || rowBytes <= map.swizzleBytes);
}

extern "C" __attribute__((visibility("default"))) int
cuTensorMapEncodeTiled(void *encoded, int type, uint32_t rank, void *address,
                       const uint64_t *sizes, const uint64_t *strides,
                       const uint32_t *box, const uint32_t *elementStrides,
                       int interleave, int swizzle, int promotion,
                       int oobFill) {
  constexpr int success = 0, invalidValue = 1, types = std::size(kElementBytes),
                swizzles = std::size(kSwizzleBytes);
  if (reinterpret_cast<uintptr_t>(encoded) % kMapAlignment || type < 0 ||
      type >= types || swizzle < 0 || swizzle >= swizzles || promotion < 0 ||
      promotion >= kPromotions)
    return invalidValue;
  if (rank != 2 || interleave || oobFill)
    stop("not emulated: a tensor map of rank %u, interleaved or filled with "
         "NaN",
         rank);
  TensorMap map{TensorMap::kMagic,
                static_cast<const char *>(address),
                sizes[0],
                sizes[1],
                strides[0],
                box[0],
                box[1],
                kElementBytes[type],
                kSwizzleBytes[swizzle]};
  if (!isValid(map, elementStrides))
    return invalidValue;
  if (elementStrides[1] != 1 ||
      (map.swizzleBytes && box[0] * map.elementBytes != map.swizzleBytes))
    stop("not emulated: a tensor map with holes");
  memset(encoded, 0, TensorMap::kBytes);
  memcpy(encoded, &map, sizeof(map));
  return success;
}
