// A CUDA driver that says what it is given: $STUB_CHIP is what its GPU is,
// $STUB_OLD=1 makes it refuse machine code, as a driver does that is older than
// the assembler.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cuInit(unsigned flags) { return flags != 0; }
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return 0;
}
int cuDeviceGetName(char *name, int bytes, int device) {
  return snprintf(name, bytes, "stub %d", device) < 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int chip = atoi(getenv("STUB_CHIP"));
  *value = attribute == 75 ? chip / 10 : chip % 10;
  return device != 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = context;
  return device != 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) { return device != 0; }
int cuCtxSetCurrent(void *context) { return !context; }

int cuModuleLoadData(void **module, const void *image) {
  const char *text = image;
  *module = module;
  if (memcmp(text,
             "\x7f"
             "ELF",
             4) == 0) {
    fputs("given machine code\n", stderr);
    return getenv("STUB_OLD") ? 209 : 0;
  }
  const char *target = strstr(text, ".target ");
  fprintf(stderr, "given PTX of%.*s\n", (int)strcspn(target + 7, "\n,"),
          target + 7);
  return 0;
}
int cuModuleUnload(void *module) { return !module; }
// Nothing runs here.
int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = NULL;
  return module && name ? 500 : 1;
}
int cuGetErrorName(int result, const char **name) {
  *name =
      result == 500 ? "CUDA_ERROR_NOT_FOUND" : "CUDA_ERROR_NO_BINARY_FOR_GPU";
  return 0;
}

#define UNUSED(name)                                                           \
  int name(void) { return 1; }
UNUSED(cuMemAlloc_v2)
UNUSED(cuMemFree_v2)
UNUSED(cuMemcpyHtoDAsync_v2)
UNUSED(cuMemcpyDtoHAsync_v2)
UNUSED(cuStreamCreate)
UNUSED(cuStreamDestroy_v2)
UNUSED(cuStreamSynchronize)
UNUSED(cuLaunchKernel)
