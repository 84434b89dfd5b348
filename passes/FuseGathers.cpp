//===- FuseGathers.cpp - Products read rows where they are ------*- C++ -*-===//
//
// Gathers that only products and norms read become their `rows` clause.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "passes/Passes.h"

namespace mlir::mod {
#define GEN_PASS_DEF_FUSEGATHERSPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FuseGathersPass : mod::impl::FuseGathersPassBase<FuseGathersPass> {
  using Base::Base;
  void runOnOperation() override;
};
} // namespace

/// Whether a use may read rows of what the gather reads.
static bool canRead(OpOperand &use) {
  if (use.getOperandNumber() != 0)
    return false;
  if (auto linear = dyn_cast<LinearOp>(use.getOwner()))
    return !linear.getRows();
  auto inverse = dyn_cast<InverseRMSOp>(use.getOwner());
  return inverse && !inverse.getRows();
}

/// Why a gather must be made; empty where it need not.
static StringRef getObstacle(GatherOp gather) {
  if (!gather.getResult() || gather.getInto())
    return "it has a place already";
  if (gather.getResult().use_empty())
    return "it has no use";
  if (!llvm::all_of(gather.getResult().getUses(), canRead))
    return "something else than products and norms reads it";
  return {};
}

/// Makes the users of `gather` read its rows. Returns how many there are.
static unsigned fuse(RewriterBase &rewriter, GatherOp gather) {
  SmallVector<Operation *> users(gather->getUsers());
  for (Operation *user : users)
    rewriter.modifyOpInPlace(user, [&] {
      if (auto linear = dyn_cast<LinearOp>(user)) {
        linear.getInputMutable().assign(gather.getX());
        linear.getRowsMutable().assign(gather.getIndices());
      } else {
        auto inverse = cast<InverseRMSOp>(user);
        inverse.getXMutable().assign(gather.getX());
        inverse.getRowsMutable().assign(gather.getIndices());
      }
    });
  rewriter.eraseOp(gather);
  return users.size();
}

void FuseGathersPass::runOnOperation() {
  func::FuncOp program = getOperation();
  SmallVector<GatherOp> gathers;
  program.walk([&](GatherOp gather) {
    // Positions and scores are no rows of a product.
    if (cast<ShapedType>(gather.getX().getType()).getRank() == 3)
      gathers.push_back(gather);
  });
  IRRewriter rewriter(&getContext());
  remark::RemarkOpts opts = remark::RemarkOpts::name("FusedGather")
                                .category(getArgumentName())
                                .function(program.getName());
  for (GatherOp gather : gathers) {
    Location loc = gather.getLoc();
    if (StringRef obstacle = getObstacle(gather); !obstacle.empty())
      remark::missed(loc, opts) << remark::reason("{0}", obstacle.str());
    else
      remark::passed(loc, opts)
          << remark::metric("readers", fuse(rewriter, gather));
  }
}
