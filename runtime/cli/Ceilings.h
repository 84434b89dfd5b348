//===- Ceilings.h - What the machine could do ------------------*- C++ -*-===//
//
// Upper bounds that measured speeds are compared with.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_CEILINGS_H
#define RUNTIME_CLI_CEILINGS_H

#include "runtime/ThreadPool.h"

namespace modrt {

/// Fused multiply-adds of f32 in registers, in 1e9 FLOP/s.
double measurePeakGflops(ThreadPool &pool);

/// Reading memory that no cache holds, in 1e9 bytes/s.
modrt_status measureReadBandwidth(ThreadPool &pool, double &gbPerS);

} // namespace modrt

#endif // RUNTIME_CLI_CEILINGS_H
