//===- Agreement.cpp - Causal routing against top-k -----------------------===//
//
// Writes the comparison for programs and for people.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Agreement.h"

#include <cstdio>

using namespace modrt;

void Agreement::addTo(Json &json) const {
  json.member("accuracy", accuracy())
      .member("f1", f1())
      .member("share_top_k", shareTopK())
      .member("share_causal", shareCausal())
      .member("beyond_capacity", beyond)
      .member("bypassed", bypassed);
}

void modrt::printAgreement(const modrt_model &model,
                           const std::vector<Agreement> &layers) {
  if (layers.empty())
    return;
  printf("\nrouted layer   causal = top-k      F1   top-k   causal   beyond "
         "capacity   bypassed\n");
  for (size_t i = 0; i < layers.size(); ++i)
    printf("%12lld %15.2f %% %7.4f %5.1f %% %6.1f %% %17lld %10lld\n",
           static_cast<long long>(model.blocks[i + 1].layer),
           100 * layers[i].accuracy(), layers[i].f1(),
           100 * layers[i].shareTopK(), 100 * layers[i].shareCausal(),
           static_cast<long long>(layers[i].beyond),
           static_cast<long long>(layers[i].bypassed));
}
