//===- TokenWeights.h - How likely tokens are, in integers -----*- C++ -*-===//
//
// What a CPU and a kernel of a GPU compute weights of tokens by. A token whose
// logit is n bits below the largest weighs 2^(weightBits - n), rounded down:
// integers have the same sum in every order, and on every machine.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TOKENWEIGHTS_H
#define RUNTIME_TOKENWEIGHTS_H

#include <array>
#include <cstdint>

namespace modrt {

inline constexpr int weightBits = 40;
/// So that sums fit 63 bits.
inline constexpr int64_t maxWeighted = int64_t(1) << 22;
/// Bits of n behind the point: 32 hold any n of a weight that is not zero.
inline constexpr int distanceBits = 26;
/// Bits that a logit is below another, at temperature 1.
inline constexpr float log2e = 1.44269504f;

/// ln(2)^k / k! in units of 2^-32, of 2^-x = 1 - x (c1 - x (c2 - ...)) for x in
/// [0, 1): the term that follows is smaller than a unit.
inline constexpr std::array<uint32_t, 11> powerSeries = [] {
  std::array<uint32_t, 11> series = {};
  double term = 1;
  for (int k = 1; k <= 11; ++k) {
    term *= 0.693147180559945309 / k;
    series[k - 1] = static_cast<uint32_t>(term * 0x1p32 + 0.5);
  }
  return series;
}();

} // namespace modrt

#endif // RUNTIME_TOKENWEIGHTS_H
