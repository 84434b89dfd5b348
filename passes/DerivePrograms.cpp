//===- DerivePrograms.cpp - Make forward, prefill and decode ----*- C++ -*-===//
//
// Clones the static model three times: for a whole window, for a prompt into
// caches, and for one token after others.
//
//===----------------------------------------------------------------------===//

#include "dialect/Programs.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/IR/Remarks.h"
#include "passes/Model.h"
#include "passes/Passes.h"
#include "passes/ProgramSettings.h"
#include "passes/ShapeCloner.h"
#include "llvm/ADT/SmallSet.h"

namespace mlir::mod {
#define GEN_PASS_DEF_DERIVEPROGRAMSPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
enum class Program { forward, prefill, decode, decodeBatch };

/// Clones the model as one program.
class ProgramCloner : public ShapeCloner {
public:
  ProgramCloner(OpBuilder &builder, func::FuncOp model, Program kind,
                const ProgramSettings &settings)
      : ShapeCloner(builder), model(model), kind(kind), settings(settings) {}

  LogicalResult run();

private:
  bool isCausal() const { return kind != Program::forward; }
  bool isDecode() const { return kind == Program::decode; }
  bool isBatch() const { return kind == Program::decodeBatch; }
  int64_t getContext();
  int64_t getMaxTokens();
  int64_t getNumSequences() const { return isBatch() ? settings.batch : 1; }

  BlockArgument addArgument(Type type, StringRef role);
  void addArguments();
  Value takeValid(StringRef role);
  void startBody();
  void findTail();

  LogicalResult clone(Operation *op) override;
  LogicalResult checkLinalg(linalg::LinalgOp op) override;
  LogicalResult checkDim(tensor::DimOp op);
  int64_t getRoutedTokens(RoutedOp) override;
  void startRegion(Block &region, Block &body) override;
  LogicalResult finishRouted(RoutedOp routed) override;
  int64_t getExpertTokens(ExpertsOp) override;
  void finishExperts(ExpertsOp experts) override;
  void dropSoftmax(RoutedOp routed);
  KVCacheType getCacheType(KeysAndValues rows);
  Value getSequences(Location loc);
  void fillCache(KeysAndValues rows, Location loc);
  LogicalResult cloneAttention(AttentionOp op);
  void clonePool(PoolOp op);
  void sliceTail(Value value);
  void cloneReturn(func::ReturnOp op);

  func::FuncOp model;
  Program kind;
  const ProgramSettings &settings;
  func::FuncOp program;
  Value count;                          // valid tokens; null in decode
  Value rows;                           // prefill: rows of logits
  Value positions;                      // of the program's tokens
  Value sequences;                      // decode_batch: of its tokens
  DenseMap<Block *, Value> sequencesOf; // of the tokens of a routed block
  Operation *tail = nullptr; // first of the ops that only the last tokens need
  /// By what they hold; those of a session are arguments.
  DenseMap<KeysAndValues, Value> caches;
  DenseSet<KeysAndValues> filled;
  SmallVector<BlockArgument> latches;
  unsigned nextLatch = 0;
};

struct DeriveProgramsPass
    : mod::impl::DeriveProgramsPassBase<DeriveProgramsPass> {
  using Base::Base;
  void runOnOperation() override;
};
} // namespace

int64_t ProgramCloner::getContext() {
  return cast<RankedTensorType>(model.getArgumentTypes()[0]).getDimSize(1);
}

int64_t ProgramCloner::getMaxTokens() {
  return isDecode() ? 1 : isBatch() ? settings.batch : getContext();
}

//===----------------------------------------------------------------------===//
// Signature
//===----------------------------------------------------------------------===//

BlockArgument ProgramCloner::addArgument(Type type, StringRef role) {
  return mod::addArgument(program, type, role);
}

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

/// Adds arguments in the order of the table in docs/architecture.md.
void ProgramCloner::addArguments() {
  int64_t tokens = getMaxTokens();
  Type index = builder.getIndexType();
  Type ids = RankedTensorType::get({1, tokens}, builder.getI32Type());
  addArgument(ids, role::kTokens);
  if (!isDecode())
    addArgument(index, role::kCount);
  if (isBatch()) {
    addArgument(ids, role::kSequences);
    addArgument(ids, role::kPositions);
  } else if (isCausal()) {
    addArgument(index, role::kStart);
  }
  if (kind == Program::prefill)
    addArgument(index, role::kFrom);
  if (int64_t layers = getRoutedOps(model).size())
    addArgument(TraceType::get(builder.getContext(), getNumSequences(), layers,
                               getContext()),
                role::kTrace);
  if (isCausal())
    for (KeysAndValues rows : getKeysAndValues(model))
      caches[rows] = addArgument(getCacheType(rows), role::kCache);
  if (isCausal())
    model.walk([&](PoolOp) {
      latches.push_back(
          addArgument(LatchType::get(builder.getContext(), getNumSequences()),
                      role::kLatch));
    });
  auto logits = cast<RankedTensorType>(model.getResultTypes()[0]);
  BlockArgument place = addArgument(
      logits.clone({1, tokens, logits.getDimSize(2)}), role::kLogits);
  program.setArgAttr(place.getArgNumber(),
                     bufferization::BufferizationDialect::kWritableAttrName,
                     builder.getBoolAttr(true));
  (void)program.insertResult(0, place.getType(), {});
}

/// The first `count` of what is given for each token.
Value ProgramCloner::takeValid(StringRef role) {
  OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(
      builder, model.getLoc(), getArgument(program, role),
      SmallVector<OpFoldResult>(2, zero), SmallVector<OpFoldResult>{one, count},
      SmallVector<OpFoldResult>(2, one));
}

