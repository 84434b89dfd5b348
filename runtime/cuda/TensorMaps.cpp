//===- TensorMaps.cpp - What copies by TMA are told of weights ------------===//
//
// Encodes boxes of weights by CUDA's driver.
//
//===----------------------------------------------------------------------===//

#include "runtime/cuda/TensorMaps.h"

#include <vector>

using namespace modrt;

namespace {
struct alignas(MODRT_TENSOR_MAP_ALIGNMENT) EncodedMap {
  char bytes[MODRT_TENSOR_MAP_BYTES];
};
} // namespace

// CUtensorMapDataType, CUtensorMapSwizzle and CUtensorMapL2promotion: a box has
// half of the 128 bytes that are read at a time, and the next the other half.
static const int uint16 = 1, swizzle64Bytes = 2, promote128Bytes = 2;

static int encode(const Driver &driver, const modrt_tensor_map &map,
                  Driver::Address weights, EncodedMap &encoded) {
  const uint64_t sizes[] = {uint64_t(map.columns), uint64_t(map.rows)};
  const uint64_t rowBytes = sizeof(uint16_t) * map.columns;
  const uint32_t box[] = {MODRT_BOX_COLUMNS, MODRT_BOX_ROWS};
  const uint32_t elementStrides[] = {1, 1};
  return driver.tensorMapEncodeTiled(
      &encoded, uint16, 2, weights + map.offset, sizes, &rowBytes, box,
      elementStrides, /*interleave=*/0, swizzle64Bytes, promote128Bytes,
      /*fill=*/0);
}

int64_t TensorMaps::start() const {
  const int64_t alignment = MODRT_TENSOR_MAP_ALIGNMENT;
  return (weightsBytes + alignment - 1) / alignment * alignment;
}

int64_t TensorMaps::end() const {
  if (kernels.num_tensor_maps == 0)
    return weightsBytes;
  return start() + MODRT_TENSOR_MAP_BYTES * kernels.num_tensor_maps;
}

modrt_status TensorMaps::upload(const Driver &driver,
                                Driver::Address weights) const {
  if (kernels.num_tensor_maps == 0)
    return ok();
  if (!driver.tensorMapEncodeTiled)
    return error(MODRT_UNSUPPORTED,
                 "the NVIDIA driver has no cuTensorMapEncodeTiled, which the "
                 "kernels of this model need");
  std::vector<EncodedMap> maps(kernels.num_tensor_maps);
  for (size_t i = 0; i < maps.size(); ++i)
    MODRT_TRY(
        driver.check(encode(driver, kernels.tensor_maps[i], weights, maps[i]),
                     "cuTensorMapEncodeTiled"));
  MODRT_TRY(
      driver.check(driver.copyToDevice(weights + start(), maps.data(),
                                       maps.size() * sizeof(maps[0]), nullptr),
                   "copying tensor maps"));
  return driver.check(driver.streamSynchronize(nullptr), "copying tensor maps");
}
