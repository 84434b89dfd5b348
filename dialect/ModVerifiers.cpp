//===- ModVerifiers.cpp - The rules of the mod dialect ----------*- C++ -*-===//
//
// What ODS cannot say about an op's operands, attributes and regions.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::mod;

#include "dialect/ModInterfaces.cpp.inc"

static ShapedType shaped(Value value) {
  return cast<ShapedType>(value.getType());
}

/// The value that holds the op's output: its destination or its result.
static ShapedType getOutputType(Operation *op) {
  if (Value into = cast<DestinationOpInterface>(op).getInto())
    return shaped(into);
  return shaped(op->getResult(0));
}

LogicalResult mod::detail::verifyDestinationOp(Operation *op) {
  Value into = cast<DestinationOpInterface>(op).getInto();
  auto isa_memref = [](Type type) { return isa<MemRefType>(type); };
  auto isa_tensor = [](Type type) { return isa<TensorType>(type); };
  Type result;
  for (Type type : op->getResultTypes())
    if (isa<ShapedType>(type))
      result = type;
  if (llvm::any_of(op->getOperandTypes(), isa_memref)) {
    if (llvm::any_of(op->getOperandTypes(), isa_tensor))
      return op->emitOpError("mixes tensors and memrefs");
    if (!into)
      return op->emitOpError("on memrefs needs 'into'");
    if (result)
      return op->emitOpError("on memrefs has no result");
    return success();
  }
  if (!result)
    return op->emitOpError("on tensors needs a result");
  if (into && into.getType() != result)
    return op->emitOpError("has a destination of type ")
           << into.getType() << " for a result of type " << result;
  return success();
}

/// Whether two dimensions may be equal at run time.
static bool compatible(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

/// Checks that the output has `shape`, whose dimensions may be dynamic.
static LogicalResult verifyOutput(Operation *op, ArrayRef<int64_t> shape) {
  ShapedType output = getOutputType(op);
  if (output.getRank() != int64_t(shape.size()) ||
      !llvm::equal(output.getShape(), shape, compatible)) {
    auto diag = op->emitOpError("gives ");
    llvm::interleave(
        shape,
        [&](int64_t dim) {
          if (ShapedType::isDynamic(dim))
            diag << "?";
          else
            diag << dim;
        },
        [&] { diag << "x"; });
    return diag << ", not " << output;
  }
  return success();
}

/// Checks one dimension of an operand, named in the error.
static LogicalResult verifyDim(Operation *op, StringRef name, Value value,
                               unsigned dim, int64_t expected) {
  int64_t actual = shaped(value).getDimSize(dim);
  if (compatible(actual, expected))
    return success();
  return op->emitOpError() << name << " has " << actual << " in dimension "
                           << dim << ", expected " << expected;
}

static int64_t getDim(Value value, unsigned dim) {
  return shaped(value).getDimSize(dim);
}

/// Checks that two operands have the same batch and tokens.
static LogicalResult verifySameTokens(Operation *op, StringRef name, Value value,
                                      Value like) {
  for (unsigned dim : {0, 1})
    if (failed(verifyDim(op, name, value, dim, getDim(like, dim))))
      return failure();
  return success();
}

static LogicalResult verifyCapacity(Operation *op, Attribute capacity) {
  if (auto count = dyn_cast<IntegerAttr>(capacity)) {
    if (count.getInt() < 1)
      return op->emitOpError("capacity as a count must be at least 1, not ")
             << count.getInt();
    return success();
  }
  double ratio = cast<FloatAttr>(capacity).getValueAsDouble();
  if (!(ratio > 0.0 && ratio <= 1.0))
    return op->emitOpError("capacity as a ratio must be in (0, 1], not ")
           << ratio;
  return success();
}

/// Checks that a width is `heads` heads; a rotated head has an even size.
static LogicalResult verifyHeads(Operation *op, StringRef name, Value value,
                                 int64_t heads) {
  if (getDim(value, 2) % heads)
    return op->emitOpError() << name << " of width " << getDim(value, 2)
                             << " cannot be cut into " << heads << " heads";
  return success();
}

//===----------------------------------------------------------------------===//
// Parts of a transformer
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::verify() {
  return verifyOutput(*this, {getDim(getTokens(), 0), getDim(getTokens(), 1),
                              getDim(getTable(), 1)});
}

LogicalResult PositionsOp::verify() {
  return verifyOutput(*this, shaped(getTokens()).getShape());
}

LogicalResult RMSNormOp::verify() {
  if (getEps().convertToDouble() < 0)
    return emitOpError("eps must not be negative");
  if (failed(verifyDim(*this, "scale", getScale(), 0, getDim(getX(), 2))))
    return failure();
  return verifyOutput(*this, shaped(getX()).getShape());
}

LogicalResult LinearOp::verify() {
  if (failed(verifyDim(*this, "weight", getWeight(), 1, getDim(getInput(), 2))))
    return failure();
  int64_t outputs = getNumOutputs();
  if (!isPacked())
    outputs = getDim(getWeight(), 0);
  else if (int64_t panel = getDim(getWeight(), 2);
           getDim(getWeight(), 0) != (outputs + panel - 1) / panel)
    return emitOpError("packed weight has ")
           << getDim(getWeight(), 0) << " panels of " << panel << ", expected "
           << (outputs + panel - 1) / panel << " for " << outputs << " outputs";
  if (getBias() && failed(verifyDim(*this, "bias", getBias(), 0, outputs)))
    return failure();
  return verifyOutput(*this, {getDim(getInput(), 0), getDim(getInput(), 1),
                              outputs});
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
  return verifyOutput(*this, shaped(getX()).getShape());
}

/// Checks queries against keys and values of `kvWidth`.
static LogicalResult verifyGroups(Operation *op, Value query, int64_t kvWidth,
                                  int64_t heads, int64_t kvHeads) {
  if (heads % kvHeads)
    return op->emitOpError() << heads << " heads cannot share " << kvHeads
                             << " key and value heads evenly";
  if (failed(verifyHeads(op, "query", query, heads)))
    return failure();
  if (kvWidth != getDim(query, 2) / heads * kvHeads)
    return op->emitOpError("key has width ")
           << kvWidth << ", expected " << kvHeads << " heads of "
           << getDim(query, 2) / heads;
  return verifyOutput(op, shaped(query).getShape());
}

LogicalResult AttentionOp::verify() {
  if (failed(verifySameTokens(*this, "value", getValue(), getKey())) ||
      failed(verifyDim(*this, "value", getValue(), 2, getDim(getKey(), 2))) ||
      failed(verifyDim(*this, "key", getKey(), 0, getDim(getQuery(), 0))))
    return failure();
  return verifyGroups(*this, getQuery(), getDim(getKey(), 2), getHeads(),
                      getKvHeads());
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

LogicalResult RouterOp::verify() {
  if (failed(verifyDim(*this, "weight", getWeight(), 0, 1)) ||
      failed(verifyDim(*this, "weight", getWeight(), 1, getDim(getX(), 2))) ||
      (getBias() && failed(verifyDim(*this, "bias", getBias(), 0, 1))))
    return failure();
  return verifyOutput(*this, shaped(getX()).getShape().take_front(2));
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
  return verifyOutput(*this, shaped(getX()).getShape().take_front(2));
}

LogicalResult RoutedOp::verify() {
  if (failed(verifyCapacity(*this, getCapacity())) ||
      failed(verifySameTokens(*this, "scores", getScores(), getX())))
    return failure();
  auto count = dyn_cast<IntegerAttr>(getCapacity());
  int64_t tokens = getDim(getX(), 1);
  if (count && !ShapedType::isDynamic(tokens) && count.getInt() > tokens)
    return emitOpError("capacity of ")
           << count.getInt() << " exceeds the " << tokens << " tokens";
  if ((getCausal() == Causal::predictor) != bool(getLogits()))
    return emitOpError("takes the predictor's logits if and only if it is "
                       "causal(predictor)");
  if (getLogits())
    return verifySameTokens(*this, "logits", getLogits(), getX());
  return success();
}

LogicalResult RoutedOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.getNumArguments() != 2)
    return emitOpError("region takes the selected tokens and their positions");
  auto x = cast<RankedTensorType>(getX().getType());
  auto tokens = dyn_cast<RankedTensorType>(block.getArgument(0).getType());
  if (!tokens || tokens.getRank() != 3 ||
      tokens.getElementType() != x.getElementType() ||
      !compatible(tokens.getDimSize(0), x.getDimSize(0)) ||
      tokens.getDimSize(2) != x.getDimSize(2))
    return emitOpError("region's tokens must be rows of ") << x;
  auto positions = dyn_cast<RankedTensorType>(block.getArgument(1).getType());
  if (!positions || positions.getShape() != tokens.getShape().drop_back() ||
      !positions.getElementType().isInteger(32))
    return emitOpError("region's positions must be one i32 per token");
  Type update = cast<YieldOp>(block.getTerminator()).getUpdate().getType();
  if (update != tokens)
    return emitOpError("yields ") << update << ", expected " << tokens;
  return success();
}

