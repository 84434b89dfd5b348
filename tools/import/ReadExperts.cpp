//===- ReadExperts.cpp - Mixtures of experts --------------------*- C++ -*-===//
//
// Mixtral's keys and the `moe` object.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Readers.h"

using namespace mlir;
using namespace mlir::mod;

/// Experts choose the tokens, as many as if each token chose `top`.
static void readExpertChoice(ObjectReader &moe, const Config &config,
                             ExpertsConfig &experts) {
  double even = 1.0 / double(experts.experts + experts.noops);
  experts.capacity = std::min(1.0, double(*experts.top) * even);
  experts.top.reset();
  if (moe.has("capacity"))
    for (const ObjectReader::Element &element : moe.getElements("capacity"))
      experts.capacity = readCapacity(moe, element, config.context);
  experts.least = moe.getFinite("threshold", even);
  if (experts.gate == GateKind::softmax_topk)
    moe.error("gate", "'softmax_topk' is of token_choice");
}

static void readMixture(ObjectReader &moe, const Config &config,
                        ExpertsConfig &experts) {
  moe.allowOnly({"routing", "gate", "noop_experts", "capacity", "threshold"});
  experts.noops = moe.getNatural("noop_experts", 0);
  bool byExperts = moe.getChoice("routing", {"token_choice", "expert_choice"},
                                 "token_choice") == "expert_choice";
  experts.gate = *symbolizeGateKind(
      moe.getChoice("gate", {"softmax_topk", "softmax", "sigmoid", "none"},
                    byExperts ? "softmax" : "softmax_topk"));
  if (byExperts)
    return readExpertChoice(moe, config, experts);
  if (moe.has("threshold"))
    moe.error("threshold", "is of expert_choice");
  if (moe.has("capacity"))
    for (const ObjectReader::Element &element : moe.getElements("capacity"))
      experts.capacity = readCapacity(moe, element, config.context);
}

/// Mixtral's keys, and the `moe` object for other mixtures.
void mod::readExperts(ObjectReader &root, Family family, Config &config) {
  if (family != Family::mixtral)
    return;
  // Each expert is a region of its own.
  constexpr int64_t kMaxExperts = 1 << 10;
  ExpertsConfig experts;
  experts.experts = root.getCount("num_local_experts", 8, kMaxExperts);
  experts.top = root.getCount("num_experts_per_tok", 2, kMaxExperts);
  if (root.has("moe")) {
    ObjectReader moe = root.getObject("moe");
    readMixture(moe, config, experts);
  }
  int64_t choices = experts.experts + experts.noops;
  if (experts.top.value_or(0) > choices)
    root.error("num_experts_per_tok",
               "must be at most the number of choices (" + Twine(choices) +
                   "), not " + Twine(*experts.top));
  config.experts = experts;
}
