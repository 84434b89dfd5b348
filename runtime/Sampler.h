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
    float logit;
    int32_t token;
    uint64_t weight; // TokenWeights.h
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
  /// Whether a GPU can choose: its memory for recent tokens is limited.
  bool fitsChoice() const;
  /// How the next token is to be chosen; draws the number that decides.
  modrt_choice choose();

  modrt_status collect(const float *logits);
  void findDistinct();
  void penalize(double penalty);
  void keepTopK(double topK);
  void keepTopP(double topP);
  void keepMinP(double minWeight);
  uint64_t weigh(float scale);
  size_t reach(double share, uint64_t sum) const;
  double uniform();
};

namespace modrt {

/// The likeliest token is chosen.
modrt_choice chooseLikeliest();

/// The token with the largest logit, of equal ones the first.
modrt_status findLikeliest(const modrt_model &model, const float *logits,
                           int32_t *token);

} // namespace modrt

#endif // RUNTIME_SAMPLER_H
