//===- Device.cpp - A GPU that runs a model -------------------------------===//
//
// Loads kernels, keeps memory, runs what programs ask for.
//
//===----------------------------------------------------------------------===//

#include "runtime/cuda/Device.h"
#include "runtime/cuda/TensorMaps.h"

#include <cstdlib>
#include <cstring>

using namespace modrt;

// CUdevice_attribute; clocks are in kHz, the bus is in bits.
static const int clockRate = 13, multiprocessors = 16, memoryClockRate = 36,
                 memoryBusWidth = 37, computeMajor = 75, computeMinor = 76;

Device::~Device() {
  if (device < 0 || functions.ctxSetCurrent(context) != 0)
    return;
  if (weightsAddress)
    functions.memFree(weightsAddress);
  if (module)
    functions.moduleUnload(module);
  functions.primaryCtxRelease(device);
}

modrt_status Device::choose(const std::string &name) {
  char *end = nullptr;
  long ordinal = strtol(name.c_str(), &end, 10);
  if (name.empty() || *end != '\0' || ordinal < 0 || ordinal > 1 << 20)
    return error(MODRT_INVALID,
                 "device '%s', where the number of a GPU or emulator is "
                 "expected",
                 name.c_str());
  int chosen = -1;
  MODRT_TRY(functions.check(functions.init(0), "cuInit"));
  if (functions.deviceGet(&chosen, static_cast<int>(ordinal)) != 0)
    return error(MODRT_INVALID, "there is no GPU %s", name.c_str());
  MODRT_TRY(functions.check(functions.primaryCtxRetain(&context, chosen),
                            "cuDevicePrimaryCtxRetain"));
  device = chosen;
  return enter();
}

modrt_status Device::enter() const {
  return functions.check(functions.ctxSetCurrent(context), "cuCtxSetCurrent");
}

std::string Device::getName() const {
  char name[256] = "";
  functions.deviceGetName(name, sizeof(name), device);
  return name;
}

int Device::getAttribute(int attribute) const {
  int value = 0;
  functions.deviceGetAttribute(&value, attribute, device);
  return value;
}

Peaks Device::getPeaks() const {
  // CUDA C++ programming guide, "Compute Capabilities": FP32 of a clock.
  bool isGA100 =
      getAttribute(computeMajor) == 8 && getAttribute(computeMinor) == 0;
  double lanes = isGA100 ? 64 : 128;
  // Memory transfers twice in a clock.
  return {
      2e-6 * getAttribute(memoryClockRate) * getAttribute(memoryBusWidth) / 8,
      2e-9 * lanes * getAttribute(multiprocessors) * getAttribute(clockRate)};
}

modrt_status Device::loadImage(const modrt_image &image) {
  std::string what = std::string("loading kernels for ") + image.chip + " (" +
                     image.kind + ")";
  return functions.check(functions.moduleLoadData(&module, image.data),
                         what.c_str());
}

namespace {
/// What an image was compiled for: `sm_90a` is for that chip alone.
struct Chip {
  int number;
  bool isExact;

  explicit Chip(const modrt_image &image) {
    char *end = nullptr;
    number = static_cast<int>(strtol(image.chip + strlen("sm_"), &end, 10));
    isExact = *end != '\0';
  }
};
} // namespace

/// Machine code of the very chip.
static const modrt_image *findMachineCode(const modrt_kernels &kernels,
                                          int chip) {
  for (int64_t i = 0; i < kernels.num_images; ++i)
    if (strcmp(kernels.images[i].kind, "cubin") == 0 &&
        Chip(kernels.images[i]).number == chip)
      return &kernels.images[i];
  return nullptr;
}

/// The PTX of the latest chip that is not later.
static const modrt_image *findPtx(const modrt_kernels &kernels, int chip) {
  const modrt_image *best = nullptr;
  for (int64_t i = 0; i < kernels.num_images; ++i) {
    const modrt_image &image = kernels.images[i];
    Chip own(image);
    bool fits = own.isExact ? own.number == chip : own.number <= chip;
    if (strcmp(image.kind, "ptx") == 0 && fits &&
        (!best || own.number > Chip(*best).number))
      best = &image;
  }
  return best;
}

static const modrt_image *findEmulated(const modrt_kernels &kernels) {
  for (int64_t i = 0; i < kernels.num_images; ++i)
    if (strcmp(kernels.images[i].kind, "llvm") == 0)
      return &kernels.images[i];
  return nullptr;
}

/// A driver that is older than the assembler refuses its code, but compiles
/// PTX.
modrt_status Device::loadForChip(int chip) {
  const modrt_image *code = findMachineCode(*model->kernels, chip);
  const modrt_image *ptx = findPtx(*model->kernels, chip);
  if (!code && !ptx)
    return error(MODRT_UNSUPPORTED,
                 "the model was compiled for %s, which the GPU, sm_%d, cannot "
                 "run",
                 model->target, chip);
  modrt_status status = code ? loadImage(*code) : loadImage(*ptx);
  return code && ptx && status.code != MODRT_OK ? loadImage(*ptx) : status;
}

modrt_status Device::load(bool emulator) {
  if (emulator) {
    const modrt_image *image = findEmulated(*model->kernels);
    return image ? loadImage(*image)
                 : error(MODRT_UNSUPPORTED,
                         "the model has no kernels for an emulator");
  }
  return loadForChip(10 * getAttribute(computeMajor) +
                     getAttribute(computeMinor));
}

