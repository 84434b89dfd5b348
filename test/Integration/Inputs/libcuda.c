// A CUDA driver that says what it is given: $STUB_CHIP is what its GPU is,
// $STUB_OLD=1 makes it refuse machine code, as a driver does that is older than
// the assembler. With $STUB_RUNS=1 it has the kernels, which do nothing; it
// says what was captured, and when that is launched. $STUB_PEAKS has the clock
// of its GPU in kHz, the multiprocessors, the clock of the memory and the bits
// of its bus.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cuInit(unsigned flags) { return flags != 0; }
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return 0;
}
int cuDeviceGetName(char *name, int bytes, int device) {
  const char *given = getenv("STUB_NAME");
  return snprintf(name, bytes, "%s", given ? given : "stub") < 0 || device;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int chip = atoi(getenv("STUB_CHIP")), given[4] = {0};
  const char *peaks = getenv("STUB_PEAKS");
  if (peaks)
    sscanf(peaks, "%d %d %d %d", given, given + 1, given + 2, given + 3);
  *value = attribute == 75   ? chip / 10
           : attribute == 76 ? chip % 10
           : attribute == 13 ? given[0]
           : attribute == 16 ? given[1]
           : attribute == 36 ? given[2]
           : attribute == 37 ? given[3]
                             : 0;
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
int cuModuleGetFunction(void **function, void *module, const char *name) {
  int found = module && name && getenv("STUB_RUNS");
  *function = found ? function : NULL;
  return found ? 0 : 500;
}
int cuGetErrorName(int result, const char **name) {
  *name =
      result == 500 ? "CUDA_ERROR_NOT_FOUND" : "CUDA_ERROR_NO_BINARY_FOR_GPU";
  return 0;
}

static int isCapturing, launches, uploads, downloads;

int cuMemAlloc_v2(void **memory, size_t bytes) {
  *memory = calloc(bytes, 1);
  return 0;
}
int cuMemFree_v2(void *memory) {
  free(memory);
  return 0;
}
int cuMemAllocHost_v2(void **memory, size_t bytes) {
  return cuMemAlloc_v2(memory, bytes);
}
int cuMemFreeHost(void *memory) { return cuMemFree_v2(memory); }
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes,
                         void *stream) {
  uploads += isCapturing;
  return !to || !from || !bytes || (isCapturing && !stream);
}
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes,
                         void *stream) {
  downloads += isCapturing;
  memset(to, 0, bytes);
  return !from || !stream;
}
int cuStreamCreate(void **stream, unsigned flags) {
  *stream = stream;
  return flags != 1;
}
int cuStreamDestroy_v2(void *stream) { return !stream; }
int cuStreamSynchronize(void *stream) {
  (void)stream; // weights come by the default stream
  return isCapturing ? 900 : 0;
}
int cuLaunchKernel(void *function) {
  launches += isCapturing;
  return !function;
}
int cuStreamBeginCapture_v2(void *stream, int mode) {
  isCapturing = 1;
  return !stream || mode != 2;
}
int cuStreamEndCapture(void *stream, void **graph) {
  isCapturing = 0;
  *graph = graph;
  return !stream;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph,
                                unsigned long long flags) {
  fprintf(stderr, "captured %d launches, %d uploads, %d downloads\n", launches,
          uploads, downloads);
  *executable = executable;
  return !graph || flags;
}
int cuGraphLaunch(void *executable, void *stream) {
  fputs("launched the graph\n", stderr);
  return !executable || !stream;
}
int cuGraphDestroy(void *graph) { return !graph; }
int cuGraphExecDestroy(void *executable) { return !executable; }

int cuEventCreate(void **event, unsigned flags) {
  *event = event;
  return flags != 0;
}
int cuEventDestroy_v2(void *event) { return !event; }
int cuEventRecord(void *event, void *stream) {
  return !event || !stream || isCapturing;
}
// Whatever it was took 2 ms.
int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  *milliseconds = 2;
  return !start || !end;
}
