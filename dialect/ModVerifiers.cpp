//===- ModVerifiers.cpp - The rules of the mod dialect ----------*- C++ -*-===//
//
// What ODS cannot say about an op's operands, attributes and regions.
//
//===----------------------------------------------------------------------===//

#include "dialect/Verifiers.h"

using namespace mlir;
using namespace mlir::mod;
using namespace mlir::mod::detail;

#include "dialect/ModInterfaces.cpp.inc"

LogicalResult mod::detail::verifyDestinationOp(Operation *op) {
  if (failed(verifyOneForm(op)))
    return failure();
  Value into = cast<DestinationOpInterface>(op).getInto();
  auto result = llvm::find_if(op->getResultTypes(), llvm::IsaPred<ShapedType>);
  bool hasResult = result != op->result_type_end();
  if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<MemRefType>)) {
    if (!into)
      return op->emitOpError("on memrefs needs 'into'");
    if (hasResult)
      return op->emitOpError("on memrefs has no result");
    return success();
  }
  if (!hasResult)
    return op->emitOpError("on tensors needs a result");
  if (into && into.getType() != *result)
    return op->emitOpError("has a destination of type ")
           << into.getType() << " for a result of type " << *result;
  return success();
}

LogicalResult mod::detail::verifyCapacity(Operation *op, Attribute capacity) {
  if (auto count = dyn_cast<IntegerAttr>(capacity)) {
    if (count.getInt() < 1)
      return op->emitOpError("capacity as a count must be at least 1, not ")
             << count.getInt();
    return success();
  }
  auto rounded = dyn_cast<RoundedAttr>(capacity);
  double ratio = (rounded ? rounded.getRatio() : cast<FloatAttr>(capacity))
                     .getValueAsDouble();
  if (!(ratio > 0.0 && ratio <= 1.0))
    return op->emitOpError("capacity as a ratio must be in (0, 1], not ")
           << ratio;
  return success();
}

//===----------------------------------------------------------------------===//
// Parts of a transformer
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::verify() {
  return verifyOutput(
      *this,
      {getDim(getTokens(), 0), getDim(getTokens(), 1), getDim(getTable(), 1)},
      shaped(getTable()).getElementType());
}

LogicalResult PositionsOp::verify() {
  return verifyOutputLike(*this, getTokens());
}

LogicalResult RMSNormOp::verify() {
  if (getEps().convertToDouble() < 0)
    return emitOpError("eps must not be negative");
  if (failed(verifyHeads(*this, "x", getX(), getNumHeads())) ||
      failed(verifyDim(*this, "scale", getScale(), 0,
                       getDim(getX(), 2) / getNumHeads())))
    return failure();
  return verifyOutputLike(*this, getX());
}

LogicalResult InverseRMSOp::verify() {
  if (getEps().convertToDouble() < 0)
    return emitOpError("eps must not be negative");
  if (getRows() &&
      failed(verifyDim(*this, "rows", getRows(), 0, getDim(getX(), 0))))
    return failure();
  return verifyScores(*this, getRows() ? getRows() : getX());
}

LogicalResult RopeOp::verify() {
  if (failed(verifyHeads(*this, "x", getX(), getHeads())) ||
      failed(verifySameTokens(*this, "positions", getPositions(), getX())))
    return failure();
  if (getDim(getX(), 2) / getHeads() % 2)
    return emitOpError("rotates pairs, but a head has ")
           << getDim(getX(), 2) / getHeads() << " elements";
  if (getTheta().convertToDouble() <= 0)
    return emitOpError("theta must be positive");
  return verifyOutputLike(*this, getX());
}

/// The query's tokens are the last of the key's.
static LogicalResult verifyKeys(AttentionOp op) {
  int64_t keys = getDim(op.getKey(), 1), queries = getDim(op.getQuery(), 1);
  if (ShapedType::isDynamic(keys) || keys >= queries)
    return success();
  return op.emitOpError("has ")
         << keys << " keys for " << queries << " queries";
}

/// A window of positions is of some of the tokens: of all, it counts them.
static LogicalResult verifyOwnPositions(AttentionOp op) {
  if (!op.getOwnPositions())
    return success();
  if (!op.getWindow() || op.getPositions())
    return op.emitOpError("among positions needs a window, and keys of the "
                          "same tokens");
  if (!op->getParentOfType<RoutedOp>())
    return op.emitOpError("is among all tokens outside of routed blocks: "
                          "expected no positions");
  if (failed(verifySameTokens(op, "key", op.getKey(), op.getQuery())))
    return failure();
  return verifySameTokens(op, "positions", op.getOwnPositions(), op.getQuery());
}

