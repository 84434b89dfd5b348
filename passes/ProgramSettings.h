//===- ProgramSettings.h - What programs are to be like ---------*- C++ -*-===//
//
// The options of mod-derive-programs, read and checked.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_PROGRAMSETTINGS_H
#define MOD_PASSES_PROGRAMSETTINGS_H

#include "dialect/ModOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::mod {

struct ProgramSettings {
  std::optional<Causal> routing;  // of every routed block; none: as written
  std::optional<Prefill> prefill; // the same of prompts
  Type cacheType;                 // of caches; null: as computed
  int64_t kvTokens; // most tokens in a cache of a routed block; 0: a context
  int64_t batch;    // most sequences of decode_batch

  /// What options ask for; failure where they cannot be had of the model.
  static FailureOr<ProgramSettings> get(func::FuncOp model, StringRef routing,
                                        StringRef prefill, StringRef kvDtype,
                                        int64_t kvTokens, int64_t batch);

  /// Makes routed blocks say what options ask for, and the module's
  /// `mod.routing` how each routes prompts and single tokens.
  LogicalResult settleRouting(func::FuncOp model) const;
};

/// Removes what a routed block does not ask any more: the predictor's logits,
/// a threshold.
void dropUnusedClauses(RoutedOp routed);

} // namespace mlir::mod

#endif // MOD_PASSES_PROGRAMSETTINGS_H
