//===- Rotary.h - Frequencies of rotary embeddings --------------*- C++ -*-===//
//
// What `mod.rope` turns by, scaled or not.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_ROTARY_H
#define MOD_DIALECT_ROTARY_H

#include "dialect/ModOps.h"

namespace mlir::mod {

struct RotaryFrequencies {
  /// The angle of each pair at position 1.
  SmallVector<double> frequencies;
  /// By which cosines and sines are multiplied.
  double magnitude = 1;
};

/// `scaling` may be null.
RotaryFrequencies getRotaryFrequencies(double theta, int64_t headDim,
                                       RopeScalingAttr scaling);

} // namespace mlir::mod

#endif // MOD_DIALECT_ROTARY_H
