//===- ProgramSettings.cpp - What programs are to be like -------*- C++ -*-===//
//
// Refuses options that are no such thing and those that do not go together, and
// makes routed blocks say what the others ask for.
//
//===----------------------------------------------------------------------===//

#include "passes/ProgramSettings.h"
#include "mlir/IR/Remarks.h"
#include "passes/Model.h"

using namespace mlir;
using namespace mlir::mod;

/// The clause that an option asks for, if it does; failure where it is none.
template <typename Clause>
static FailureOr<std::optional<Clause>>
parseClause(func::FuncOp model, StringRef option, StringRef text,
            StringRef expected) {
  std::optional<Clause> clause = symbolizeEnum<Clause>(text);
  if (!text.empty() && !clause)
    return model.emitOpError()
           << option << " '" << text << "' is not " << expected;
  return clause;
}

/// The type of a session's caches that an option asks for, null where it asks
/// for none; failure where it is none.
static FailureOr<Type> parseCacheType(func::FuncOp model, StringRef text) {
  Builder builder(model.getContext());
  if (text.empty())
    return Type();
  if (text == "f32")
    return Type(builder.getF32Type());
  if (text == "bf16")
    return Type(builder.getBF16Type());
  if (text == "f16")
    return Type(builder.getF16Type());
  return model.emitOpError("kv-dtype '") << text << "' is not f32, bf16 or f16";
}

/// A bypass sees the tokens that are not selected, but not those that find a
/// cache full. All tokens have keys where a block attends to all. Top-k may
/// choose whom the predicate does not, so that nothing tells who found no room.
static LogicalResult checkKVTokens(func::FuncOp model, int64_t kvTokens,
                                   std::optional<Prefill> prefill) {
  if (kvTokens < 0)
    return model.emitOpError("kv-tokens ") << kvTokens << " is negative";
  if (kvTokens == 0)
    return success();
  WalkResult result = model.walk([&](Operation *op) {
    auto routed = dyn_cast<RoutedOp>(op);
    auto attention = dyn_cast<AttentionOp>(op);
    if (routed && !routed.getBypass().empty())
      routed.emitOpError("has a bypass, expected none with kv-tokens");
    else if (routed &&
             prefill.value_or(routed.getPrefillRouting()) == Prefill::top_k)
      routed.emitOpError("routes prompts by top_k, expected a causal predicate "
                         "with kv-tokens");
    else if (attention && attention.getPositions())
      attention.emitOpError("sees all tokens, expected those of the block with "
                            "kv-tokens");
    else
      return WalkResult::advance();
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

static LogicalResult checkBatch(func::FuncOp model, int64_t batch,
                                int64_t kvTokens) {
  if (batch < 1)
    return model.emitOpError("batch ") << batch << " is not positive";
  if (batch > 1 && kvTokens > 0)
    return model.emitOpError("has kv-tokens, expected none with a batch of ")
           << batch;
  return success();
}

FailureOr<ProgramSettings>
ProgramSettings::get(func::FuncOp model, StringRef routing, StringRef prefill,
                     StringRef kvDtype, int64_t kvTokens, int64_t batch) {
  auto causal = parseClause<Causal>(model, "decode-routing", routing,
                                    "predictor, router or always");
  auto ofPrompts = parseClause<Prefill>(model, "prefill-routing", prefill,
                                        "top_k, predictor, router or always");
  auto cacheType = parseCacheType(model, kvDtype);
  if (failed(causal) || failed(ofPrompts) || failed(cacheType) ||
      failed(checkKVTokens(model, kvTokens, *ofPrompts)) ||
      failed(checkBatch(model, batch, kvTokens)))
    return failure();
  return ProgramSettings{*causal, *ofPrompts, *cacheType, kvTokens, batch};
}

void mod::dropUnusedClauses(RoutedOp routed) {
  if (!routed.routesBy(Causal::predictor))
    routed.getLogitsMutable().clear();
  if (!routed.usesThreshold())
    routed.removeThresholdAttr();
}

/// Makes a routed block say what options ask for.
static LogicalResult overrideRouting(RoutedOp routed,
                                     const ProgramSettings &settings) {
  auto check = [&](bool isPredicted, StringRef option) -> LogicalResult {
    if (!isPredicted || routed.getLogits())
      return success();
    return routed.emitOpError("has no predictor: ")
           << option << "=predictor needs one";
  };
  if (failed(check(settings.routing == Causal::predictor, "decode-routing")) ||
      failed(check(settings.prefill == Prefill::predictor, "prefill-routing")))
    return failure();
  if (settings.prefill && routed.getScores().getDefiningOp<PoolOp>())
    return routed.emitOpError("is routed by what its prompt says of the "
                              "sequence: expected no prefill-routing");
  if (settings.prefill == Prefill::top_k &&
      routed.getSelection() == Selection::causal)
    return routed.emitOpError("selects each token by itself: expected no "
                              "prefill-routing=top_k");
  if (settings.routing)
    routed.setCausal(*settings.routing);
  if (settings.prefill)
    routed.setPrefill(*settings.prefill);
  dropUnusedClauses(routed);
  return success();
}

/// How each routed block routes prompts, and single tokens.
LogicalResult ProgramSettings::settleRouting(func::FuncOp model) const {
  Builder builder(model.getContext());
  SmallVector<Attribute> all;
  for (RoutedOp routed : getRoutedOps(model)) {
    if (failed(overrideRouting(routed, *this)))
      return failure();
    StringRef prefill = stringifyPrefill(routed.getPrefillRouting());
    StringRef decode = stringifyCausal(routed.getCausal());
    all.push_back(builder.getStrArrayAttr({prefill, decode}));
    if (prefill == decode)
      continue;
    remark::analysis(routed.getLoc(), remark::RemarkOpts::name("PrefillRouting")
                                          .category("mod-derive-programs")
                                          .function(model.getName()))
        << remark::metric("prefill", prefill)
        << remark::metric("decode", decode)
        << remark::reason("prompts are routed otherwise than single tokens");
  }
  model->getParentOp()->setAttr("mod.routing", builder.getArrayAttr(all));
  return success();
}
