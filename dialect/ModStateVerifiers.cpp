//===- ModStateVerifiers.cpp - The rules of caches, latches and traces ----===//
//
// What ODS cannot say about ops on state that outlives a run.
//
//===----------------------------------------------------------------------===//

#include "dialect/Verifiers.h"

using namespace mlir;
using namespace mlir::mod;
using namespace mlir::mod::detail;

/// Checks rows that are kept as `element`, which may be narrower.
static LogicalResult verifyStored(Operation *op, StringRef name, Value rows,
                                  Type element) {
  Type given = shaped(rows).getElementType();
  if (given == element ||
      element.getIntOrFloatBitWidth() < given.getIntOrFloatBitWidth())
    return success();
  return op->emitOpError() << name << " has elements of " << given
                           << ", which cannot be kept as " << element;
}

/// Checks what tells the sequences of tokens: there where there are several.
static LogicalResult verifySequences(Operation *op, Value sequences, Value rows,
                                     int64_t number) {
  if (!sequences && number == 1)
    return success();
  if (!sequences)
    return op->emitOpError("needs the sequence of each token, one of ")
           << number;
  return verifySameTokens(op, "sequences", sequences, rows);
}

/// Checks where tokens are: a place for each of them where there are several
/// sequences.
static LogicalResult verifyStart(Operation *op, Value start, Value sequences,
                                 Value tokens) {
  bool isPlaced = start && isa<ShapedType>(start.getType());
  if (isPlaced != bool(sequences))
    return op->emitOpError("takes the position of each token if and only if it "
                           "takes its sequence");
  return isPlaced ? verifySameTokens(op, "start", start, tokens) : success();
}

/// Checks rows that are written to or attend to a cache.
static LogicalResult verifyCacheRows(Operation *op, StringRef name, Value rows,
                                     KVCacheType cache, Value sequences) {
  int64_t tokens = getDim(rows, 1);
  int64_t most = sequences ? cache.getSequences() : cache.getLength();
  if (!ShapedType::isDynamic(tokens) && tokens > most)
    return op->emitOpError()
           << name << " has " << tokens << " tokens, the cache holds " << most;
  if (failed(verifySequences(op, sequences, rows, cache.getSequences())))
    return failure();
  if (failed(verifyDim(op, name, rows, 0, 1)))
    return failure();
  return verifyStored(op, name, rows, cache.getElementType());
}

/// Checks what tells a rotation of keys: all of it, or nothing.
static LogicalResult verifyRotation(Operation *op, Value keys, Value positions,
                                    std::optional<int64_t> heads,
                                    std::optional<APFloat> theta,
                                    RopeScalingAttr scaling) {
  if (!positions && !heads && !theta && !scaling)
    return success();
  if (!positions || !heads || !theta)
    return op->emitOpError("rotates keys with positions, heads and theta only");
  if (failed(verifyHeads(op, "key", keys, *heads)) ||
      failed(verifySameTokens(op, "positions", positions, keys)))
    return failure();
  if (getDim(keys, 2) / *heads % 2)
    return op->emitOpError("rotates pairs, but a head has ")
           << getDim(keys, 2) / *heads << " elements";
  if (theta->convertToDouble() <= 0)
    return op->emitOpError("theta must be positive");
  return success();
}

/// Checks what tells the positions of rows: there where a cache keeps them.
static LogicalResult verifyRowPositions(Operation *op, Value positions,
                                        Value rows, bool keeps) {
  if (keeps != bool(positions))
    return op->emitOpError("takes positions of its rows if and only if they "
                           "are kept");
  return positions ? verifySameTokens(op, "row_positions", positions, rows)
                   : success();
}

LogicalResult CacheAppendOp::verify() {
  KVCacheType cache = getCache().getType();
  if (failed(verifyOneForm(*this)) ||
      failed(verifySameTokens(*this, "value", getValue(), getKey())) ||
      failed(verifyCacheRows(*this, "key", getKey(), cache, getSequences())) ||
      failed(
          verifyCacheRows(*this, "value", getValue(), cache, getSequences())) ||
      failed(verifyDim(*this, "key", getKey(), 2, cache.getWidth())) ||
      failed(verifyRowPositions(*this, getRowPositions(), getKey(),
                                cache.getHasPositions())) ||
      failed(verifyRotation(*this, getKey(), getPositions(), getHeads(),
                            getTheta(), getScalingAttr())))
    return failure();
  return verifyDim(*this, "value", getValue(), 2, cache.getWidth());
}

LogicalResult CachedAttentionOp::verify() {
  KVCacheType cache = getCache().getType();
  if (failed(
          verifyCacheRows(*this, "query", getQuery(), cache, getSequences())) ||
      failed(verifyQueryPositions(*this, getPositions(), getQuery())))
    return failure();
  if (getPositions() && cache.getHasPositions())
    return emitOpError("at positions needs a row for each token, but the cache "
                       "has some of them");
  return verifyGroups(*this, getQuery(), cache.getWidth(), getHeads(),
                      getKvHeads());
}

