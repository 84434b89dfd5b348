//===- Agreement.h - Causal routing against top-k --------------*- C++ -*-===//
//
// How often what routes causally chooses the tokens that top-k does.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_AGREEMENT_H
#define RUNTIME_CLI_AGREEMENT_H

#include "runtime/cli/Json.h"
#include "runtime/modrt.h"

#include <algorithm>
#include <vector>

namespace modrt {

/// How the causal choice of one layer compares with top-k.
struct Agreement {
  int64_t both = 0, topKOnly = 0, causalOnly = 0, neither = 0;
  int64_t routedCausally = 0; // by the program that routes so
  int64_t beyond = 0;         // of these, more than top-k would have taken
  int64_t bypassed = 0;       // chosen causally, but the caches were full

  void count(bool topK, bool causal) {
    ++(causal ? topK ? both : causalOnly : topK ? topKOnly : neither);
  }
  int64_t tokens() const { return both + topKOnly + causalOnly + neither; }
  double share(int64_t count) const {
    return static_cast<double>(count) / std::max<int64_t>(tokens(), 1);
  }
  double accuracy() const { return share(both + neither); }
  double f1() const {
    int64_t positives = 2 * both + topKOnly + causalOnly;
    return positives ? 2.0 * both / positives : 1.0;
  }
  double shareTopK() const { return share(both + topKOnly); }
  double shareCausal() const { return share(routedCausally); }
  /// Members of the object that `json` is in.
  void addTo(Json &json) const;
};

/// One line for each routed layer; nothing where there are none.
void printAgreement(const modrt_model &model,
                    const std::vector<Agreement> &layers);

} // namespace modrt

#endif // RUNTIME_CLI_AGREEMENT_H
