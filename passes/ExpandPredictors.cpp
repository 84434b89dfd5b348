//===- ExpandPredictors.cpp - Predictors become products --------*- C++ -*-===//
//
// Says mod.predictor with the ops whose kernels are fast.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Remarks.h"
#include "passes/Elementwise.h"
#include "passes/Passes.h"
#include "passes/Sizes.h"

namespace mlir::mod {
#define GEN_PASS_DEF_EXPANDPREDICTORSPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct ExpandPredictorsPass
    : mod::impl::ExpandPredictorsPassBase<ExpandPredictorsPass> {
  using Base::Base;
  void runOnOperation() override;
};
} // namespace

static void expand(RewriterBase &rewriter, PredictorOp op) {
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Value hidden = LinearOp::create(rewriter, loc, op.getX(), op.getDownWeight(),
                                  op.getDownBias())
                     .getResult();
  Value init =
      tensor::EmptyOp::create(rewriter, loc, getSizes(rewriter, loc, hidden),
                              getElementTypeOrSelf(hidden));
  rewriter.replaceOpWithNewOp<RouterOp>(op,
                                        createSilu(rewriter, loc, hidden, init),
                                        op.getUpWeight(), op.getUpBias());
}

void ExpandPredictorsPass::runOnOperation() {
  func::FuncOp program = getOperation();
  SmallVector<PredictorOp> predictors;
  program.walk([&](PredictorOp op) { predictors.push_back(op); });
  IRRewriter rewriter(&getContext());
  for (PredictorOp op : predictors) {
    remark::RemarkOpts opts = remark::RemarkOpts::name("ExpandedPredictor")
                                  .category(getArgumentName())
                                  .function(program.getName());
    if (!op.getResult() || op.getInto()) {
      remark::missed(op.getLoc(), opts)
          << remark::reason("it has a place already");
      continue;
    }
    auto down = cast<ShapedType>(op.getDownWeight().getType());
    remark::passed(op.getLoc(), opts)
        << remark::metric("hidden", down.getDimSize(0));
    expand(rewriter, op);
  }
}
