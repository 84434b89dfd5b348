//===- Ceilings.h - What the machine could do ------------------*- C++ -*-===//
//
// Upper bounds that measured speeds are compared with.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_CEILINGS_H
#define RUNTIME_CLI_CEILINGS_H

#include "runtime/Mapping.h"
#include "runtime/ThreadPool.h"

namespace modrt {

/// Fused multiply-adds of f32 in registers, in 1e9 FLOP/s: the best of as many
/// runs as take `enough` seconds, at least one.
double measurePeakGflops(ThreadPool &pool, double enough = 0.25);

/// Memory that is read.
class ReadBuffer {
public:
  /// Some `wanted` bytes, or for 0 more than any cache holds.
  modrt_status open(ThreadPool &pool, int64_t wanted = 0);
  /// Reading it, in 1e9 bytes/s, likewise.
  double measureGbPerS(ThreadPool &pool, double enough = 0.25) const;

private:
  Mapping memory;
  /// Bytes of one item of the pool, and how many such there are.
  int64_t chunk = 0, chunks = 0;
};

} // namespace modrt

#endif // RUNTIME_CLI_CEILINGS_H
