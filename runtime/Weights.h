//===- Weights.h - Finding a model's weights -------------------*- C++ -*-===//
//
// Maps the safetensors file that a compiled model reads its weights from.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_WEIGHTS_H
#define RUNTIME_WEIGHTS_H

#include "runtime/Mapping.h"

namespace modrt {

/// Maps the whole safetensors file of `model` and checks that it is the one the
/// model was compiled with. `path` as in modrt_open.
modrt_status mapWeights(const modrt_model &model, const char *path,
                        Mapping &mapping);

} // namespace modrt

#endif // RUNTIME_WEIGHTS_H
