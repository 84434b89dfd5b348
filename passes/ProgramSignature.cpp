//===- ProgramSignature.cpp - Where programs begin and end ------*- C++ -*-===//
//
// Arguments, the tokens that are valid, and the logits that are asked for.
//
//===----------------------------------------------------------------------===//

#include "dialect/Programs.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "passes/ProgramCloner.h"

using namespace mlir;
using namespace mlir::mod;

int64_t ProgramCloner::getContext() {
  return cast<RankedTensorType>(model.getArgumentTypes()[0]).getDimSize(1);
}

int64_t ProgramCloner::getMaxTokens() {
  return isDecode() ? 1 : isBatch() ? settings.batch : getContext();
}

BlockArgument ProgramCloner::addArgument(Type type, StringRef role) {
  return mod::addArgument(program, type, role);
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

//===----------------------------------------------------------------------===//
// Logits
//===----------------------------------------------------------------------===//

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
