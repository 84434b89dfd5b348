//===- FuseRouting.cpp - Make routed blocks explicit ------------*- C++ -*-===//
//
// Turns routed blocks into selection, gather and scatter, or into a branch.
//
//===----------------------------------------------------------------------===//

#include "dialect/Programs.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Remarks.h"
#include "passes/Elementwise.h"
#include "passes/Model.h"
#include "passes/Passes.h"
#include "passes/Sizes.h"
#include <cmath>

namespace mlir::mod {
#define GEN_PASS_DEF_FUSEROUTINGPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct FuseRoutingPass : mod::impl::FuseRoutingPassBase<FuseRoutingPass> {
  using Base::Base;
  void runOnOperation() override;
};

/// Makes one routed block of a program explicit.
class RoutingFuser {
public:
  RoutingFuser(RewriterBase &rewriter, func::FuncOp program, RoutedOp routed,
               int64_t ordinal);

  void run();

private:
  Value fuseAlways();
  Value fuseBranch();
  Value fuseSelection();
  Value fuseBypass(Value result);

  Value getTested();
  int64_t getContext();
  void findLimit();
  Value getRoom();
  Value markIf(Value takesPart);
  Value select(bool rest);
  Value scatterSkipped(Value update, Value result, Value indices);
  Value getGiven(StringRef role);
  Value getPositions();
  Value getRegionPositions(Block &body, Value indices);
  Value getRegionScores(Value indices);
  Value inlineRegion(Region &region, Value tokens, Value indices);
  Value scatter(Value update, Value indices);
  void trace(Value indices);
  void setMembers(Value indices);

  RewriterBase &rewriter;
  func::FuncOp program;
  RoutedOp routed;
  Location loc;
  int64_t ordinal;
  int64_t bound = 1;
  Value members;
  /// A cache that is too short for all tokens of a sequence, if there is one.
  TypedValue<KVCacheType> limit;
};
} // namespace

static RankedTensorType getTensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

RoutingFuser::RoutingFuser(RewriterBase &rewriter, func::FuncOp program,
                           RoutedOp routed, int64_t ordinal)
    : rewriter(rewriter), program(program), routed(routed),
      loc(routed.getLoc()), ordinal(ordinal) {
  findLimit();
}

int64_t RoutingFuser::getContext() {
  return getTensorType(getArgument(program, role::kTokens)).getDimSize(1);
}

void RoutingFuser::findLimit() {
  Value trace = getArgument(program, role::kTrace);
  if (!trace || routed.getSelection() != Selection::causal)
    return;
  int64_t sequence = cast<TraceType>(trace.getType()).getLength();
  routed.getBody().walk([&](CacheAppendOp append) {
    if (append.getCache().getType().getLength() < sequence)
      limit = append.getCache();
  });
}

/// Rows that are left in the block's caches; all of them fill alike.
Value RoutingFuser::getRoom() {
  return CacheRoomOp::create(rewriter, loc, limit);
}

/// The value that the causal predicate tests. `always` tests what is always
/// positive.
Value RoutingFuser::getTested() {
  switch (routed.getCausal()) {
  case Causal::router:
    return routed.getScores();
  case Causal::predictor:
    return routed.getLogits();
  case Causal::always:
    break;
  }
  Value scores = routed.getScores();
  Value one =
      arith::ConstantOp::create(rewriter, loc, rewriter.getF32FloatAttr(1.0));
  Value empty = tensor::EmptyOp::create(
      rewriter, loc, getSizes(rewriter, loc, scores), rewriter.getF32Type());
  return linalg::FillOp::create(rewriter, loc, one, empty).getResult(0);
}

