//===- Driver.h - CUDA's driver --------------------------------*- C++ -*-===//
//
// The functions of libcuda.so.1 that models need, found when they are first
// needed: a model starts on machines without a driver.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CUDA_DRIVER_H
#define RUNTIME_CUDA_DRIVER_H

#include "runtime/Status.h"

#include <cstddef>
#include <cstdint>

namespace modrt {

/// Results are CUresult, 0 for success; handles are opaque.
struct Driver {
  using Handle = void *;
  using Address = uintptr_t; // on the device

  int (*init)(unsigned flags);
  int (*deviceGet)(int *device, int ordinal);
  int (*deviceGetName)(char *name, int bytes, int device);
  int (*deviceGetAttribute)(int *value, int attribute, int device);
  int (*primaryCtxRetain)(Handle *context, int device);
  int (*primaryCtxRelease)(int device);
  int (*ctxSetCurrent)(Handle context);
  int (*moduleLoadData)(Handle *module, const void *image);
  int (*moduleUnload)(Handle module);
  int (*moduleGetFunction)(Handle *function, Handle module, const char *name);
  int (*memAlloc)(Address *address, size_t bytes);
  int (*memFree)(Address address);
  int (*copyToDevice)(Address to, const void *from, size_t bytes,
                      Handle stream);
  int (*copyToHost)(void *to, Address from, size_t bytes, Handle stream);
  int (*memAllocHost)(void **memory, size_t bytes);
  int (*memFreeHost)(void *memory);
  int (*streamCreate)(Handle *stream, unsigned flags);
  int (*streamDestroy)(Handle stream);
  int (*streamSynchronize)(Handle stream);
  int (*launchKernel)(Handle function, unsigned gridX, unsigned gridY,
                      unsigned gridZ, unsigned blockX, unsigned blockY,
                      unsigned blockZ, unsigned sharedBytes, Handle stream,
                      void **arguments, void **extra);
  int (*streamBeginCapture)(Handle stream, int mode);
  int (*streamEndCapture)(Handle stream, Handle *graph);
  int (*graphInstantiate)(Handle *executable, Handle graph,
                          unsigned long long flags);
  int (*graphLaunch)(Handle executable, Handle stream);
  int (*graphDestroy)(Handle graph);
  int (*graphExecDestroy)(Handle executable);
  int (*eventCreate)(Handle *event, unsigned flags);
  int (*eventDestroy)(Handle event);
  int (*eventRecord)(Handle event, Handle stream);
  int (*eventElapsedTime)(float *milliseconds, Handle start, Handle end);
  int (*getErrorName)(int result, const char **name);
  /// Null in drivers that are older than TMA.
  int (*tensorMapEncodeTiled)(void *map, int type, uint32_t rank,
                              Address address, const uint64_t *sizes,
                              const uint64_t *strides, const uint32_t *box,
                              const uint32_t *elementStrides, int interleave,
                              int swizzle, int promotion, int fill);

  /// CUDA's own library or, for tests, one with the same functions.
  modrt_status open(bool emulator);
  /// The status of a result, by the driver's name for it.
  modrt_status check(int result, const char *what) const;
};

} // namespace modrt

#endif // RUNTIME_CUDA_DRIVER_H
