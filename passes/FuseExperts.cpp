//===- FuseExperts.cpp - Make mixtures of experts explicit ------*- C++ -*-===//
//
// Each expert becomes a selection of its tokens, products over these rows alone
// and a scatter, or a branch.
//
//===----------------------------------------------------------------------===//

#include "dialect/Programs.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "passes/Elementwise.h"
#include "passes/Passes.h"
#include "passes/Sizes.h"

namespace mlir::mod {
#define GEN_PASS_DEF_FUSEEXPERTSPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FuseExpertsPass : mod::impl::FuseExpertsPassBase<FuseExpertsPass> {
  using Base::Base;
  void runOnOperation() override;
};

/// Makes one mixture explicit.
class ExpertFuser {
public:
  ExpertFuser(RewriterBase &rewriter, ExpertsOp experts)
      : rewriter(rewriter), experts(experts), loc(experts.getLoc()),
        tokens(getSize(rewriter, loc, experts.getX(), 1)) {}

  LogicalResult run();

private:
  LogicalResult findBound();
  Operation *findSum();
  Value makeZeros();
  Value makeShares();
  Value getScores(Value shares, int64_t expert);
  Value inlineRegion(Region &expert, Value x);
  Value scatter(Value update, Value into, Value indices, Value scores);
  Value select(Value scores);
  Value fuseBranch(Region &expert, Value scores, Value sum);
  Value fuseSelection(Region &expert, Value scores, Value sum);
  void remark(StringRef form);

  RewriterBase &rewriter;
  ExpertsOp experts;
  Location loc;
  OpFoldResult tokens;
  /// The most tokens that there may be, and that an expert may take.
  int64_t bound = 1, room = 1;
};
} // namespace

static RankedTensorType getTensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

LogicalResult ExpertFuser::findBound() {
  FailureOr<int64_t> most = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, tokens, /*stopCondition=*/nullptr,
      /*closedUB=*/true);
  if (failed(most))
    return experts.emitOpError("has a number of tokens without a bound");
  bound = std::max<int64_t>(*most, 1);
  return success();
}

/// The sum of the mixture and something that is there before, if that is all
/// that the mixture is used for.
Operation *ExpertFuser::findSum() {
  if (!experts.getResult().hasOneUse())
    return nullptr;
  auto sum = dyn_cast<arith::AddFOp>(*experts.getResult().user_begin());
  if (!sum || sum->getBlock() != experts->getBlock() ||
      sum.getLhs() == sum.getRhs())
    return nullptr;
  Value other =
      sum.getLhs() == experts.getResult() ? sum.getRhs() : sum.getLhs();
  DominanceInfo dominance;
  return dominance.properlyDominates(other, experts) ? sum : nullptr;
}

Value ExpertFuser::makeZeros() {
  RankedTensorType type = getTensorType(experts.getX());
  Value zero = arith::ConstantOp::create(
      rewriter, loc, rewriter.getZeroAttr(type.getElementType()));
  Value empty = tensor::EmptyOp::create(rewriter, loc,
                                        getSizes(rewriter, loc, experts.getX()),
                                        type.getElementType());
  return linalg::FillOp::create(rewriter, loc, zero, empty).getResult(0);
}

Value ExpertFuser::makeShares() {
  Value logits = experts.getLogits();
  SmallVector<OpFoldResult> sizes = {
      rewriter.getIndexAttr(experts.getNumChoices()),
      getSize(rewriter, loc, logits, 0), tokens};
  Value empty =
      tensor::EmptyOp::create(rewriter, loc, sizes, rewriter.getF32Type());
  return SharesOp::create(rewriter, loc, empty.getType(), logits,
                          experts.getTopAttr(), experts.getGate(), empty)
      .getResult();
}

/// The shares of one expert, `[batch, tokens]`.
Value ExpertFuser::getScores(Value shares, int64_t expert) {
  OpFoldResult zero = rewriter.getIndexAttr(0), one = rewriter.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets = {rewriter.getIndexAttr(expert), zero,
                                       zero};
  SmallVector<OpFoldResult> sizes = {
      one, getSize(rewriter, loc, experts.getLogits(), 0), tokens};
  auto type = RankedTensorType::get(
      getTensorType(shares).getShape().drop_front(), rewriter.getF32Type());
  return tensor::ExtractSliceOp::create(rewriter, loc, type, shares, offsets,
                                        sizes,
                                        SmallVector<OpFoldResult>(3, one));
}

