//===- FoldNorms.cpp - Norms become factors of products ---------*- C++ -*-===//
//
// Multiplies weights by the scale of the norm before them, so that products
// read what the norm would have read.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Passes.h"

namespace mlir::mod {
#define GEN_PASS_DEF_FOLDNORMSPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FoldNormsPass : mod::impl::FoldNormsPassBase<FoldNormsPass> {
  using Base::Base;
  void runOnOperation() override;
};
} // namespace

/// Whether a value is computed from parameters and constants alone, so that
/// what is computed from it costs nothing when a program runs.
static bool isParameter(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isPure(op) && op->getNumRegions() == 0 &&
         !isa<ModDialect>(op->getDialect()) &&
         llvm::all_of(op->getOperands(), isParameter);
}

/// Why a user cannot read what the norm reads; empty where it can.
static StringRef getObstacle(OpOperand &use) {
  auto linear = dyn_cast<LinearOp>(use.getOwner());
  auto norm = use.get().getDefiningOp<RMSNormOp>();
  if (!linear || use.getOperandNumber() != 0)
    return "something else than a product reads it";
  if (linear.isPacked())
    return "a weight is packed";
  if (linear.getRowScales() || linear.getRows())
    return "a product has factors or rows already";
  if (!isParameter(linear.getWeight()) || !isParameter(norm.getScale()))
    return "a weight or the scale is not computed from parameters alone";
  if (getElementTypeOrSelf(linear.getWeight()) !=
      getElementTypeOrSelf(norm.getScale()))
    return "element types of a weight and the scale differ";
  return {};
}

static StringRef getObstacle(RMSNormOp norm) {
  if (norm.getHeads())
    return "it normalises heads apart";
  if (!norm.getResult() || norm.getInto() || norm.getResult().use_empty())
    return "it has a place already or no use";
  for (OpOperand &use : norm.getResult().getUses())
    if (StringRef obstacle = getObstacle(use); !obstacle.empty())
      return obstacle;
  return {};
}

/// `weight` with each column multiplied by its scale.
static Value scaleColumns(OpBuilder &builder, Value weight, Value scale) {
  Location loc = weight.getLoc();
  auto type = cast<RankedTensorType>(weight.getType());
  Value empty = tensor::EmptyOp::create(builder, loc, type.getShape(),
                                        type.getElementType());
  const int64_t rows = 0;
  Value scales = linalg::BroadcastOp::create(builder, loc, scale, empty, rows)
                     ->getResult(0);
  return arith::MulFOp::create(builder, loc, weight, scales);
}

/// Makes the products that read `norm` read its operand. Returns how many.
static unsigned fold(RewriterBase &rewriter, RMSNormOp norm) {
  rewriter.setInsertionPoint(norm);
  Value factors = InverseRMSOp::create(rewriter, norm.getLoc(), norm.getX(),
                                       norm.getEps().convertToDouble())
                      .getResult();
  SmallVector<Operation *> users(norm->getUsers());
  for (Operation *user : users) {
    auto linear = cast<LinearOp>(user);
    rewriter.setInsertionPoint(linear);
    Value weight = scaleColumns(rewriter, linear.getWeight(), norm.getScale());
    rewriter.modifyOpInPlace(linear, [&] {
      linear.getInputMutable().assign(norm.getX());
      linear.getWeightMutable().assign(weight);
      linear.getRowScalesMutable().assign(factors);
    });
  }
  rewriter.eraseOp(norm);
  return users.size();
}

void FoldNormsPass::runOnOperation() {
  func::FuncOp func = getOperation();
  SmallVector<RMSNormOp> norms;
  func.walk([&](RMSNormOp norm) { norms.push_back(norm); });
  IRRewriter rewriter(&getContext());
  remark::RemarkOpts opts = remark::RemarkOpts::name("FoldedNorm")
                                .category(getArgumentName())
                                .function(func.getName());
  for (RMSNormOp norm : norms) {
    Location loc = norm.getLoc();
    if (StringRef obstacle = getObstacle(norm); !obstacle.empty())
      remark::missed(loc, opts) << remark::reason("{0}", obstacle.str());
    else
      remark::passed(loc, opts)
          << remark::metric("products", fold(rewriter, norm));
  }
}
