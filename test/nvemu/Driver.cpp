//===- Driver.cpp - The CUDA driver, emulated -----------------------------===//
//
// The functions of libcuda.so.1 that the runtime calls, under their names. A
// device pointer is a pointer; everything happens at once.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/Emulator.h"

#include <cstdlib>
#include <cstring>

using namespace nvemu;

namespace {
enum Result {
  success = 0,
  outOfMemory = 2,
  invalidDevice = 101,
  notFound = 500
};

/// What was allocated, by where it ends.
std::map<uintptr_t, uintptr_t> &getAllocations() {
  static std::map<uintptr_t, uintptr_t> allocations;
  return allocations;
}
} // namespace

bool nvemu::isAllocated(const void *address, size_t bytes) {
  auto begin = reinterpret_cast<uintptr_t>(address);
  auto found = getAllocations().upper_bound(begin);
  return found != getAllocations().end() && found->second <= begin &&
         begin + bytes <= found->first;
}

#define NVEMU_EXPORT extern "C" __attribute__((visibility("default"))) int

NVEMU_EXPORT cuInit(unsigned) { return success; }
NVEMU_EXPORT cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? success : invalidDevice;
}
NVEMU_EXPORT cuDeviceGetName(char *name, int bytes, int) {
  strncpy(name, "emulator", bytes);
  return success;
}
NVEMU_EXPORT cuDeviceGetAttribute(int *value, int, int) {
  *value = 0;
  return success;
}
NVEMU_EXPORT cuDevicePrimaryCtxRetain(void **context, int) {
  *context = nullptr;
  return success;
}
NVEMU_EXPORT cuDevicePrimaryCtxRelease_v2(int) { return success; }
NVEMU_EXPORT cuCtxSetCurrent(void *) { return success; }
NVEMU_EXPORT cuGetErrorName(int result, const char **name) {
  *name = result == notFound      ? "CUDA_ERROR_NOT_FOUND"
          : result == outOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
                                  : "CUDA_ERROR_INVALID_DEVICE";
  return success;
}

NVEMU_EXPORT cuModuleLoadData(void **module, const void *image) {
  *module = new Program(image);
  return success;
}
NVEMU_EXPORT cuModuleUnload(void *module) {
  delete static_cast<Program *>(module);
  return success;
}
NVEMU_EXPORT cuModuleGetFunction(void **function, void *module,
                                 const char *name) {
  const Kernel *kernel = static_cast<Program *>(module)->find(name);
  *function = const_cast<Kernel *>(kernel);
  return kernel ? success : notFound;
}

NVEMU_EXPORT cuMemAlloc_v2(uintptr_t *address, size_t bytes) {
  // Aligned as a GPU's memory is, and no further.
  size_t rounded = (bytes + 255) / 256 * 256;
  void *memory = aligned_alloc(256, rounded);
  if (!memory)
    return outOfMemory;
  // Whatever reads what nobody wrote finds NaN; large memory is left alone.
  if (bytes <= 64 << 20)
    memset(memory, 0xff, rounded);
  *address = reinterpret_cast<uintptr_t>(memory);
  getAllocations()[*address + bytes] = *address;
  return success;
}
NVEMU_EXPORT cuMemFree_v2(uintptr_t address) {
  for (auto [end, begin] : getAllocations())
    if (begin == address) {
      getAllocations().erase(end);
      break;
    }
  free(reinterpret_cast<void *>(address));
  return success;
}
NVEMU_EXPORT cuMemcpyHtoDAsync_v2(uintptr_t to, const void *from, size_t bytes,
                                  void *) {
  if (!isAllocated(reinterpret_cast<void *>(to), bytes))
    stop("a copy of %zu bytes to memory that nobody allocated", bytes);
  memcpy(reinterpret_cast<void *>(to), from, bytes);
  return success;
}
NVEMU_EXPORT cuMemcpyDtoHAsync_v2(void *to, uintptr_t from, size_t bytes,
                                  void *) {
  if (!isAllocated(reinterpret_cast<void *>(from), bytes))
    stop("a copy of %zu bytes from memory that nobody allocated", bytes);
  memcpy(to, reinterpret_cast<void *>(from), bytes);
  return success;
}

NVEMU_EXPORT cuStreamCreate(void **stream, unsigned) {
  *stream = nullptr;
  return success;
}
NVEMU_EXPORT cuStreamDestroy_v2(void *) { return success; }
NVEMU_EXPORT cuStreamSynchronize(void *) { return success; }

NVEMU_EXPORT cuLaunchKernel(void *function, unsigned gridX, unsigned gridY,
                            unsigned gridZ, unsigned blockX, unsigned blockY,
                            unsigned blockZ, unsigned, void *, void **arguments,
                            void **) {
  launch(*static_cast<Kernel *>(function), {gridX, gridY, gridZ},
         {blockX, blockY, blockZ}, arguments);
  return success;
}