LogicalResult AttentionOp::verify() {
  Type element = shaped(getQuery()).getElementType();
  if (failed(verifyDim(*this, "key", getKey(), 0, getDim(getQuery(), 0))) ||
      failed(verifySameTokens(*this, "value", getValue(), getKey())) ||
      failed(verifyKeys(*this)) ||
      failed(verifyDim(*this, "value", getValue(), 2, getDim(getKey(), 2))) ||
      failed(verifySameElements(*this, "key", getKey(), element)) ||
      failed(verifySameElements(*this, "value", getValue(), element)) ||
      failed(verifyQueryPositions(*this, getPositions(), getQuery())) ||
      failed(verifyOwnPositions(*this)))
    return failure();
  return verifyGroups(*this, getQuery(), getDim(getKey(), 2), getHeads(),
                      getKvHeads());
}

LogicalResult SampleOp::verify() {
  int64_t logits = getDim(getLogits(), 1);
  if (logits < 1 || logits > kMostTokens)
    return emitOpError("chooses from 1 to ")
           << kMostTokens << " tokens, not " << getLogits().getType();
  if (failed(verifyDim(*this, "logits", getLogits(), 0, 1)) ||
      failed(verifyDim(*this, "into", getInto(), 0, 1)))
    return failure();
  return verifyDim(*this, "into", getInto(), 1, 1);
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

LogicalResult RouterOp::verify() {
  if (failed(verifyDim(*this, "weight", getWeight(), 0, 1)) ||
      failed(verifyDim(*this, "weight", getWeight(), 1, getDim(getX(), 2))) ||
      (getBias() && failed(verifyDim(*this, "bias", getBias(), 0, 1))))
    return failure();
  return verifyScores(*this, getX());
}

LogicalResult PredictorOp::verify() {
  int64_t hidden = getDim(getDownWeight(), 0);
  if (failed(verifyDim(*this, "down_weight", getDownWeight(), 1,
                       getDim(getX(), 2))) ||
      failed(verifyDim(*this, "down_bias", getDownBias(), 0, hidden)) ||
      failed(verifyDim(*this, "up_weight", getUpWeight(), 0, 1)) ||
      failed(verifyDim(*this, "up_weight", getUpWeight(), 1, hidden)) ||
      failed(verifyDim(*this, "up_bias", getUpBias(), 0, 1)))
    return failure();
  return verifyScores(*this, getX());
}

LogicalResult RoutedOp::verify() {
  if (failed(verifyCapacity(*this, getCapacity())) ||
      failed(verifySameTokens(*this, "scores", getScores(), getX())) ||
      failed(verifySameTokens(*this, "gate_scores", getGatedBy(), getX())))
    return failure();
  auto count = dyn_cast<IntegerAttr>(getCapacity());
  int64_t tokens = getDim(getX(), 1);
  if (getSelection() != Selection::causal && count &&
      !ShapedType::isDynamic(tokens) && count.getInt() > tokens)
    return emitOpError("capacity of ")
           << count.getInt() << " exceeds the " << tokens << " tokens";
  if (getThreshold() && !usesThreshold())
    return emitOpError("has a threshold that nothing is compared with");
  if (routesBy(Causal::predictor) != bool(getLogits()))
    return emitOpError("takes the predictor's logits if and only if the "
                       "predictor routes");
  if (getSelection() == Selection::causal && getPrefill() == Prefill::top_k)
    return emitOpError("routes prompts by top_k, but selects each token by "
                       "itself");
  if (getLogits() &&
      failed(verifySameTokens(*this, "logits", getLogits(), getX())))
    return failure();
  if (getMembers())
    return verifySameTokens(*this, "members", getMembers(), getX());
  return success();
}

/// The operands with a row for each token that the result has a row for.
static OperandRange getTokenOperands(Operation *op) {
  auto attention = dyn_cast<AttentionOp>(op);
  bool seesAll = attention && attention.getPositions();
  if (seesAll || isa<TokenwiseOpInterface, RopeOp>(op))
    return op->getOperands().take_front();
  return op->getOperands();
}

/// Whether a value from outside of a routed block holds tokens: constants,
/// empty tensors and the like, which regions may share, do not.
static bool holdsTokens(Value value) {
  Operation *op = value.getDefiningOp();
  return !op || llvm::any_of(op->getOperands(), [](Value operand) {
    return isa<RankedTensorType>(operand.getType()) && holdsTokens(operand);
  });
}

/// A value of the shape of per-token values that was not made from the tokens
/// of `routed` although `value` was made from it, or null.
static Value findForeignTokens(RoutedOp routed, Value value,
                               DenseSet<Value> &visited) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != 3 || !visited.insert(value).second)
    return {};
  if (!routed.getBody().isAncestor(value.getParentRegion()))
    return holdsTokens(value) ? value : Value();
  if (Operation *op = value.getDefiningOp())
    for (Value operand : getTokenOperands(op))
      if (Value foreign = findForeignTokens(routed, operand, visited))
        return foreign;
  return {};
}

