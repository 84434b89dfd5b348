//===- TensorMap.h - What copies by TMA are told of memory ------*- C++ -*-===//
//
// The content of the 128 bytes of a CUtensorMap, which only the driver and the
// device need to know.
//
//===----------------------------------------------------------------------===//

#ifndef NVEMU_TENSORMAP_H
#define NVEMU_TENSORMAP_H

#include <cstddef>
#include <cstdint>

namespace nvemu {

/// A matrix, and the boxes of it that are copied to shared memory.
struct TensorMap {
  static constexpr size_t kBytes = 128;
  static constexpr uint64_t kMagic = 0x50414d524f534e54;

  uint64_t magic;
  const char *address;
  uint64_t columns, rows, rowBytes;
  uint32_t boxColumns, boxRows, elementBytes;
  uint32_t swizzleBytes; ///< within which chunks change places, or 0

  /// Null where nothing was encoded.
  static const TensorMap *get(const void *bytes);
  size_t getBoxBytes() const {
    return size_t(boxColumns) * boxRows * elementBytes;
  }
  /// Copies the box at a place of the matrix; zeros, where that has ended.
  void copyBox(char *to, int32_t column, int32_t row) const;
};
static_assert(sizeof(TensorMap) <= TensorMap::kBytes);

} // namespace nvemu

#endif // NVEMU_TENSORMAP_H
