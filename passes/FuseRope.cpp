//===- FuseRope.cpp - Rotate keys on their way to a cache -----------------===//
//
// Moves rotations of keys into the ops that write them to caches.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/IR/Remarks.h"
#include "passes/Passes.h"

namespace mlir::mod {
#define GEN_PASS_DEF_FUSEROPEPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FuseRopePass : mod::impl::FuseRopePassBase<FuseRopePass> {
  void runOnOperation() override;
};
} // namespace

/// Why an append cannot rotate its keys; empty where it can.
static StringRef getObstacle(CacheAppendOp append) {
  if (append.getPositions())
    return "keys are rotated already";
  auto rope = append.getKey().getDefiningOp<RopeOp>();
  if (!rope)
    return "keys are not rotated";
  if (rope.getInto())
    return "rotated keys have a place of their own";
  return {};
}

static void fuse(CacheAppendOp append) {
  auto rope = append.getKey().getDefiningOp<RopeOp>();
  append.getKeyMutable().assign(rope.getX());
  append.getPositionsMutable().assign(rope.getPositions());
  append.setHeadsAttr(rope.getHeadsAttr());
  append.setThetaAttr(rope.getThetaAttr());
  append.setScalingAttr(rope.getScalingAttr());
  if (rope->use_empty())
    rope.erase();
}

void FuseRopePass::runOnOperation() {
  remark::RemarkOpts options = remark::RemarkOpts::name("RotatedAppend")
                                   .category("mod-fuse-rope")
                                   .function(getOperation().getName());
  getOperation().walk([&](CacheAppendOp append) {
    if (StringRef obstacle = getObstacle(append); !obstacle.empty()) {
      remark::missed(append.getLoc(), options)
          << remark::reason("{0}", obstacle.str());
      return;
    }
    fuse(append);
    remark::passed(append.getLoc(), options)
        << remark::metric("heads", *append.getHeads());
  });
}
