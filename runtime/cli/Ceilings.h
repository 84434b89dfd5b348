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

/// Memory that no cache holds.
class ReadBuffer {
public:
  modrt_status open(ThreadPool &pool);
  /// Reading it, in 1e9 bytes/s, likewise.
  double measureGbPerS(ThreadPool &pool, double enough = 0.25) const;

private:
  static constexpr int64_t chunk = 1 << 20;
  Mapping memory;
  int64_t bytes = 0;
};

} // namespace modrt

#endif // RUNTIME_CLI_CEILINGS_H
