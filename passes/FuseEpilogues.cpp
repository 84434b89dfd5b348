//===- FuseEpilogues.cpp - What follows a product joins it ------*- C++ -*-===//
//
// Gated activations, residual sums and gated scatters become clauses of the
// product whose result they read.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Elementwise.h"
#include "passes/Passes.h"

namespace mlir::mod {
#define GEN_PASS_DEF_FUSEEPILOGUESPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FuseEpiloguesPass : mod::impl::FuseEpiloguesPassBase<FuseEpiloguesPass> {
  using Base::Base;
  void runOnOperation() override;
};

/// Fuses ops of one program.
class EpilogueFuser {
public:
  EpilogueFuser(func::FuncOp program)
      : program(program), rewriter(program.getContext()) {}

  /// Fuses `op` with the product before it, if there is one.
  void visit(Operation *op);

private:
  bool fuseGlu(Operation *op);
  void fuseSum(Operation *op);
  void fuseScatter(ScatterOp op);

  /// Replaces `op` by `linear` as `change` makes it.
  void replace(Operation *op, LinearOp linear,
               function_ref<void(LinearOp)> change);
  remark::RemarkOpts remarkOpts();
  void miss(Operation *op, StringRef clause, StringRef reason);

  func::FuncOp program;
  IRRewriter rewriter;
};
} // namespace

remark::RemarkOpts EpilogueFuser::remarkOpts() {
  return remark::RemarkOpts::name("FusedEpilogue")
      .category(FuseEpiloguesPass::getArgumentName())
      .function(program.getName());
}

void EpilogueFuser::miss(Operation *op, StringRef clause, StringRef reason) {
  remark::missed(op->getLoc(), remarkOpts())
      << remark::metric("clause", clause)
      << remark::reason("{0}", reason.str());
}

/// Erases ops that nothing needs any more, from `op` upwards.
static void eraseDead(RewriterBase &rewriter, Operation *op) {
  SetVector<Operation *> worklist;
  worklist.insert(op);
  while (!worklist.empty()) {
    Operation *dead = worklist.pop_back_val();
    if (!isOpTriviallyDead(dead))
      continue;
    for (Value operand : dead->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        worklist.insert(producer);
    rewriter.eraseOp(dead);
  }
}

void EpilogueFuser::replace(Operation *op, LinearOp linear,
                            function_ref<void(LinearOp)> change) {
  rewriter.setInsertionPoint(op);
  auto fused = cast<LinearOp>(rewriter.clone(*linear));
  fused->setLoc(rewriter.getFusedLoc({linear.getLoc(), op->getLoc()}));
  change(fused);
  fused.getResult().setType(cast<RankedTensorType>(op->getResult(0).getType()));
  rewriter.replaceAllUsesWith(op->getResult(0), fused.getResult());
  eraseDead(rewriter, op);
}

//===----------------------------------------------------------------------===//
// Gated products
//===----------------------------------------------------------------------===//

/// The half of a product's outputs that `slice` takes, or nothing.
static std::optional<unsigned> getHalf(tensor::ExtractSliceOp slice) {
  auto linear = slice.getSource().getDefiningOp<LinearOp>();
  int64_t width = slice.getSourceType().getShape().back();
  if (!linear || slice.getSourceType().getRank() != 3 || width % 2 ||
      slice.getType().getRank() != 3 || slice.getStaticSizes()[2] != width / 2)
    return std::nullopt;
  std::optional<int64_t> offset =
      getConstantIntValue(slice.getMixedOffsets()[2]);
  bool isRows = isZeroInteger(slice.getMixedOffsets()[0]) &&
                isZeroInteger(slice.getMixedOffsets()[1]) &&
                slice.hasUnitStride();
  if (!offset || !isRows || (*offset != 0 && *offset != width / 2))
    return std::nullopt;
  return *offset ? 1 : 0;
}

/// `value` with its halves along the first dimension exchanged.
static Value swapHalves(OpBuilder &builder, Value value) {
  Location loc = value.getLoc();
  auto type = cast<RankedTensorType>(value.getType());
  auto sizes = getAsIndexOpFoldResult(builder.getContext(), type.getShape());
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  sizes[0] = builder.getIndexAttr(type.getDimSize(0) / 2);
  SmallVector<Value> halves;
  for (OpFoldResult offset :
       {sizes[0], OpFoldResult(builder.getIndexAttr(0))}) {
    SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0));
    offsets[0] = offset;
    halves.push_back(tensor::ExtractSliceOp::create(builder, loc, value,
                                                    offsets, sizes, strides));
  }
  return tensor::ConcatOp::create(builder, loc, /*dim=*/0, halves);
}

/// Why a gated product cannot be a clause; empty where it can.
static StringRef getObstacle(LinearOp linear, const GatedProduct &product) {
  if (linear.isPacked())
    return "the weight is packed";
  if (linear.getGlu() || linear.getAddend() || linear.getInto())
    return "the product has such a clause already";
  auto isWithin = [&](Operation *op) { return product.ops.contains(op); };
  for (Operation *slice : linear->getUsers())
    if (!isa<tensor::ExtractSliceOp>(slice) ||
        !llvm::all_of(slice->getUsers(), isWithin))
      return "the product has other uses";
  // The first op is what computes the result.
  for (Operation *op : llvm::drop_begin(product.ops))
    if (!llvm::all_of(op->getUsers(), isWithin))
      return "the product has other uses";
  return {};
}

