//===- Sampler.cpp - Choosing tokens --------------------------------------===//
//
// Only additions, products and comparisons of doubles, so that the choice does
// not depend on whose exp() it is; compiled without contraction for the same
// reason.
//
//===----------------------------------------------------------------------===//

#include "runtime/Sampler.h"

#include "runtime/Instance.h"

#include <algorithm>
#include <cmath>

using namespace modrt;

/// e^x for x <= 0, to some 1e-15. Zero below -700.
static double exponential(double x) {
  if (x < -700)
    return 0;
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts keeps r exact.
  double n = std::floor(x * 1.4426950408889634 + 0.5);
  double r = x - n * 0.693147180369123816490 - n * 1.90821492927058770002e-10;
  double sum = 1;
  for (int term = 14; term > 0; --term)
    sum = 1 + sum * r / term;
  return std::ldexp(sum, static_cast<int>(n));
}

/// The next number of SplitMix64, in [0, 1).
double modrt_sampler::uniform() {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
}

static bool isLikelier(const modrt_sampler::Candidate &a,
                       const modrt_sampler::Candidate &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

modrt_sampler::modrt_sampler(const modrt_model &model,
                             const modrt_sampling &sampling)
    : model(model), sampling(sampling), state(sampling.seed) {
  // All that sampling will ever need, so that it allocates nothing.
  int64_t window = std::min(sampling.repetition_window, model.context);
  recent.reserve(window);
  distinct.reserve(window);
  candidates.reserve(model.vocab);
}

modrt_status modrt::findLikeliest(const modrt_model &model, const float *logits,
                                  int32_t *token) {
  int32_t likeliest = 0;
  for (int32_t i = 0; i < model.vocab; ++i) {
    // A model may forbid tokens by -inf; NaN and +inf mean nothing.
    if (std::isnan(logits[i]) || logits[i] == INFINITY)
      return error(MODRT_INVALID, "the logit of token %d is not a number", i);
    if (logits[i] > logits[likeliest])
      likeliest = i;
  }
  if (!std::isfinite(logits[likeliest]))
    return error(MODRT_INVALID, "no token has a finite logit");
  *token = likeliest;
  return ok();
}

modrt_status modrt_sampler::collect(const float *logits) {
  int32_t likeliest;
  MODRT_TRY(findLikeliest(model, logits, &likeliest));
  candidates.resize(model.vocab);
  for (int32_t token = 0; token < model.vocab; ++token)
    candidates[token] = {logits[token], token, 0};
  return ok();
}

/// Once per token, however often it came. Candidates are still in the order of
/// their tokens.
void modrt_sampler::penalize() {
  double penalty = sampling.repetition_penalty;
  if (penalty == 1)
    return;
  distinct.assign(recent.begin(), recent.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (int32_t token : distinct) {
    double &logit = candidates[token].logit;
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

void modrt_sampler::keepTopK() {
  size_t k = sampling.top_k;
  if (k > 0 && k < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + k,
                     candidates.end(), isLikelier);
    candidates.resize(k);
  }
  std::sort(candidates.begin(), candidates.end(), isLikelier);
}

/// Sets the candidates' weights, that of the likeliest to 1; returns their sum.
double modrt_sampler::weigh(double temperature) {
  double sum = 0;
  for (Candidate &candidate : candidates) {
    double below = candidate.logit - candidates.front().logit;
    candidate.weight = exponential(below / temperature);
    sum += candidate.weight;
  }
  return sum;
}

void modrt_sampler::keepTopP() {
  if (sampling.top_p >= 1)
    return;
  double wanted = sampling.top_p * weigh(1);
  size_t kept = 0;
  for (double sum = 0; kept < candidates.size() && sum < wanted; ++kept)
    sum += candidates[kept].weight;
  candidates.resize(std::max<size_t>(kept, 1));
}

void modrt_sampler::keepMinP() {
  if (sampling.min_p <= 0)
    return;
  weigh(1);
  auto unlikely = [&](const Candidate &candidate) {
    return candidate.weight < sampling.min_p;
  };
  candidates.erase(
      std::find_if(candidates.begin() + 1, candidates.end(), unlikely),
      candidates.end());
}

int32_t modrt_sampler::draw() {
  double left = uniform() * weigh(sampling.temperature);
  for (const Candidate &candidate : candidates)
    if ((left -= candidate.weight) < 0)
      return candidate.token;
  return candidates.back().token;
}

modrt_status modrt_sample(modrt_sampler *sampler, const float *logits,
                          int32_t *token) {
  if (sampler->isGreedy())
    return findLikeliest(sampler->model, logits, token);
  MODRT_TRY(sampler->collect(logits));
  sampler->penalize();
  if (sampler->sampling.temperature == 0) {
    auto &candidates = sampler->candidates;
    *token = std::min_element(candidates.begin(), candidates.end(), isLikelier)
                 ->token;
    return ok();
  }
  sampler->keepTopK();
  sampler->keepTopP();
  sampler->keepMinP();
  *token = sampler->draw();
  return ok();
}

void modrt_sampler_accept(modrt_sampler *sampler, int32_t token) {
  size_t window = sampler->sampling.repetition_window;
  if (window == 0 || token < 0 || token >= sampler->model.vocab)
    return;
  if (sampler->recent.size() < window)
    sampler->recent.push_back(token);
  else
    sampler->recent[sampler->accepted % window] = token;
  ++sampler->accepted;
}

modrt_sampling modrt_sampling_defaults(void) {
  modrt_sampling sampling = {};
  sampling.temperature = 0.8;
  sampling.top_k = 40;
  sampling.top_p = 0.95;
  sampling.min_p = 0.05;
  sampling.repetition_penalty = 1;
  sampling.repetition_window = 64;
  return sampling;
}

static modrt_status check(const modrt_sampling &sampling) {
  // Written so that NaN fails.
  if (!(sampling.temperature >= 0 && std::isfinite(sampling.temperature)))
    return error(MODRT_INVALID, "temperature must be a number >= 0");
  if (sampling.top_k < 0)
    return error(MODRT_INVALID, "top-k must be >= 0");
  if (!(sampling.top_p >= 0 && sampling.top_p <= 1))
    return error(MODRT_INVALID, "top-p must be in [0, 1]");
  if (!(sampling.min_p >= 0 && sampling.min_p <= 1))
    return error(MODRT_INVALID, "min-p must be in [0, 1]");
  if (!(sampling.repetition_penalty > 0 &&
        std::isfinite(sampling.repetition_penalty)))
    return error(MODRT_INVALID, "the repetition penalty must be > 0");
  if (sampling.repetition_window < 0)
    return error(MODRT_INVALID, "the repetition window must be >= 0");
  return ok();
}

modrt_status modrt_sampler_open(const modrt_instance *instance,
                                const modrt_sampling *sampling,
                                modrt_sampler **sampler) {
  modrt_sampling chosen = sampling ? *sampling : modrt_sampling_defaults();
  MODRT_TRY(check(chosen));
  *sampler = new modrt_sampler(instance->model, chosen);
  return ok();
}

void modrt_sampler_close(modrt_sampler *sampler) { delete sampler; }