/// The ascending indices of the selected tokens, or of the others, as many as
/// there are.
Value RoutingFuser::select(bool rest) {
  bool isCausal = routed.getSelection() == Selection::causal;
  OpBuilder::InsertionGuard guard(rewriter);
  auto select = SelectOp::create(
      rewriter, loc,
      TypeRange{RankedTensorType::get({1, getContext()}, rewriter.getI32Type()),
                rewriter.getIndexType()},
      isCausal ? getTested() : routed.getScores(), rest,
      isCausal ? Attribute() : routed.getCapacity(),
      isCausal ? Ties::first : routed.getTies(),
      !isCausal && routed.getForced(),
      routed.getSelection() == Selection::expert_choice
          ? ThresholdAttr()
          : routed.getCausalThreshold(),
      /*into=*/Value());
  int64_t room = select.getBound(getContext());
  select.getIndices().setType(
      RankedTensorType::get({1, room}, rewriter.getI32Type()));
  if (!rest)
    bound = room;
  Value count = select.getCount();
  if (limit && isCausal) {
    bound = std::min(bound, limit.getType().getLength());
    AffineExpr chosen = rewriter.getAffineSymbolExpr(0);
    AffineExpr room = rewriter.getAffineSymbolExpr(1);
    AffineExpr most = rewriter.getAffineConstantExpr(bound);
    count = affine::AffineMinOp::create(
        rewriter, loc,
        AffineMap::get(0, 2, {chosen, room, most}, rewriter.getContext()),
        ValueRange{count, getRoom()});
  }
  OpFoldResult zero = rewriter.getIndexAttr(0), one = rewriter.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(
      rewriter, loc, select.getIndices(), SmallVector<OpFoldResult>(2, zero),
      SmallVector<OpFoldResult>{one, count}, SmallVector<OpFoldResult>(2, one));
}

/// What the program is given for each of its valid tokens; null if nothing.
Value RoutingFuser::getGiven(StringRef role) {
  Value given = getArgument(program, role);
  if (!given)
    return {};
  for (Operation *user : given.getUsers())
    if (auto valid = dyn_cast<tensor::ExtractSliceOp>(user))
      return valid.getResult();
  return given;
}

/// The positions of the program's tokens, made where they are not known yet.
/// Those of several sequences are their places among each other.
Value RoutingFuser::getPositions() {
  Value tokens = getGiven(role::kTokens);
  DominanceInfo dominance(program);
  for (Operation *user : tokens.getUsers())
    if (isa<PositionsOp>(user) && dominance.properlyDominates(user, routed))
      return user->getResult(0);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfterValue(tokens);
  return PositionsOp::create(rewriter, loc, tokens,
                             getArgument(program, role::kStart))
      .getResult();
}

/// The positions of the region's tokens; null where it does not ask for them.
Value RoutingFuser::getRegionPositions(Block &body, Value indices) {
  if (body.getArgument(1).use_empty())
    return {};
  if (indices && !getArgument(program, role::kStart))
    return indices;
  Value positions = getPositions();
  if (!indices)
    return positions;
  return GatherOp::create(rewriter, loc, positions, indices).getResult();
}

Value RoutingFuser::getRegionScores(Value indices) {
  Value scores = routed.getGatedBy();
  if (!indices)
    return scores;
  return GatherOp::create(rewriter, loc, scores, indices).getResult();
}

/// Moves a region's ops here; returns the update.
Value RoutingFuser::inlineRegion(Region &region, Value tokens, Value indices) {
  Block &body = region.front();
  if (Value positions = getRegionPositions(body, indices))
    rewriter.replaceAllUsesWith(body.getArgument(1), positions);
  if (body.getNumArguments() == 3)
    rewriter.replaceAllUsesWith(body.getArgument(2), getRegionScores(indices));
  rewriter.replaceAllUsesWith(body.getArgument(0), tokens);
  for (Operation &op : llvm::make_early_inc_range(body.without_terminator()))
    rewriter.moveOpBefore(&op, rewriter.getInsertionBlock(),
                          rewriter.getInsertionPoint());
  return cast<YieldOp>(body.getTerminator()).getUpdate();
}

