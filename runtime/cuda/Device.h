//===- Device.h - A GPU that runs a model ----------------------*- C++ -*-===//
//
// A model's kernels and weights on a device, and the memory and the stream of
// each session.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CUDA_DEVICE_H
#define RUNTIME_CUDA_DEVICE_H

#include "runtime/cuda/StepGraph.h"

#include <optional>
#include <string>
#include <vector>

namespace modrt {

/// What a GPU reaches at most: what is read each second, and FP32
/// multiply-adds, which count as two. Zeros where the driver does not say.
struct Peaks {
  double gigabytes, teraflops;
};

/// What all sessions of a model share.
class Device {
public:
  Device() = default;
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  ~Device();

  /// name: the number of a GPU, or "emulator".
  modrt_status open(const modrt_model &model, const std::string &name,
                    const void *weights, int64_t weightsBytes);
  /// The context is one of each thread.
  modrt_status enter() const;

  /// What the driver calls the GPU.
  std::string getName() const;
  /// By its clocks, its multiprocessors and the width of its memory.
  Peaks getPeaks() const;
  const Driver &driver() const { return functions; }
  const void *weights() const {
    return reinterpret_cast<const void *>(weightsAddress);
  }
  Driver::Handle function(int64_t kernel) const { return kernels[kernel]; }
  int64_t threads(int64_t kernel) const {
    return model->kernels->kernels[kernel].threads;
  }

private:
  int getAttribute(int attribute) const;
  modrt_status choose(const std::string &name);
  modrt_status load(bool emulator);
  modrt_status loadForChip(int chip);
  modrt_status loadImage(const modrt_image &image);
  modrt_status findKernels();
  modrt_status upload(const void *weights, int64_t bytes);

  const modrt_model *model = nullptr;
  Driver functions = {};
  int device = -1;
  Driver::Handle context = nullptr, module = nullptr;
  std::vector<Driver::Handle> kernels;
  Driver::Address weightsAddress = 0;
};

/// Memory and a stream of one session. What fails is kept until it is asked
/// for.
class DeviceSession : public modrt_device {
public:
  DeviceSession();
  DeviceSession(const DeviceSession &) = delete;
  DeviceSession &operator=(const DeviceSession &) = delete;
  ~DeviceSession();

  modrt_status open(const Device &device, const modrt_model &model,
                    int64_t sequences);
  void *arena() const { return reinterpret_cast<void *>(arenaAddress); }
  void *caches() const { return reinterpret_cast<void *>(cachesAddress); }
  /// Before a program asks for something; `repeats` where it asks for the same
  /// each time.
  void begin(bool repeats);
  /// Behind it: whether it has to be called again.
  bool end();
  /// Waits for all that was begun; the first failure since the last time.
  modrt_status finish();
  /// From now on the device takes the time of each program.
  modrt_status startTiming();
  /// That of the last.
  double seconds() const;

private:
  static void runLaunch(modrt_device *self, int64_t kernel, int64_t blocksX,
                        int64_t blocksY, void **arguments, int64_t count);
  static void runUpload(modrt_device *self, void *to, const void *from,
                        int64_t bytes);
  static void runDownload(modrt_device *self, void *to, const void *from,
                          int64_t bytes);
  void note(int result, const char *what);
  void record(Driver::Handle event);

  const Device *device = nullptr;
  Driver::Handle stream = nullptr;
  Driver::Address arenaAddress = 0, cachesAddress = 0;
  std::optional<StepGraph> step; ///< of the program that repeats
  bool isStep = false;           ///< whether that one is called
  Driver::Handle began = nullptr, ended = nullptr; ///< events, if any
  modrt_status failure = ok();
};

} // namespace modrt

#endif // RUNTIME_CUDA_DEVICE_H
