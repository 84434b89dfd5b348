//===- ProgramCloner.cpp - One program of a model ---------------*- C++ -*-===//
//
// Routed blocks as their tokens arrive, and attention over caches.
//
//===----------------------------------------------------------------------===//

#include "passes/ProgramCloner.h"
#include "dialect/Programs.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace mlir::mod;

LogicalResult ProgramCloner::run() {
  static constexpr StringLiteral names[] = {"forward", "prefill", "decode",
                                            "decode_batch"};
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(model);
  program = func::FuncOp::create(builder, model.getLoc(),
                                 names[static_cast<unsigned>(kind)],
                                 builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(program.addEntryBlock());
  addArguments();
  startBody();
  if (kind == Program::prefill)
    findTail();
  if (failed(cloneBlock(model.getBody().front())))
    return failure();
  eraseDeadOps(program);
  return success();
}

//===----------------------------------------------------------------------===//
// Checks: what a causal program cannot run token by token
//===----------------------------------------------------------------------===//

/// Collects the loops of a linalg op that run over tokens; failure where a
/// changed dimension is not one loop.
static LogicalResult findTokenLoops(AffineMap map, ArrayRef<bool> changed,
                                    llvm::SmallSet<unsigned, 2> &loops) {
  for (auto [expr, isChanged] : llvm::zip_equal(map.getResults(), changed)) {
    if (!isChanged)
      continue;
    auto loop = dyn_cast<AffineDimExpr>(expr);
    if (!loop)
      return failure();
    loops.insert(loop.getPosition());
  }
  return success();
}

LogicalResult ProgramCloner::checkLinalg(linalg::LinalgOp op) {
  llvm::SmallSet<unsigned, 2> loops;
  bool mixes = op.hasIndexSemantics();
  for (OpOperand &operand : op->getOpOperands())
    if (isa<RankedTensorType>(operand.get().getType()))
      mixes |= failed(findTokenLoops(op.getMatchingIndexingMap(&operand),
                                     getChangedDims(operand.get()), loops));
  for (unsigned loop : loops)
    mixes |=
        !(op.getIteratorTypesArray()[loop] == utils::IteratorType::parallel);
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      mixes |= inner != op && isChanged(operand);
  });
  if (mixes || loops.size() > 1)
    return op.emitOpError("mixes tokens outside mod.attention: it cannot be "
                          "run token by token");
  return success();
}

