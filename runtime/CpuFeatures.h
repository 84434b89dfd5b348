//===- CpuFeatures.h - What this machine can run ---------------*- C++ -*-===//
//
// Tells whether the instructions that a model was compiled for exist here.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CPUFEATURES_H
#define RUNTIME_CPUFEATURES_H

#include "runtime/Status.h"

namespace modrt {

/// Whether CPU and system have a feature, by LLVM's name for it.
bool hasCpuFeature(const char *name);

/// Fails, naming it, where one of `features` ("avx2,fma") is missing. Asks the
/// system for the registers that it grants to a process only on request.
modrt_status checkCpuFeatures(const char *features);

} // namespace modrt

#endif // RUNTIME_CPUFEATURES_H