/// Checks panels of values against those of keys.
static LogicalResult verifyPanels(Operation *op, Value keys, Value values) {
  if (!shaped(keys).hasStaticShape() || !shaped(values).hasStaticShape())
    return op->emitOpError("panels must have a static shape");
  int64_t together = getNumTogether(keys);
  if (shaped(keys).getRank() != shaped(values).getRank() ||
      together != getNumTogether(values) || together > 2)
    return op->emitOpError("panels of keys ")
           << keys.getType() << " and of values " << values.getType()
           << " must both lie in pairs, or neither";
  int64_t tokens = getDim(keys, 1) * getDim(keys, 3);
  int64_t width = getDim(values, 1) * getDim(values, 3);
  if (failed(verifyDim(op, "values", values, 0, getDim(keys, 0))) ||
      failed(verifySameElements(op, "values", values,
                                shaped(keys).getElementType())))
    return failure();
  if (width < getDim(keys, 2) * together ||
      tokens < getDim(values, 2) * together)
    return op->emitOpError("panels of values ")
           << values.getType() << " do not fit those of keys "
           << keys.getType();
  return success();
}

/// Checks memory for the position of each token of panels.
static LogicalResult verifyKept(Operation *op, Value kept, Value values) {
  int64_t tokens = getDim(values, 2) * getNumTogether(values);
  if (!kept || getDim(kept, 0) >= tokens)
    return success();
  return op->emitOpError("has ")
         << kept.getType() << " for the positions of " << tokens << " tokens";
}

LogicalResult AppendPanelsOp::verify() {
  Value keys = getKeys();
  int64_t kvHeads = getDim(keys, 0);
  int64_t width = kvHeads * getDim(keys, 2) * getNumTogether(keys);
  std::optional<int64_t> heads;
  if (getPositions())
    heads = kvHeads;
  if (failed(verifyPanels(*this, keys, getValues())) ||
      failed(verifySameTokens(*this, "value", getValue(), getKey())) ||
      failed(verifyDim(*this, "key", getKey(), 2, width)) ||
      failed(verifyDim(*this, "value", getValue(), 2, width)) ||
      failed(verifyStored(*this, "key", getKey(),
                          shaped(keys).getElementType())) ||
      failed(verifyRowPositions(*this, getRowPositions(), getKey(),
                                bool(getKept()))) ||
      failed(verifyKept(*this, getKept(), getValues())))
    return failure();
  return verifyRotation(*this, getKey(), getPositions(), heads, getTheta(),
                        getScalingAttr());
}

LogicalResult PanelAttentionOp::verify() {
  if (bool(getCount()) == bool(getPositions()))
    return emitOpError("takes the number of tokens or the position of each "
                       "query");
  if (getKept() && !(getWindow() && getCount()))
    return emitOpError("asks for positions of keys with a window of the last "
                       "tokens only");
  if (failed(verifyPanels(*this, getKeys(), getValues())) ||
      failed(verifyKept(*this, getKept(), getValues())) ||
      failed(verifyQueryPositions(*this, getPositions(), getQuery())) ||
      failed(verifyHeads(*this, "query", getQuery(), getHeads())) ||
      failed(verifySameTokens(*this, "into", getInto(), getQuery())) ||
      failed(verifyDim(*this, "into", getInto(), 2, getDim(getQuery(), 2))) ||
      failed(
          verifyDim(*this, "query", getQuery(), 2, getHeads() * getHeadDim())))
    return failure();
  if (getHeads() % getKvHeads())
    return emitOpError() << getHeads() << " heads cannot share " << getKvHeads()
                         << " key and value heads evenly";
  if (!getPartials())
    return success();
  if (failed(verifyDim(*this, "partials", getPartials(), 0, getHeads())))
    return failure();
  return verifyDim(*this, "partials", getPartials(), 2, getHeadDim() + 2);
}

LogicalResult TraceRoutingOp::verify() {
  if (getOrdinal() >= uint64_t(getTrace().getType().getLayers()))
    return emitOpError("ordinal ")
           << getOrdinal() << " is not a row of " << getTrace().getType();
  if (failed(verifyOneForm(*this)) ||
      failed(verifyDim(*this, "scores", getScores(), 0, 1)) ||
      failed(verifySameTokens(*this, "tested", getTested(), getScores())) ||
      failed(verifySequences(*this, getSequences(), getScores(),
                             getTrace().getType().getSequences())))
    return failure();
  if (failed(verifyStart(*this, getStart(), getSequences(), getScores())))
    return failure();
  if (getSelected())
    return verifyDim(*this, "selected", getSelected(), 0, 1);
  return success();
}

LogicalResult LatchOp::verify() {
  if (failed(verifyDim(*this, "scores", getScores(), 0, 1)) ||
      failed(verifySequences(*this, getSequences(), getScores(),
                             getLatch().getType().getSequences())) ||
      failed(verifyStart(*this, getStart(), getSequences(), getScores())))
    return failure();
  return verifyOutputLike(*this, getScores());
}