/// The product whose halves are gate and up, and which of them the gate is.
static std::pair<LinearOp, unsigned> getHalves(const GatedProduct &product) {
  auto gate = product.gate.getDefiningOp<tensor::ExtractSliceOp>();
  auto up = product.up.getDefiningOp<tensor::ExtractSliceOp>();
  std::optional<unsigned> gateHalf = gate ? getHalf(gate) : std::nullopt;
  std::optional<unsigned> upHalf = up ? getHalf(up) : std::nullopt;
  if (!gateHalf || !upHalf || *gateHalf == *upHalf ||
      gate.getSource() != up.getSource())
    return {};
  return {gate.getSource().getDefiningOp<LinearOp>(), *gateHalf};
}

bool EpilogueFuser::fuseGlu(Operation *op) {
  std::optional<GatedProduct> product = matchGatedProduct(op->getResult(0));
  if (!product)
    return false;
  auto [linear, gateHalf] = getHalves(*product);
  StringRef obstacle = linear ? getObstacle(linear, *product)
                              : "gate and up are not the halves of one product";
  if (!obstacle.empty()) {
    miss(op, "glu", obstacle);
    return true;
  }
  remark::passed(op->getLoc(), remarkOpts()) << remark::metric("clause", "glu");
  replace(op, linear, [&, gateHalf = gateHalf](LinearOp fused) {
    fused.setGlu(Activation::silu);
    if (gateHalf == 0)
      return;
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(fused);
    fused.getWeightMutable().assign(swapHalves(rewriter, fused.getWeight()));
    if (Value bias = fused.getBias())
      fused.getBiasMutable().assign(swapHalves(rewriter, bias));
  });
  return true;
}

//===----------------------------------------------------------------------===//
// Sums and scatters
//===----------------------------------------------------------------------===//

/// The product that `value` is and that nothing else reads, or null.
static LinearOp getOnlyUsed(Value value) {
  auto linear = value.getDefiningOp<LinearOp>();
  return linear && value.hasOneUse() && !linear.getInto() ? linear : LinearOp();
}

/// Of two products the later is added to the earlier, which is there by then.
static std::pair<LinearOp, Value> getProduct(Value a, Value b) {
  LinearOp first = getOnlyUsed(a), second = getOnlyUsed(b);
  bool takesFirst =
      first && (!second || (first->getBlock() == second->getBlock() &&
                            second->isBeforeInBlock(first)));
  if (takesFirst)
    return {first, b};
  return {second, a};
}

void EpilogueFuser::fuseSum(Operation *op) {
  auto sum = matchSum(op->getResult(0));
  if (!sum)
    return;
  auto [linear, addend] = getProduct(sum->first, sum->second);
  if (linear) {
    remark::passed(op->getLoc(), remarkOpts())
        << remark::metric("clause", "accumulate");
    replace(op, linear, [addend = addend](LinearOp fused) {
      fused.setAccumulate(true);
      fused.getIntoMutable().assign(addend);
    });
  } else if (sum->first.getDefiningOp<LinearOp>() ||
             sum->second.getDefiningOp<LinearOp>()) {
    miss(op, "accumulate", "the product has other uses or a place already");
  }
}

/// The product that gives the update, and what is added to it before.
static std::pair<LinearOp, Value> getUpdate(ScatterOp scatter) {
  auto linear = scatter.getUpdate().getDefiningOp<LinearOp>();
  if (!linear || !linear.getResult().hasOneUse() || linear.getGate() ||
      linear.getIndices() || (linear.getInto() && !linear.getAccumulate()) ||
      (linear.getInto() && linear.getAddend()))
    return {};
  return {linear, linear.getInto() ? linear.getInto() : linear.getAddend()};
}

void EpilogueFuser::fuseScatter(ScatterOp op) {
  auto [linear, addend] = getUpdate(op);
  if (!op.getResult())
    return;
  if (!linear)
    return miss(op, "scatter",
                "the update is not a product of its own without a gate");
  remark::passed(op.getLoc(), remarkOpts())
      << remark::metric("clause", "scatter");
  replace(op, linear, [&, addend = addend](LinearOp fused) {
    fused.setAccumulate(!op.getReplace());
    if (addend)
      fused.getAddendMutable().assign(addend);
    fused.getIntoMutable().assign(op.getX());
    if (op.getIndices())
      fused.getIndicesMutable().assign(op.getIndices());
    fused.setGateAttr(op.getGate());
    fused.getScoresMutable().assign(op.getScores());
  });
}

void EpilogueFuser::visit(Operation *op) {
  if (auto scatter = dyn_cast<ScatterOp>(op))
    return fuseScatter(scatter);
  if (!fuseGlu(op))
    fuseSum(op);
}

void FuseEpiloguesPass::runOnOperation() {
  SmallVector<Operation *> ops;
  getOperation().walk([&](Operation *op) {
    if (op->getNumResults() == 1 &&
        isa<RankedTensorType>(op->getResult(0).getType()))
      ops.push_back(op);
  });
  // In order: later ops see what earlier ones have become.
  EpilogueFuser fuser(getOperation());
  for (Operation *op : ops)
    fuser.visit(op);
}