LogicalResult SelectOp::verify() {
  if (getCapacity() && failed(verifyCapacity(*this, *getCapacity())))
    return failure();
  if (getDim(getScores(), 0) != 1)
    return emitOpError("selects from one sequence at a time");
  if (ShapedType::isDynamic(getMaxCount()))
    return emitOpError("needs a static bound on the selected tokens");
  return success();
}

LogicalResult GatherOp::verify() {
  SmallVector<int64_t> shape(shaped(getX()).getShape());
  shape[1] = getDim(getIndices(), 1);
  if (failed(verifyDim(*this, "indices", getIndices(), 0, shape[0])))
    return failure();
  return verifyOutput(*this, shape);
}

LogicalResult ScatterOp::verify() {
  bool buffers = isa<MemRefType>(getX().getType());
  if (buffers == bool(getResult()))
    return emitOpError(buffers ? "on memrefs has no result"
                               : "on tensors needs a result");
  if (getResult() && getResult().getType() != getX().getType())
    return emitOpError("result must have the type of x");
  Value rows = getIndices() ? getIndices() : getX();
  if (failed(verifySameTokens(*this, "update", getUpdate(), rows)) ||
      failed(verifySameTokens(*this, "scores", getScores(), getX())))
    return failure();
  return verifyDim(*this, "update", getUpdate(), 2, getDim(getX(), 2));
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

LogicalResult CacheAppendOp::verify() {
  for (auto [name, value] : {std::pair<StringRef, Value>("key", getKey()),
                             std::pair<StringRef, Value>("value", getValue())}) {
    if (failed(verifyDim(*this, name, value, 2, getCache().getType().getWidth())))
      return failure();
    if (shaped(value).getElementType() != getCache().getType().getElementType())
      return emitOpError() << name << " has elements of "
                           << shaped(value).getElementType() << ", the cache "
                           << getCache().getType().getElementType();
  }
  return verifySameTokens(*this, "value", getValue(), getKey());
}

LogicalResult CachedAttentionOp::verify() {
  return verifyGroups(*this, getQuery(), getCache().getType().getWidth(),
                      getHeads(), getKvHeads());
}
