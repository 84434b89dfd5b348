//===- Driver.cpp - The CUDA driver, emulated -----------------------------===//
//
// The functions of libcuda.so.1 that the runtime calls, under their names. A
// device pointer is a pointer; everything happens at once, or when the graph is
// launched that it was captured for.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/Emulator.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

using namespace nvemu;

namespace {
enum Result {
  success = 0,
  invalidValue = 1,
  outOfMemory = 2,
  invalidDevice = 101,
  notFound = 500
};

/// What was allocated, by where it ends.
std::map<uintptr_t, uintptr_t> &getAllocations() {
  static std::map<uintptr_t, uintptr_t> allocations;
  return allocations;
}

/// The allocation that was asked for last: the next is often the same.
std::pair<uintptr_t, uintptr_t> lastBounds;
} // namespace

bool nvemu::isAllocated(const void *address, size_t bytes) {
  auto begin = reinterpret_cast<uintptr_t>(address);
  auto isInside = [&] {
    return lastBounds.first <= begin && begin + bytes <= lastBounds.second;
  };
  if (isInside())
    return true;
  auto found = getAllocations().upper_bound(begin);
  if (found == getAllocations().end())
    return false;
  lastBounds = {found->second, found->first};
  return isInside();
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
  *name = result == notFound       ? "CUDA_ERROR_NOT_FOUND"
          : result == invalidValue ? "CUDA_ERROR_INVALID_VALUE"
          : result == outOfMemory  ? "CUDA_ERROR_OUT_OF_MEMORY"
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
  Kernel *kernel = static_cast<Program *>(module)->find(name);
  *function = kernel;
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
  lastBounds = {};
  for (auto [end, begin] : getAllocations())
    if (begin == address) {
      getAllocations().erase(end);
      break;
    }
  free(reinterpret_cast<void *>(address));
  return success;
}
NVEMU_EXPORT cuMemAllocHost_v2(void **memory, size_t bytes) {
  *memory = malloc(bytes);
  return *memory ? success : outOfMemory;
}
NVEMU_EXPORT cuMemFreeHost(void *memory) {
  free(memory);
  return success;
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

namespace {
/// What was captured, in order.
using Graph = std::vector<std::function<void()>>;

struct Stream {
  Graph *capturing = nullptr;
};
} // namespace

/// Does something at once, or keeps it where a stream is captured.
static int submit(void *stream, std::function<void()> work) {
  auto *own = static_cast<Stream *>(stream);
  if (own && own->capturing)
    own->capturing->push_back(std::move(work));
  else
    work();
  return success;
}

NVEMU_EXPORT cuMemcpyHtoDAsync_v2(uintptr_t to, const void *from, size_t bytes,
                                  void *stream) {
  if (!isAllocated(reinterpret_cast<void *>(to), bytes))
    stop("a copy of %zu bytes to memory that nobody allocated", bytes);
  return submit(stream,
                [=] { memcpy(reinterpret_cast<void *>(to), from, bytes); });
}
NVEMU_EXPORT cuMemcpyDtoHAsync_v2(void *to, uintptr_t from, size_t bytes,
                                  void *stream) {
  if (!isAllocated(reinterpret_cast<void *>(from), bytes))
    stop("a copy of %zu bytes from memory that nobody allocated", bytes);
  return submit(stream,
                [=] { memcpy(to, reinterpret_cast<void *>(from), bytes); });
}

NVEMU_EXPORT cuStreamCreate(void **stream, unsigned) {
  *stream = new Stream;
  return success;
}
NVEMU_EXPORT cuStreamDestroy_v2(void *stream) {
  delete static_cast<Stream *>(stream);
  return success;
}
NVEMU_EXPORT cuStreamSynchronize(void *stream) {
  auto *own = static_cast<Stream *>(stream);
  if (own && own->capturing)
    stop("a stream is waited for while it is captured");
  return success;
}

/// A captured launch has the arguments of then, of 8 bytes each.
static void launchLater(Stream &stream, Kernel &kernel, Size grid, Size block,
                        void **arguments) {
  std::vector<uint64_t> values;
  for (size_t i = 0; i < kernel.numArguments; ++i)
    values.push_back(*static_cast<uint64_t *>(arguments[i]));
  stream.capturing->push_back([=, &kernel]() mutable {
    std::vector<void *> addresses;
    for (uint64_t &value : values)
      addresses.push_back(&value);
    launch(kernel, grid, block, addresses.data());
  });
}

NVEMU_EXPORT cuLaunchKernel(void *function, unsigned gridX, unsigned gridY,
                            unsigned gridZ, unsigned blockX, unsigned blockY,
                            unsigned blockZ, unsigned, void *stream,
                            void **arguments, void **) {
  Kernel &kernel = *static_cast<Kernel *>(function);
  Size grid{gridX, gridY, gridZ}, block{blockX, blockY, blockZ};
  auto *own = static_cast<Stream *>(stream);
  if (own && own->capturing)
    launchLater(*own, kernel, grid, block, arguments);
  else
    launch(kernel, grid, block, arguments);
  return success;
}

NVEMU_EXPORT cuStreamBeginCapture_v2(void *stream, int) {
  static_cast<Stream *>(stream)->capturing = new Graph;
  return success;
}
NVEMU_EXPORT cuStreamEndCapture(void *stream, void **graph) {
  *graph = std::exchange(static_cast<Stream *>(stream)->capturing, nullptr);
  return success;
}
NVEMU_EXPORT cuGraphInstantiateWithFlags(void **executable, void *graph,
                                         unsigned long long) {
  *executable = new Graph(*static_cast<Graph *>(graph));
  return success;
}
NVEMU_EXPORT cuGraphLaunch(void *executable, void *stream) {
  for (const std::function<void()> &work : *static_cast<Graph *>(executable))
    submit(stream, work);
  return success;
}
NVEMU_EXPORT cuGraphDestroy(void *graph) {
  delete static_cast<Graph *>(graph);
  return success;
}
NVEMU_EXPORT cuGraphExecDestroy(void *executable) {
  return cuGraphDestroy(executable);
}

/// An event is a time of the host.
using Time = std::chrono::steady_clock::time_point;

NVEMU_EXPORT cuEventCreate(void **event, unsigned) {
  *event = new Time;
  return success;
}
NVEMU_EXPORT cuEventDestroy_v2(void *event) {
  delete static_cast<Time *>(event);
  return success;
}
NVEMU_EXPORT cuEventRecord(void *event, void *) {
  *static_cast<Time *>(event) = std::chrono::steady_clock::now();
  return success;
}
NVEMU_EXPORT cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  *milliseconds = std::chrono::duration<float, std::milli>(
                      *static_cast<Time *>(end) - *static_cast<Time *>(start))
                      .count();
  return success;
}
