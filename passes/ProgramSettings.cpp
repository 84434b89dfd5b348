//===- ProgramSettings.cpp - What programs are to be like -------*- C++ -*-===//
//
// Refuses options that are no such thing and those that do not go together.
//
//===----------------------------------------------------------------------===//

#include "passes/ProgramSettings.h"

using namespace mlir;
using namespace mlir::mod;

/// The causal clause that an option asks for; failure where it is none.
static FailureOr<std::optional<Causal>> parseRouting(func::FuncOp model,
                                                     StringRef text) {
  std::optional<Causal> causal = symbolizeCausal(text);
  if (!text.empty() && !causal)
    return model.emitOpError("decode-routing '")
           << text << "' is not predictor, router or always";
  return causal;
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
  return model.emitOpError("kv-dtype '") << text << "' is not f32 or bf16";
}

/// A bypass sees the tokens that are not selected, but not those that find a
/// cache full. All tokens have keys where a block attends to all.
static LogicalResult checkKVTokens(func::FuncOp model, int64_t kvTokens) {
  if (kvTokens < 0)
    return model.emitOpError("kv-tokens ") << kvTokens << " is negative";
  if (kvTokens == 0)
    return success();
  WalkResult result = model.walk([&](Operation *op) {
    auto routed = dyn_cast<RoutedOp>(op);
    auto attention = dyn_cast<AttentionOp>(op);
    if (routed && !routed.getBypass().empty())
      routed.emitOpError("has a bypass, expected none with kv-tokens");
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
ProgramSettings::get(func::FuncOp model, StringRef routing, StringRef kvDtype,
                     int64_t kvTokens, int64_t batch) {
  auto causal = parseRouting(model, routing);
  auto cacheType = parseCacheType(model, kvDtype);
  if (failed(causal) || failed(cacheType) ||
      failed(checkKVTokens(model, kvTokens)) ||
      failed(checkBatch(model, batch, kvTokens)))
    return failure();
  return ProgramSettings{*causal, *cacheType, kvTokens, batch};
}
