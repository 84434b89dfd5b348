//===- Sampler.h - Choosing tokens -----------------------------*- C++ -*-===//
//
// Turns logits into a token, the same one on every machine.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_SAMPLER_H
#define RUNTIME_SAMPLER_H

#include "runtime/Status.h"

#include <vector>

struct modrt_sampler {
  /// A token that may still be chosen.
  struct Candidate {
    double logit;
    int32_t token;
    double weight; // its probability, up to a factor
  };

  const modrt_model &model;
  modrt_sampling sampling;
  uint64_t state;                // of the generator
  std::vector<int32_t> recent;   // a ring of the last tokens
  std::vector<int32_t> distinct; // those of them that differ
  int64_t accepted = 0;
  std::vector<Candidate> candidates; // likeliest first, once sorted

  modrt_sampler(const modrt_model &model, const modrt_sampling &sampling);

  /// Whether the likeliest token is chosen, whatever came before.
  bool isGreedy() const {
    return sampling.temperature == 0 && sampling.repetition_penalty == 1;
  }
  modrt_status collect(const float *logits);
  void penalize();
  void keepTopK();
  void keepTopP();
  void keepMinP();
  double weigh(double temperature);
  int32_t draw();
  double uniform();
};

namespace modrt {

/// The token with the largest logit, of equal ones the first.
modrt_status findLikeliest(const modrt_model &model, const float *logits,
                           int32_t *token);

} // namespace modrt

#endif // RUNTIME_SAMPLER_H