/// The outermost routed block that an op is in, or null.
static RoutedOp getOutermostRouted(Operation *op) {
  RoutedOp outermost;
  while ((op = op->getParentOfType<RoutedOp>()))
    outermost = cast<RoutedOp>(op);
  return outermost;
}

/// Checks that positions are those of the block's tokens.
static LogicalResult verifyRegionPositions(AttentionOp op, Value positions) {
  auto routed = op->getParentOfType<RoutedOp>();
  if (!positions || positions == routed.getBody().getArgument(1))
    return success();
  return op.emitOpError("in a routed block must be at the positions of the "
                        "block's tokens");
}

/// Checks attention of a block's tokens to all tokens.
static LogicalResult verifyAllTokens(AttentionOp op) {
  RoutedOp outermost = getOutermostRouted(op);
  for (Value rows : {op.getKey(), op.getValue()}) {
    if (outermost->isAncestor(rows.getParentRegion()->getParentOp()))
      return op.emitOpError("at positions needs keys and values of all tokens, "
                            "from outside of the routed block");
    if (failed(verifySameTokens(op, "key", rows, outermost.getX())))
      return failure();
  }
  return success();
}

/// Checks that attention is among the tokens that the region was given, or to
/// all tokens at the positions of these.
static LogicalResult verifyOwnTokens(RoutedOp routed) {
  DenseSet<Value> visited;
  WalkResult result = routed.getBody().walk([&](AttentionOp op) {
    bool isInner = op->getParentOfType<RoutedOp>() != routed;
    if (!isInner && (failed(verifyRegionPositions(op, op.getPositions())) ||
                     failed(verifyRegionPositions(op, op.getOwnPositions()))))
      return WalkResult::interrupt();
    if (!isInner && op.getPositions() && failed(verifyAllTokens(op)))
      return WalkResult::interrupt();
    SmallVector<Value> own = {op.getQuery()};
    if (!op.getPositions())
      own.append({op.getKey(), op.getValue()});
    for (Value operand : own) {
      Value foreign = findForeignTokens(routed, operand, visited);
      if (!foreign)
        continue;
      op.emitOpError("in a routed block may only see the block's tokens")
              .attachNote(foreign.getLoc())
          << "these are from outside";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Checks what a region says that it takes of each of its tokens.
static LogicalResult verifyPerToken(RoutedOp routed, Block &block,
                                    unsigned argument, StringRef name,
                                    Type element) {
  auto tokens = cast<RankedTensorType>(block.getArgument(0).getType());
  auto type = dyn_cast<RankedTensorType>(block.getArgument(argument).getType());
  if (type && type.getShape() == tokens.getShape().drop_back() &&
      type.getElementType() == element)
    return success();
  return routed.emitOpError("region's ")
         << name << " must be one " << element << " per token";
}

/// Checks the arguments and the end of a region.
static LogicalResult verifyRegion(RoutedOp op, Block &block) {
  if (block.getNumArguments() != 2 && block.getNumArguments() != 3)
    return op.emitOpError(
        "region takes the selected tokens, their positions and, "
        "if it asks for them, the scores of the gate");
  auto x = cast<RankedTensorType>(op.getX().getType());
  auto tokens = dyn_cast<RankedTensorType>(block.getArgument(0).getType());
  if (!tokens || tokens.getRank() != 3 ||
      tokens.getElementType() != x.getElementType() ||
      !compatible(tokens.getDimSize(0), x.getDimSize(0)) ||
      tokens.getDimSize(2) != x.getDimSize(2))
    return op.emitOpError("region's tokens must be rows of ") << x;
  if (failed(verifyPerToken(op, block, 1, "positions",
                            IntegerType::get(op.getContext(), 32))) ||
      (block.getNumArguments() == 3 &&
       failed(verifyPerToken(op, block, 2, "scores",
                             Float32Type::get(op.getContext())))))
    return failure();
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield)
    return op.emitOpError("region must end with 'mod.yield'");
  if (yield.getUpdate().getType() != tokens)
    return yield.emitOpError("gives ")
           << yield.getUpdate().getType() << ", expected " << tokens;
  return success();
}

/// Checks that skipped tokens are by themselves.
static LogicalResult verifyNoAttention(Region &bypass) {
  WalkResult result = bypass.walk([](AttentionOp op) {
    op.emitOpError("in a bypass: skipped tokens do not attend");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult RoutedOp::verifyRegions() {
  if (failed(verifyRegion(*this, getBody().front())) ||
      failed(verifyOwnTokens(*this)))
    return failure();
  if (getBypass().empty())
    return success();
  if (failed(verifyRegion(*this, getBypass().front())))
    return failure();
  return verifyNoAttention(getBypass());
}

LogicalResult NoiseOp::verify() { return verifyScores(*this, getPositions()); }

LogicalResult SelectOp::verify() {
  if (!getCapacity() && !getThreshold())
    return emitOpError("selects by 'top_k', by a threshold or by both");
  if (!getCapacity() && (getForced() || getTies() != Ties::first))
    return emitOpError("has ties and forced scores with 'top_k' only");
  if (getCapacity() && failed(verifyCapacity(*this, *getCapacity())))
    return failure();
  if (failed(verifyDim(*this, "scores", getScores(), 0, 1)))
    return failure();
  int64_t room = getMaxCount();
  if (getOutputType(*this).getDimSize(0) != 1 || ShapedType::isDynamic(room))
    return emitOpError("needs room for a static number of indices of one "
                       "sequence, not ")
           << getOutputType(*this);
  int64_t tokens = getDim(getScores(), 1);
  if (ShapedType::isDynamic(tokens))
    return success();
  int64_t count = getBound(tokens);
  if (count > room)
    return emitOpError("selects up to ")
           << count << " tokens, but has room for " << room;
  return success();
}

LogicalResult SoftmaxOp::verify() {
  if (getIndices() && failed(verifyDim(*this, "indices", getIndices(), 0,
                                       getDim(getScores(), 0))))
    return failure();
  return verifyOutputLike(*this, getScores());
}

LogicalResult MembersOp::verify() {
  if (!getInto())
    return emitOpError("needs a destination, whose tokens it marks");
  return verifyDim(*this, "indices", getIndices(), 0, getDim(getInto(), 0));
}

LogicalResult PoolOp::verify() {
  if ((*this)->getParentOfType<RoutedOp>())
    return emitOpError("speaks for a sequence, of which a routed block has "
                       "some tokens only");
  return verifyOutputLike(*this, getScores());
}

LogicalResult GatherOp::verify() {
  SmallVector<int64_t> shape(shaped(getX()).getShape());
  shape[1] = getDim(getIndices(), 1);
  if (failed(verifyDim(*this, "indices", getIndices(), 0, shape[0])))
    return failure();
  return verifyOutput(*this, shape, shaped(getX()).getElementType());
}

LogicalResult ScatterOp::verify() {
  if (failed(verifyOneForm(*this)))
    return failure();
  bool buffers = isa<MemRefType>(getX().getType());
  if (buffers == bool(getResult()))
    return emitOpError(buffers ? "on memrefs has no result"
                               : "on tensors needs a result");
  if (getResult() && getResult().getType() != getX().getType())
    return emitOpError("gives ")
           << getX().getType() << ", not " << getResult().getType();
  Value rows = getIndices() ? getIndices() : getX();
  if (failed(verifyOwnGate(*this, getGate())) ||
      failed(verifySameTokens(*this, "update", getUpdate(), rows)) ||
      failed(verifySameTokens(*this, "scores", getScores(), getX())) ||
      failed(verifyDim(*this, "update", getUpdate(), 0, getDim(getX(), 0))) ||
      failed(verifyDim(*this, "update", getUpdate(), 2, getDim(getX(), 2))))
    return failure();
  return verifySameElements(*this, "update", getUpdate(),
                            shaped(getX()).getElementType());
}
