//===- DerivePrograms.cpp - Make forward, prefill and decode ----*- C++ -*-===//
//
// Clones the static model three times: for a whole window, for a prompt into
// caches, and for one token after others.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "passes/Passes.h"
#include "passes/ProgramCloner.h"

namespace mlir::mod {
#define GEN_PASS_DEF_DERIVEPROGRAMSPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct DeriveProgramsPass
    : mod::impl::DeriveProgramsPassBase<DeriveProgramsPass> {
  using Base::Base;
  void runOnOperation() override;
};
} // namespace

static LogicalResult checkModel(func::FuncOp model) {
  auto tokens = cast<RankedTensorType>(model.getArgumentTypes()[0]);
  if (!tokens.hasStaticShape())
    return model.emitOpError("has tokens of unknown shape ")
           << tokens << ": programs are derived after mod-specialize";
  if (tokens.getDimSize(0) != 1)
    return model.emitOpError("batch of ")
           << tokens.getDimSize(0) << " is not supported by programs";
  return success();
}

void DeriveProgramsPass::runOnOperation() {
  FailureOr<func::FuncOp> model = getForward(getOperation());
  if (failed(model) || failed(checkModel(*model)))
    return signalPassFailure();
  FailureOr<ProgramSettings> settings = ProgramSettings::get(
      *model, decodeRouting, prefillRouting, kvDtype, kvTokens, batch);
  if (failed(settings) || failed(settings->settleRouting(*model)))
    return signalPassFailure();
  OpBuilder builder(&getContext());
  SmallVector<Program> programs = {Program::forward, Program::prefill,
                                   Program::decode};
  if (batch > 1) {
    programs.push_back(Program::decodeBatch);
    getOperation()->setAttr("mod.batch", builder.getI64IntegerAttr(batch));
  }
  for (Program kind : programs)
    if (failed(ProgramCloner(builder, *model, kind, *settings).run()))
      return signalPassFailure();
  model->erase();
}
