//===- Sampler.cpp - Choosing tokens --------------------------------------===//
//
// Weights are integers, so that the choice depends neither on whose exp() it is
// nor on the order of sums: kernels of GPUs (codegen/nvptx/Sample.cpp) choose
// the same.
//
//===----------------------------------------------------------------------===//

#include "runtime/Sampler.h"

#include "runtime/Instance.h"
#include "runtime/TokenWeights.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

using namespace modrt;

/// The weight of a token whose logit is `below` the largest.
static uint64_t getWeight(float below, float scale) {
  float bits = below * scale;
  if (!(bits < weightBits))
    return 0;
  auto distance = static_cast<uint32_t>(bits * (1 << distanceBits));
  uint64_t fraction = distance << (32 - distanceBits), power = 0;
  for (auto term = powerSeries.rbegin(); term != powerSeries.rend(); ++term)
    power = fraction * (*term - power) >> 32;
  uint64_t one = ((uint64_t(1) << 32) - power) << (weightBits - 32);
  return one >> (distance >> distanceBits);
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

modrt_choice modrt::chooseLikeliest() {
  modrt_choice choice = {};
  choice.top_k = choice.top_p = choice.penalty = 1;
  choice.scale = log2e;
  std::fill(std::begin(choice.recent), std::end(choice.recent), -1);
  return choice;
}

bool modrt_sampler::fitsChoice() const {
  return sampling.repetition_penalty == 1 ||
         std::min(sampling.repetition_window, model.context) <=
             MODRT_CHOICE_TOKENS;
}

modrt_choice modrt_sampler::choose() {
  modrt_choice choice = chooseLikeliest();
  choice.penalty = sampling.repetition_penalty;
  if (choice.penalty != 1) {
    findDistinct();
    size_t count = std::min<size_t>(distinct.size(), MODRT_CHOICE_TOKENS);
    std::copy_n(distinct.begin(), count, choice.recent);
  }
  if (sampling.temperature == 0)
    return choice;
  bool keepsAll = sampling.top_k == 0 || sampling.top_k > model.vocab;
  choice.top_k = static_cast<double>(keepsAll ? model.vocab : sampling.top_k);
  choice.top_p = sampling.top_p;
  choice.min_weight = std::ceil(std::ldexp(sampling.min_p, weightBits));
  double scale = static_cast<double>(log2e) / sampling.temperature;
  choice.scale = static_cast<float>(std::min<double>(scale, FLT_MAX));
  choice.draw = uniform();
  return choice;
}

modrt_status modrt_sampler::collect(const float *logits) {
  int32_t likeliest;
  MODRT_TRY(findLikeliest(model, logits, &likeliest));
  candidates.resize(model.vocab);
  for (int32_t token = 0; token < model.vocab; ++token)
    candidates[token] = {logits[token], token, 0};
  return ok();
}

/// Tokens are penalized once, however often they came.
void modrt_sampler::findDistinct() {
  distinct.assign(recent.begin(), recent.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
}

/// Candidates are still in the order of their tokens.
void modrt_sampler::penalize(double penalty) {
  if (penalty == 1)
    return;
  for (int32_t token : distinct) {
    double logit = candidates[token].logit;
    candidates[token].logit =
        static_cast<float>(logit > 0 ? logit / penalty : logit * penalty);
  }
}

void modrt_sampler::keepTopK(double topK) {
  auto k = static_cast<size_t>(topK);
  if (k < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + k,
                     candidates.end(), isLikelier);
    candidates.resize(k);
  }
  std::sort(candidates.begin(), candidates.end(), isLikelier);
}

/// Sets the candidates' weights; returns their sum.
uint64_t modrt_sampler::weigh(float scale) {
  uint64_t sum = 0;
  for (Candidate &candidate : candidates) {
    candidate.weight =
        getWeight(candidates.front().logit - candidate.logit, scale);
    sum += candidate.weight;
  }
  return sum;
}

/// How many of the likeliest candidates have a share of the sum of weights.
size_t modrt_sampler::reach(double share, uint64_t sum) const {
  auto goal = static_cast<uint64_t>(share * static_cast<double>(sum));
  goal = std::clamp<uint64_t>(goal, 1, sum);
  size_t count = 0;
  for (uint64_t reached = 0; reached < goal; ++count)
    reached += candidates[count].weight;
  return count;
}

void modrt_sampler::keepTopP(double topP) {
  if (topP < 1)
    candidates.resize(reach(topP, weigh(log2e)));
}

void modrt_sampler::keepMinP(double minWeight) {
  if (minWeight <= 0)
    return;
  weigh(log2e);
  auto isUnlikely = [&](const Candidate &candidate) {
    return static_cast<double>(candidate.weight) < minWeight;
  };
  candidates.erase(
      std::remove_if(candidates.begin(), candidates.end(), isUnlikely),
      candidates.end());
}

modrt_status modrt_sample(modrt_sampler *sampler, const float *logits,
                          int32_t *token) {
  if (sampler->isGreedy())
    return findLikeliest(sampler->model, logits, token);
  MODRT_TRY(sampler->collect(logits));
  modrt_choice choice = sampler->choose();
  sampler->penalize(choice.penalty);
  sampler->keepTopK(choice.top_k);
  auto &candidates = sampler->candidates;
  if (!std::isfinite(candidates.front().logit))
    return error(MODRT_INVALID, "no token has a finite logit");
  sampler->keepTopP(choice.top_p);
  sampler->keepMinP(choice.min_weight);
  uint64_t sum = sampler->weigh(static_cast<float>(choice.scale));
  *token = candidates[sampler->reach(choice.draw, sum) - 1].token;
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
  if (instance->model.vocab > maxWeighted)
    return error(MODRT_UNSUPPORTED,
                 "sampling among %lld tokens, where %lld are possible",
                 static_cast<long long>(instance->model.vocab),
                 static_cast<long long>(maxWeighted));
  *sampler = new modrt_sampler(instance->model, chosen);
  return ok();
}

void modrt_sampler_close(modrt_sampler *sampler) { delete sampler; }