/// A softmax needs the scores of several tokens, which scatters do not see.
Value RoutingFuser::scatter(Value update, Value indices) {
  GateAttr gate = routed.getGate();
  Value scores = routed.getGatedBy();
  if (gate.isSoftmax()) {
    bool isAmongSelected = gate.getKind() == GateKind::softmax_topk;
    scores = SoftmaxOp::create(rewriter, loc, scores,
                               isAmongSelected ? indices : Value())
                 .getResult();
    gate = gate.withKind(GateKind::raw);
  }
  return ScatterOp::create(rewriter, loc, routed.getX().getType(), update,
                           routed.getX(), indices, routed.getReplace(), scores,
                           gate)
      .getResult();
}

/// What a bypass gives is not weighed.
Value RoutingFuser::scatterSkipped(Value update, Value result, Value indices) {
  return ScatterOp::create(rewriter, loc, result.getType(), update, result,
                           indices, routed.getReplace(), routed.getGatedBy(),
                           GateAttr::get(rewriter.getContext(), GateKind::none))
      .getResult();
}

void RoutingFuser::trace(Value indices) {
  Value trace = getArgument(program, role::kTrace);
  if (!trace)
    return;
  Value start = getArgument(program, role::kStart);
  TraceRoutingOp::create(rewriter, loc, rewriter.getI64IntegerAttr(ordinal),
                         routed.getGatedBy(), getTested(),
                         routed.getThresholdAttr(), indices,
                         getGiven(role::kSequences),
                         start ? start : getGiven(role::kPositions), trace);
}

/// Says who took part, if a later block asks: the tokens that the indices name,
/// by default those that pass the test.
void RoutingFuser::setMembers(Value indices) {
  if (!routed.getMembers() || routed.getMembers().use_empty())
    return;
  Value init = tensor::EmptyOp::create(
      rewriter, loc, getSizes(rewriter, loc, routed.getScores()),
      rewriter.getF32Type());
  if (indices) {
    members = MembersOp::create(rewriter, loc, init.getType(), indices, init)
                  .getResult();
    return;
  }
  auto number = [&](double value) -> Value {
    return arith::ConstantOp::create(rewriter, loc,
                                     rewriter.getF32FloatAttr(value));
  };
  Value in = number(0.0), out = number(-INFINITY);
  members = linalg::MapOp::create(
                rewriter, loc, getTested(), init,
                [&](OpBuilder &b, Location loc, ValueRange args) {
                  Value passes =
                      createTest(b, loc, args[0], routed.getThresholdAttr());
                  Value member =
                      arith::SelectOp::create(b, loc, passes, in, out);
                  linalg::YieldOp::create(b, loc, member);
                })
                ->getResult(0);
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

Value RoutingFuser::fuseAlways() {
  trace(/*indices=*/{});
  setMembers(/*indices=*/{});
  bound = getContext();
  Value update = inlineRegion(routed.getBody(), routed.getX(), /*indices=*/{});
  return scatter(update, /*indices=*/{});
}

/// The indices of the one token: itself where it takes part, else none.
Value RoutingFuser::markIf(Value takesPart) {
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(rewriter, loc, value);
  };
  Value count =
      arith::SelectOp::create(rewriter, loc, takesPart, index(1), index(0));
  Value itself =
      arith::ConstantOp::create(rewriter, loc, rewriter.getI32IntegerAttr(0));
  Value all =
      tensor::SplatOp::create(rewriter, loc, itself, ArrayRef<int64_t>{1, 1});
  OpFoldResult zero = rewriter.getIndexAttr(0), one = rewriter.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(
      rewriter, loc, all, SmallVector<OpFoldResult>(2, zero),
      SmallVector<OpFoldResult>{one, count}, SmallVector<OpFoldResult>(2, one));
}

