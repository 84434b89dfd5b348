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

/// `x / (1 + exp(-x))` of each element.
static Value createSilu(OpBuilder &builder, Location loc, Value x) {
  Type element = getElementTypeOrSelf(x);
  Value init =
      tensor::EmptyOp::create(builder, loc, getSizes(builder, loc, x), element);
  Value one = arith::ConstantOp::create(builder, loc,
                                        builder.getFloatAttr(element, 1.0));
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    Value negated = arith::NegFOp::create(b, loc, args[0]);
    Value exp = math::ExpOp::create(b, loc, negated);
    Value denominator = arith::AddFOp::create(b, loc, exp, one);
    Value silu = arith::DivFOp::create(b, loc, args[0], denominator);
    linalg::YieldOp::create(b, loc, silu);
  };
  return linalg::MapOp::create(builder, loc, x, init, body)->getResult(0);
}

static void expand(RewriterBase &rewriter, PredictorOp op) {
  Location loc = op.getLoc();
  rewriter.setInsertionPoint(op);
  Value hidden = LinearOp::create(rewriter, loc, op.getX(), op.getDownWeight(),
                                  op.getDownBias())
                     .getResult();
  rewriter.replaceOpWithNewOp<RouterOp>(op, createSilu(rewriter, loc, hidden),
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
