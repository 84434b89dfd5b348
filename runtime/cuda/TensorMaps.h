//===- TensorMaps.h - What copies by TMA are told of weights ---*- C++ -*-===//
//
// Tensor maps, which only CUDA's driver can encode, behind the weights on the
// device.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CUDA_TENSORMAPS_H
#define RUNTIME_CUDA_TENSORMAPS_H

#include "runtime/cuda/Driver.h"

namespace modrt {

class TensorMaps {
public:
  TensorMaps(const modrt_kernels &kernels, int64_t weightsBytes)
      : kernels(kernels), weightsBytes(weightsBytes) {}

  /// The bytes of the weights with the maps behind them.
  int64_t end() const;
  /// Encodes the maps of weights at an address, and copies them there.
  modrt_status upload(const Driver &driver, Driver::Address weights) const;

private:
  int64_t start() const;

  const modrt_kernels &kernels;
  int64_t weightsBytes;
};

} // namespace modrt

#endif // RUNTIME_CUDA_TENSORMAPS_H