Value RoutingFuser::fuseBranch() {
  if (!limit) {
    trace(/*indices=*/{});
    setMembers(/*indices=*/{});
  }
  Value zero = arith::ConstantIndexOp::create(rewriter, loc, 0);
  Value tested = tensor::ExtractOp::create(rewriter, loc, getTested(),
                                           ValueRange{zero, zero});
  Value takesPart =
      createTest(rewriter, loc, tested, routed.getThresholdAttr());
  if (limit) {
    Value fits = arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::sgt,
                                       getRoom(), zero);
    takesPart = arith::AndIOp::create(rewriter, loc, takesPart, fits);
    Value itself = markIf(takesPart);
    trace(itself);
    setMembers(itself);
  }
  auto branch = scf::IfOp::create(rewriter, loc, routed.getX().getType(),
                                  takesPart, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(branch.thenBlock());
  Value update = inlineRegion(routed.getBody(), routed.getX(), /*indices=*/{});
  scf::YieldOp::create(rewriter, loc, scatter(update, /*indices=*/{}));
  rewriter.setInsertionPointToStart(branch.elseBlock());
  Value skipped = routed.getX();
  if (!routed.getBypass().empty())
    skipped = scatterSkipped(
        inlineRegion(routed.getBypass(), skipped, /*indices=*/{}), skipped,
        /*indices=*/{});
  scf::YieldOp::create(rewriter, loc, skipped);
  return branch.getResult(0);
}

/// The rows of skipped tokens are what they were before the selected ones were
/// written, so that all may happen in one place.
Value RoutingFuser::fuseBypass(Value result) {
  Value indices = select(/*rest=*/true);
  Value tokens = GatherOp::create(rewriter, loc, result, indices).getResult();
  Value update = inlineRegion(routed.getBypass(), tokens, indices);
  return scatterSkipped(update, result, indices);
}

Value RoutingFuser::fuseSelection() {
  Value indices = select(/*rest=*/false);
  trace(indices);
  setMembers(indices);
  Value tokens =
      GatherOp::create(rewriter, loc, routed.getX(), indices).getResult();
  Value result =
      scatter(inlineRegion(routed.getBody(), tokens, indices), indices);
  return routed.getBypass().empty() ? result : fuseBypass(result);
}

void RoutingFuser::run() {
  rewriter.setInsertionPoint(routed);
  StringRef form;
  Value result;
  if (routed.getSelection() != Selection::causal) {
    form = routed.getSelection() == Selection::expert_choice ? "top_k"
                                                             : "token_choice";
    result = fuseSelection();
  } else if (routed.getCausal() == Causal::always && !limit) {
    form = "always";
    result = fuseAlways();
  } else if (getTensorType(routed.getX()).getDimSize(1) == 1) {
    form = "branch";
    result = fuseBranch();
  } else {
    form = "positive";
    result = fuseSelection();
  }
  auto opts = remark::RemarkOpts::name("RoutedBlock")
                  .category("mod-fuse-routing")
                  .function(program.getName());
  remark::passed(loc, opts)
      << remark::metric("ordinal", ordinal) << remark::metric("form", form)
      << remark::metric("bound", bound);
  if (limit)
    remark::missed(loc, opts)
        << remark::metric("kv_tokens", limit.getType().getLength())
        << remark::reason("tokens that find the cache full bypass the block");
  SmallVector<Value> results(routed->getNumResults(), members);
  results.front() = result;
  rewriter.replaceOp(routed, results);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// Whether a routed block is in the form that `mod-derive-programs` makes.
static LogicalResult checkProgram(func::FuncOp program, RoutedOp routed) {
  if (!getArgument(program, role::kTokens))
    return routed.emitOpError("is not in a program: no argument of @")
           << program.getName() << " has the role tokens";
  Type region = routed.getBody().getArgument(0).getType();
  int64_t tokens = cast<RankedTensorType>(region).getDimSize(1);
  if (tokens != getTensorType(routed.getX()).getDimSize(1))
    return routed.emitOpError("region takes ")
           << region << ", but a program's takes as many tokens as "
           << routed.getX().getType();
  return success();
}

void FuseRoutingPass::runOnOperation() {
  func::FuncOp program = getOperation();
  IRRewriter rewriter(&getContext());
  for (auto [ordinal, routed] : llvm::enumerate(getRoutedOps(program))) {
    if (failed(checkProgram(program, routed)))
      return signalPassFailure();
    RoutingFuser(rewriter, program, routed, ordinal).run();
  }
  simplifySizes(rewriter, program);
}