/// Moves a region's ops here; returns the update.
Value ExpertFuser::inlineRegion(Region &expert, Value x) {
  Block &body = expert.front();
  rewriter.replaceAllUsesWith(body.getArgument(0), x);
  for (Operation &op : llvm::make_early_inc_range(body.without_terminator()))
    rewriter.moveOpBefore(&op, rewriter.getInsertionBlock(),
                          rewriter.getInsertionPoint());
  return cast<YieldOp>(body.getTerminator()).getUpdate();
}

Value ExpertFuser::scatter(Value update, Value into, Value indices,
                           Value scores) {
  return ScatterOp::create(rewriter, loc, into.getType(), update, into, indices,
                           /*replace=*/false, scores,
                           GateAttr::get(rewriter.getContext(), GateKind::raw))
      .getResult();
}

/// The ascending indices of an expert's tokens, as many as there are.
Value ExpertFuser::select(Value scores) {
  auto select = SelectOp::create(
      rewriter, loc,
      TypeRange{RankedTensorType::get({1, bound}, rewriter.getI32Type()),
                rewriter.getIndexType()},
      scores, /*rest=*/false, experts.getCapacityAttr(), Ties::first,
      /*forced=*/false, experts.getPassed(), /*into=*/Value());
  room = select.getBound(bound);
  select.getIndices().setType(
      RankedTensorType::get({1, room}, rewriter.getI32Type()));
  OpFoldResult zero = rewriter.getIndexAttr(0), one = rewriter.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(
      rewriter, loc, select.getIndices(), SmallVector<OpFoldResult>(2, zero),
      SmallVector<OpFoldResult>{one, select.getCount()},
      SmallVector<OpFoldResult>(2, one));
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

/// The weights of an expert that does not take the token are not read.
Value ExpertFuser::fuseBranch(Region &expert, Value scores, Value sum) {
  Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
  Value share =
      tensor::ExtractOp::create(rewriter, loc, scores, ValueRange{zero, zero});
  Value takesPart = createTest(rewriter, loc, share, experts.getPassed());
  auto branch = scf::IfOp::create(rewriter, loc, sum.getType(), takesPart,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(branch.thenBlock());
  Value update = inlineRegion(expert, experts.getX());
  scf::YieldOp::create(rewriter, loc,
                       scatter(update, sum, /*indices=*/{}, scores));
  rewriter.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(rewriter, loc, sum);
  return branch.getResult(0);
}

Value ExpertFuser::fuseSelection(Region &expert, Value scores, Value sum) {
  Value indices = select(scores);
  Value rows =
      GatherOp::create(rewriter, loc, experts.getX(), indices).getResult();
  return scatter(inlineRegion(expert, rows), sum, indices, scores);
}

void ExpertFuser::remark(StringRef form) {
  auto function = experts->getParentOfType<func::FuncOp>();
  remark::passed(loc, remark::RemarkOpts::name("Experts")
                          .category(FuseExpertsPass::getArgumentName())
                          .function(function.getName()))
      << remark::metric("experts", experts.getExperts().size())
      << remark::metric("form", form) << remark::metric("bound", room);
}

LogicalResult ExpertFuser::run() {
  if (failed(findBound()))
    return failure();
  bool isSingle = getTensorType(experts.getX()).getDimSize(1) == 1;
  Operation *sum = findSum();
  Value result;
  if (sum)
    result = sum->getOperand(sum->getOperand(0) == experts.getResult());
  else
    result = makeZeros();
  Value shares = makeShares();
  for (Region &expert : experts.getExperts()) {
    Value scores = getScores(shares, expert.getRegionNumber());
    result = isSingle ? fuseBranch(expert, scores, result)
                      : fuseSelection(expert, scores, result);
  }
  remark(isSingle ? "branch" : "selection");
  rewriter.replaceOp(sum ? sum : experts.getOperation(), result);
  if (sum)
    rewriter.eraseOp(experts);
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

void FuseExpertsPass::runOnOperation() {
  func::FuncOp program = getOperation();
  SmallVector<ExpertsOp> mixtures;
  program.walk([&](ExpertsOp op) { mixtures.push_back(op); });
  IRRewriter rewriter(&getContext());
  for (ExpertsOp experts : mixtures) {
    rewriter.setInsertionPoint(experts);
    if (failed(ExpertFuser(rewriter, experts).run()))
      return signalPassFailure();
  }
  if (!mixtures.empty())
    simplifySizes(rewriter, program);
}