/// Makes the valid tokens and their positions.
void ProgramCloner::startBody() {
  Location loc = model.getLoc();
  Value tokens = getArgument(program, role::kTokens);
  if (!isDecode()) {
    AffineExpr symbol = builder.getAffineSymbolExpr(0);
    AffineExpr most = builder.getAffineConstantExpr(getMaxTokens());
    count = affine::AffineMinOp::create(
        builder, loc,
        AffineMap::get(0, 1, {symbol, most}, builder.getContext()),
        ValueRange(getArgument(program, role::kCount)));
    tokens = takeValid(role::kTokens);
  }
  if (kind == Program::prefill) {
    // At most the context, which an analysis could not know of a difference.
    AffineExpr n = builder.getAffineSymbolExpr(0);
    AffineExpr from = builder.getAffineSymbolExpr(1);
    AffineExpr most = builder.getAffineConstantExpr(getContext());
    rows = affine::AffineMinOp::create(
        builder, loc,
        AffineMap::get(0, 2, {n - from, most}, builder.getContext()),
        ValueRange{count, getArgument(program, role::kFrom)});
  }
  if (isBatch()) {
    sequences = takeValid(role::kSequences);
    positions = takeValid(role::kPositions);
  } else {
    positions = PositionsOp::create(builder, loc, tokens,
                                    getArgument(program, role::kStart))
                    .getResult();
  }
  mapping.map(model.getArgument(0), tokens);
}

/// Finds the chain of ops before the result that treat each token by itself.
void ProgramCloner::findTail() {
  Value value = getReturned(model);
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<TokenwiseOpInterface>(op) || !value.hasOneUse())
      return;
    tail = op;
    value = op->getOperand(0);
  }
}

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

/// The rows from `from` on of a value of all tokens.
static Value takeRows(OpBuilder &builder, Location loc, Value value,
                      OpFoldResult from, OpFoldResult rows) {
  OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
  int64_t width = cast<RankedTensorType>(value.getType()).getDimSize(2);
  SmallVector<OpFoldResult> offsets = {zero, from, zero};
  SmallVector<OpFoldResult> sizes = {one, rows, builder.getIndexAttr(width)};
  return tensor::ExtractSliceOp::create(builder, loc, value, offsets, sizes,
                                        SmallVector<OpFoldResult>(3, one));
}

/// From here on only the rows that logits are asked for.
void ProgramCloner::sliceTail(Value value) {
  mapping.map(value, takeRows(builder, value.getLoc(), mapping.lookup(value),
                              getArgument(program, role::kFrom), rows));
}

/// Gives the op that makes the logits their place, so that nothing is copied.
/// Returns whether it takes one.
static bool setPlace(Value value, Value place) {
  auto op = value.getDefiningOp<DestinationOpInterface>();
  if (!op || op.getInto())
    return false;
  op.getIntoMutable().assign(place);
  return true;
}

/// Writes the result where the caller wants the logits.
void ProgramCloner::cloneReturn(func::ReturnOp op) {
  Location loc = op.getLoc();
  Value value = mapping.lookup(op.getOperand(0));
  Value logits = getArgument(program, role::kLogits);
  OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
  OpFoldResult valid = one;
  if (!isDecode())
    valid = kind == Program::prefill ? rows : count;
  if (kind == Program::prefill && !tail)
    value =
        takeRows(builder, loc, value, getArgument(program, role::kFrom), valid);

  bool isPlaced = false;
  if (Operation *last = value.getDefiningOp()) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(last);
    isPlaced = setPlace(
        value,
        isDecode() ? logits : takeRows(builder, loc, logits, zero, valid));
  }
  if (isDecode() && !isPlaced) {
    // A slice that is the whole would fold away, and the place with it.
    value = bufferization::MaterializeInDestinationOp::create(
                builder, loc, logits.getType(), value, logits)
                .getResult();
  } else if (!isDecode()) {
    OpFoldResult vocab = builder.getIndexAttr(
        cast<RankedTensorType>(logits.getType()).getDimSize(2));
    value = tensor::InsertSliceOp::create(
        builder, loc, value, logits, SmallVector<OpFoldResult>(3, zero),
        SmallVector<OpFoldResult>{one, valid, vocab},
        SmallVector<OpFoldResult>(3, one));
  }
  func::ReturnOp::create(builder, loc, value);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

static LogicalResult checkModel(func::FuncOp model) {
  auto tokens = cast<RankedTensorType>(model.getArgumentTypes()[0]);
  if (!tokens.hasStaticShape())
    return model.emitOpError("has tokens of unknown shape ")
           << tokens << ": programs are derived after mod-specialize";
  if (tokens.getDimSize(0) != 1)
    return model.emitOpError("batch of ")
           << tokens.getDimSize(0) << " is not supported by programs";
  return success();
}

void DeriveProgramsPass::runOnOperation() {
  FailureOr<func::FuncOp> model = getForward(getOperation());
  if (failed(model) || failed(checkModel(*model)))
    return signalPassFailure();
  FailureOr<ProgramSettings> settings = ProgramSettings::get(
      *model, decodeRouting, prefillRouting, kvDtype, kvTokens, batch);
  if (failed(settings) || failed(settings->settleRouting(*model)))
    return signalPassFailure();
  OpBuilder builder(&getContext());
  SmallVector<Program> programs = {Program::forward, Program::prefill,
                                   Program::decode};
  if (batch > 1) {
    programs.push_back(Program::decodeBatch);
    getOperation()->setAttr("mod.batch", builder.getI64IntegerAttr(batch));
  }
  for (Program kind : programs)
    if (failed(ProgramCloner(builder, *model, kind, *settings).run()))
      return signalPassFailure();
  model->erase();
}
