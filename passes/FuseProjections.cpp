//===- FuseProjections.cpp - One product for linears of one value *- C++ -*-==//
//
// Fuses linears that read the same value into one over joined weights.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/Passes.h"
#include "passes/Sizes.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::mod {
#define GEN_PASS_DEF_FUSEPROJECTIONSPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FuseProjectionsPass
    : mod::impl::FuseProjectionsPassBase<FuseProjectionsPass> {
  using Base::Base;
  void runOnOperation() override;
};

using Group = SmallVector<LinearOp>;
} // namespace

static Type getElementType(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
}

static SmallVector<Value> getWeights(ArrayRef<LinearOp> group) {
  return llvm::map_to_vector(group, [](LinearOp op) { return op.getWeight(); });
}

static SmallVector<Value> getBiases(ArrayRef<LinearOp> group) {
  LinearOp first = group.front();
  if (!first.getBias())
    return {};
  return llvm::map_to_vector(group, [](LinearOp op) { return op.getBias(); });
}

/// Why linears of one value cannot be one product; empty where they can.
static StringRef getObstacle(ArrayRef<LinearOp> group) {
  LinearOp first = group.front();
  for (LinearOp op : group) {
    if (op.isPacked())
      return "a weight is packed";
    if (op.getInto())
      return "a result has its place already";
    if (getElementType(op.getWeight()) != getElementType(first.getWeight()) ||
        getElementType(op.getResult()) != getElementType(first.getResult()))
      return "element types differ";
    if (bool(op.getBias()) != bool(first.getBias()))
      return "some have a bias, others none";
    if (op.getBias() &&
        getElementType(op.getBias()) != getElementType(first.getBias()))
      return "element types of biases differ";
  }
  return {};
}

/// The rows `[offset, offset + size)` of the fused outputs.
static Value sliceOutputs(OpBuilder &builder, Location loc, Value fused,
                          int64_t offset, int64_t size) {
  SmallVector<OpFoldResult> sizes = getSizes(builder, loc, fused);
  SmallVector<OpFoldResult> offsets(3, builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(3, builder.getIndexAttr(1));
  offsets[2] = builder.getIndexAttr(offset);
  sizes[2] = builder.getIndexAttr(size);
  return tensor::ExtractSliceOp::create(builder, loc, fused, offsets, sizes,
                                        strides);
}

static Value joinRows(OpBuilder &builder, Location loc, ValueRange values) {
  if (values.empty())
    return {};
  return tensor::ConcatOp::create(builder, loc, /*dim=*/0, values);
}

static void fuse(RewriterBase &rewriter, ArrayRef<LinearOp> group) {
  SmallVector<Location> locs =
      llvm::map_to_vector(group, [](LinearOp op) { return op.getLoc(); });
  Location loc = rewriter.getFusedLoc(locs);
  LinearOp first = group.front();
  rewriter.setInsertionPoint(first);
  Value weight = joinRows(rewriter, loc, getWeights(group));
  Value bias = joinRows(rewriter, loc, getBiases(group));
  Value fused = LinearOp::create(rewriter, loc, first.getInput(), weight, bias)
                    .getResult();
  int64_t offset = 0;
  for (LinearOp op : group) {
    int64_t size = op.getNumOutputs();
    rewriter.replaceOp(
        op, sliceOutputs(rewriter, op.getLoc(), fused, offset, size));
    offset += size;
  }
}

/// Fuses a group or says in a remark why not.
static void visitGroup(RewriterBase &rewriter, ArrayRef<LinearOp> group,
                       DominanceInfo &dominance) {
  LinearOp first = group.front();
  auto func = first->getParentOfType<func::FuncOp>();
  remark::RemarkOpts opts = remark::RemarkOpts::name("FusedLinears")
                                .category("mod-fuse-projections")
                                .function(func.getName());
  StringRef obstacle = getObstacle(group);
  if (obstacle.empty()) {
    SmallVector<Value> parameters = getWeights(group);
    llvm::append_range(parameters, getBiases(group));
    if (failed(moveValueDefinitions(rewriter, parameters, first, dominance)))
      obstacle = "a weight is computed after the first product";
  }
  if (!obstacle.empty()) {
    remark::missed(first.getLoc(), opts)
        << remark::metric("linears", group.size())
        << remark::reason("{0}", obstacle.str());
    return;
  }
  int64_t outputs = 0;
  for (LinearOp op : group)
    outputs += op.getNumOutputs();
  remark::passed(first.getLoc(), opts)
      << remark::metric("linears", group.size())
      << remark::metric("outputs", outputs);
  fuse(rewriter, group);
}

void FuseProjectionsPass::runOnOperation() {
  llvm::MapVector<std::pair<Value, Block *>, Group> groups;
  getOperation().walk([&](LinearOp op) {
    groups[{op.getInput(), op->getBlock()}].push_back(op);
  });
  IRRewriter rewriter(&getContext());
  DominanceInfo dominance(getOperation());
  for (auto &[key, group] : groups)
    if (group.size() > 1)
      visitGroup(rewriter, group, dominance);
}
