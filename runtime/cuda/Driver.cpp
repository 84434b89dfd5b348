//===- Driver.cpp - CUDA's driver -----------------------------------------===//
//
// Finds the library and its functions.
//
//===----------------------------------------------------------------------===//

#include "runtime/cuda/Driver.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace modrt;

static const char *const cudaLibrary = "libcuda.so.1";

/// What tests build; $MODRT_NVEMU may name another.
static const char *emulatorLibrary() {
  const char *path = getenv("MODRT_NVEMU");
  return path && *path ? path : MOD_LIBRARY_DIRECTORY "/libmodrt-nvemu.so";
}

static modrt_status openLibrary(bool emulator, void *&library) {
  const char *path = emulator ? emulatorLibrary() : cudaLibrary;
  library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library)
    return ok();
  const char *reason = dlerror();
  if (emulator)
    return error(MODRT_SYSTEM,
                 "no emulator: %s; build modrt-nvemu and name it by "
                 "MODRT_NVEMU",
                 reason);
  return error(MODRT_SYSTEM, "no NVIDIA driver: %s", reason);
}

namespace {
/// Finds functions until one is missing.
struct Finder {
  void *library;
  const char *missing = nullptr;

  template <typename Function>
  void findIfAny(Function &function, const char *name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
  }
  template <typename Function>
  void find(Function &function, const char *name) {
    findIfAny(function, name);
    if (!function && !missing)
      missing = name;
  }
};
} // namespace

modrt_status Driver::open(bool emulator) {
  Finder finder = {};
  MODRT_TRY(openLibrary(emulator, finder.library));
  finder.find(init, "cuInit");
  finder.find(deviceGet, "cuDeviceGet");
  finder.find(deviceGetName, "cuDeviceGetName");
  finder.find(deviceGetAttribute, "cuDeviceGetAttribute");
  finder.find(primaryCtxRetain, "cuDevicePrimaryCtxRetain");
  finder.find(primaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  finder.find(ctxSetCurrent, "cuCtxSetCurrent");
  finder.find(moduleLoadData, "cuModuleLoadData");
  finder.find(moduleUnload, "cuModuleUnload");
  finder.find(moduleGetFunction, "cuModuleGetFunction");
  finder.find(memAlloc, "cuMemAlloc_v2");
  finder.find(memFree, "cuMemFree_v2");
  finder.find(copyToDevice, "cuMemcpyHtoDAsync_v2");
  finder.find(copyToHost, "cuMemcpyDtoHAsync_v2");
  finder.find(memAllocHost, "cuMemAllocHost_v2");
  finder.find(memFreeHost, "cuMemFreeHost");
  finder.find(streamCreate, "cuStreamCreate");
  finder.find(streamDestroy, "cuStreamDestroy_v2");
  finder.find(streamSynchronize, "cuStreamSynchronize");
  finder.find(launchKernel, "cuLaunchKernel");
  finder.find(streamBeginCapture, "cuStreamBeginCapture_v2");
  finder.find(streamEndCapture, "cuStreamEndCapture");
  finder.find(graphInstantiate, "cuGraphInstantiateWithFlags");
  finder.find(graphLaunch, "cuGraphLaunch");
  finder.find(graphDestroy, "cuGraphDestroy");
  finder.find(graphExecDestroy, "cuGraphExecDestroy");
  finder.find(eventCreate, "cuEventCreate");
  finder.find(eventDestroy, "cuEventDestroy_v2");
  finder.find(eventRecord, "cuEventRecord");
  finder.find(eventElapsedTime, "cuEventElapsedTime");
  finder.find(getErrorName, "cuGetErrorName");
  finder.findIfAny(tensorMapEncodeTiled, "cuTensorMapEncodeTiled");
  if (finder.missing)
    return error(MODRT_UNSUPPORTED, "the NVIDIA driver has no %s",
                 finder.missing);
  return ok();
}

modrt_status Driver::check(int result, const char *what) const {
  if (result == 0)
    return ok();
  const char *name = nullptr;
  if (getErrorName(result, &name) != 0 || !name)
    name = "an unknown error";
  return error(MODRT_SYSTEM, "%s: %s", what, name);
}