modrt_status Device::findKernels() {
  for (int64_t i = 0; i < model->kernels->num_kernels; ++i) {
    const char *name = model->kernels->kernels[i].name;
    Driver::Handle function = nullptr;
    std::string what = std::string("kernel '") + name + "'";
    MODRT_TRY(functions.check(
        functions.moduleGetFunction(&function, module, name), what.c_str()));
    kernels.push_back(function);
  }
  return ok();
}

modrt_status Device::upload(const void *weights, int64_t bytes) {
  if (bytes <= 0)
    return ok();
  TensorMaps maps(*model->kernels, bytes);
  MODRT_TRY(functions.check(functions.memAlloc(&weightsAddress, maps.end()),
                            "memory for the weights"));
  MODRT_TRY(maps.upload(functions, weightsAddress));
  MODRT_TRY(functions.check(
      functions.copyToDevice(weightsAddress, weights, bytes, nullptr),
      "copying the weights"));
  return functions.check(functions.streamSynchronize(nullptr),
                         "copying the weights");
}

modrt_status Device::open(const modrt_model &opened, const std::string &name,
                          const void *weights, int64_t weightsBytes) {
  bool emulator = name == "emulator";
  model = &opened;
  MODRT_TRY(functions.open(emulator));
  MODRT_TRY(choose(emulator ? "0" : name));
  MODRT_TRY(load(emulator));
  MODRT_TRY(findKernels());
  return upload(weights, weightsBytes);
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

DeviceSession::DeviceSession() {
  launch = runLaunch;
  modrt_device::upload = runUpload;
  download = runDownload;
}

DeviceSession::~DeviceSession() {
  if (!device || device->enter().code != MODRT_OK)
    return;
  const Driver &driver = device->driver();
  step.reset();
  for (Driver::Handle event : {began, ended})
    if (event)
      driver.eventDestroy(event);
  if (arenaAddress)
    driver.memFree(arenaAddress);
  if (cachesAddress)
    driver.memFree(cachesAddress);
  if (stream)
    driver.streamDestroy(stream);
}

modrt_status DeviceSession::open(const Device &opened, const modrt_model &model,
                                 int64_t sequences) {
  int64_t cachesBytes = sequences * model.caches_bytes;
  const Driver &driver = opened.driver();
  const unsigned nonBlocking = 1;
  device = &opened;
  MODRT_TRY(device->enter());
  MODRT_TRY(driver.check(driver.streamCreate(&stream, nonBlocking),
                         "cuStreamCreate"));
  step.emplace(driver, stream);
  if (model.arena_bytes > 0)
    MODRT_TRY(driver.check(driver.memAlloc(&arenaAddress, model.arena_bytes),
                           "memory for the arena"));
  if (cachesBytes > 0)
    MODRT_TRY(driver.check(driver.memAlloc(&cachesAddress, cachesBytes),
                           "memory for KV caches"));
  return ok();
}

void DeviceSession::note(int result, const char *what) {
  if (result != 0 && failure.code == MODRT_OK)
    failure = device->driver().check(result, what);
}

modrt_status DeviceSession::startTiming() {
  for (Driver::Handle *event : {&began, &ended})
    MODRT_TRY(device->driver().check(device->driver().eventCreate(event, 0),
                                     "cuEventCreate"));
  return ok();
}

void DeviceSession::record(Driver::Handle event) {
  if (event)
    note(device->driver().eventRecord(event, stream), "cuEventRecord");
}

double DeviceSession::seconds() const {
  float milliseconds = 0;
  device->driver().eventElapsedTime(&milliseconds, began, ended);
  return milliseconds * 1e-3;
}

void DeviceSession::begin(bool repeats) {
  isStep = repeats;
  if (isStep)
    step->begin();
  else
    record(began);
}

bool DeviceSession::end() {
  if (!isStep)
    return false;
  bool differs = false;
  note(step->end(differs), "capturing a graph of kernels");
  if (differs || failure.code != MODRT_OK)
    return differs;
  record(began);
  note(step->run(), "launching a graph of kernels");
  return false;
}

modrt_status DeviceSession::finish() {
  record(ended);
  note(device->driver().streamSynchronize(stream), "running kernels");
  if (isStep && failure.code == MODRT_OK)
    step->deliver();
  modrt_status result = failure;
  failure = ok();
  return result;
}

void DeviceSession::runLaunch(modrt_device *self, int64_t kernel,
                              int64_t blocksX, int64_t blocksY,
                              void **arguments, int64_t count) {
  auto &session = *static_cast<DeviceSession *>(self);
  const Device &device = *session.device;
  if (session.isStep)
    return session.step->launch(device.function(kernel), blocksX, blocksY,
                                device.threads(kernel), arguments, count);
  session.note(device.driver().launchKernel(device.function(kernel), blocksX,
                                            blocksY, 1, device.threads(kernel),
                                            1, 1, 0, session.stream, arguments,
                                            nullptr),
               "launching a kernel");
}

void DeviceSession::runUpload(modrt_device *self, void *to, const void *from,
                              int64_t bytes) {
  auto &session = *static_cast<DeviceSession *>(self);
  auto address = reinterpret_cast<Driver::Address>(to);
  if (session.isStep)
    return session.step->upload(address, from, bytes);
  session.note(session.device->driver().copyToDevice(address, from, bytes,
                                                     session.stream),
               "copying to the GPU");
}

void DeviceSession::runDownload(modrt_device *self, void *to, const void *from,
                                int64_t bytes) {
  auto &session = *static_cast<DeviceSession *>(self);
  auto address = reinterpret_cast<Driver::Address>(from);
  if (session.isStep)
    return session.step->download(to, address, bytes);
  session.note(
      session.device->driver().copyToHost(to, address, bytes, session.stream),
      "copying from the GPU");
}