LogicalResult ProgramCloner::checkDim(tensor::DimOp op) {
  if (!isChanged(op.getSource()))
    return success();
  for (Operation *user : op->getUsers())
    if (!isa<tensor::EmptyOp, tensor::SplatOp, tensor::ExtractSliceOp>(user))
      return op.emitOpError("asks for the number of tokens, which is not known "
                            "where tokens arrive one by one");
  return success();
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// The positions of keys, if a window asks for them.
static Value getKeyPositions(KeysAndValues rows) {
  for (Operation *user : rows.first.getUsers())
    if (auto attention = dyn_cast<AttentionOp>(user))
      if (Value positions = attention.getOwnPositions())
        return positions;
  return {};
}

KVCacheType ProgramCloner::getCacheType(KeysAndValues rows) {
  auto key = cast<RankedTensorType>(rows.first.getType());
  int64_t length = getContext();
  if (settings.kvTokens && isCausal() && isOfBlock(rows.first))
    length = std::min(length, settings.kvTokens);
  Type element = settings.cacheType ? settings.cacheType : key.getElementType();
  return KVCacheType::get(builder.getContext(), getNumSequences(), length,
                          key.getDimSize(2), element,
                          bool(getKeyPositions(rows)));
}

LogicalResult ProgramCloner::clone(Operation *op) {
  if (op == tail)
    sliceTail(op->getOperand(0));
  if (auto last = dyn_cast<func::ReturnOp>(op))
    return cloneReturn(last), success();
  if (auto dim = dyn_cast<tensor::DimOp>(op); dim && failed(checkDim(dim)))
    return failure();
  auto old = dyn_cast<PositionsOp>(op);
  if (old && old.getTokens() == model.getArgument(0) && !old.getStart())
    return mapping.map(old.getResult(), positions), success();
  if (old && isCausal())
    return old.emitOpError("must be those of the model's tokens");
  if (auto attention = dyn_cast<AttentionOp>(op))
    return cloneAttention(attention);
  if (auto pool = dyn_cast<PoolOp>(op))
    return clonePool(pool), success();
  return ShapeCloner::clone(op);
}

/// A cache has a row for each token, whether or not a window still shows it.
static void remarkWindow(AttentionOp op, KVCacheType cache, StringRef program) {
  if (!op.getWindow())
    return;
  remark::missed(op.getLoc(), remark::RemarkOpts::name("WindowedCache")
                                  .category("mod-derive-programs")
                                  .function(program))
      << remark::metric("window", *op.getWindow())
      << remark::metric("rows", cache.getLength())
      << remark::reason("keys that the window has passed stay in the cache");
}

/// The sequences of the tokens here, if there are several.
Value ProgramCloner::getSequences(Location loc) {
  Block *block = builder.getInsertionBlock();
  if (!isBatch() || !isa<RoutedOp>(block->getParentOp()))
    return sequences;
  Value &own = sequencesOf[block];
  if (!own)
    own = GatherOp::create(builder, loc, sequences, block->getArgument(1))
              .getResult();
  return own;
}

/// Fills a cache where its keys and values are known: those of all tokens
/// before the block that attends to them, which not all tokens take part in.
void ProgramCloner::fillCache(KeysAndValues rows, Location loc) {
  auto [key, value] = rows;
  Value newKey = mapping.lookup(key), newValue = mapping.lookup(value);
  Value rowPositions = getKeyPositions(rows);
  if (rowPositions)
    rowPositions = mapping.lookup(rowPositions);
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.getInsertionBlock(), *own = newKey.getParentBlock();
  if (block != own)
    builder.setInsertionPoint(
        own->findAncestorOpInBlock(*block->getParentOp()));
  Value &cache = caches[rows];
  if (!cache)
    cache = TemporaryCacheOp::create(builder, loc, getCacheType(rows));
  CacheAppendOp::create(builder, loc, cache, newKey, newValue,
                        getSequences(loc), rowPositions);
}

/// All programs attend over caches, so that keys are written once in the form
/// in which they are read often.
LogicalResult ProgramCloner::cloneAttention(AttentionOp op) {
  KeysAndValues rows(op.getKey(), op.getValue());
  Location loc = op.getLoc();
  if (op.getWindow() && !op.getOwnPositions() && getKeyPositions(rows))
    return op.emitOpError("has a window of as many keys, but another attention "
                          "to these has one of positions");
  if (filled.insert(rows).second)
    fillCache(rows, loc);
  Value cache = caches[rows];
  if (isCausal())
    remarkWindow(op, cast<KVCacheType>(cache.getType()), program.getName());
  Value positions;
  if (op.getPositions())
    positions = mapping.lookup(op.getPositions());
  mapping.map(op.getResult(), CachedAttentionOp::create(
                                  builder, loc, mapping.lookup(op.getQuery()),
                                  cache, op.getHeads(), op.getKvHeads(),
                                  getSequences(loc), positions, op.getWindow())
                                  .getResult());
  return success();
}

/// Where tokens arrive in order, those of the first call speak for all that
/// follow. One that comes alone speaks for itself.
void ProgramCloner::clonePool(PoolOp op) {
  Value scores = mapping.lookup(op.getScores());
  if (kind == Program::forward || kind == Program::prefill)
    scores = PoolOp::create(builder, op.getLoc(), op.getPooling(), scores)
                 .getResult();
  if (isCausal())
    scores = LatchOp::create(
                 builder, op.getLoc(), scores, latches[nextLatch++], sequences,
                 isBatch() ? positions : getArgument(program, role::kStart))
                 .getResult();
  mapping.map(op.getResult(), scores);
}

int64_t ProgramCloner::getRoutedTokens(RoutedOp) {
  return isDecode() ? 1 : ShapedType::kDynamic;
}

/// Tokens of several sequences are known by their places among these, from
/// which their positions follow.
void ProgramCloner::startRegion(Block &region, Block &body) {
  if (!isBatch() || region.getNumArguments() < 2 ||
      region.getArgument(1).use_empty())
    return;
  Value places = body.getArgument(1);
  mapping.map(region.getArgument(1),
              GatherOp::create(builder, places.getLoc(), positions, places)
                  .getResult());
}

/// Says how the tokens of this program are routed, which of them prompts are.
LogicalResult ProgramCloner::finishRouted(RoutedOp routed) {
  Prefill prefill = routed.getPrefillRouting();
  bool isPrompt = kind == Program::prefill;
  routed.removePrefillAttr();
  if (isPrompt && prefill != Prefill::top_k)
    routed.setCausal(static_cast<Causal>(prefill));
  if (isCausal() && !(isPrompt && prefill == Prefill::top_k)) {
    routed.setSelection(Selection::causal);
    dropSoftmax(routed);
  }
  dropUnusedClauses(routed);
  return success();
}

int64_t ProgramCloner::getExpertTokens(ExpertsOp) {
  return isDecode() ? 1 : ShapedType::kDynamic;
}

/// The largest shares of a sequence are not known before its end.
void ProgramCloner::finishExperts(ExpertsOp experts) {
  if (!isCausal() || !experts.getCapacity())
    return;
  experts.removeCapacityAttr();
  remark::analysis(experts.getLoc(), remark::RemarkOpts::name("ExpertCapacity")
                                         .category("mod-derive-programs")
                                         .function(program.getName()))
      << remark::metric("by", experts.getTop() ? "top" : "causal")
      << remark::reason("experts take all of their tokens where these arrive "
                        "in order");
}

/// A softmax over the tokens that are there, one, is 1.
void ProgramCloner::dropSoftmax(RoutedOp routed) {
  if (!routed.getGate().isSoftmax())
    return;
  remark::analysis(routed.getLoc(), remark::RemarkOpts::name("SoftmaxGate")
                                        .category("mod-derive-programs")
                                        .function(program.getName()))
      << remark::metric("gate", "1")
      << remark::reason("each token is alone where tokens arrive one by one");
  routed.setGateAttr(routed.getGate().withKind(GateKind::none));
}
