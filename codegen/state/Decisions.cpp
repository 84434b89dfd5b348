//===- Decisions.cpp - Latches and traces in memory -------------*- C++ -*-===//
//
// What routing decided: latches keep it for the sequence, traces tell of it for
// each token.
//
//===----------------------------------------------------------------------===//

#include "codegen/state/State.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Elementwise.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
/// The sequence of a token, null where there is one alone, and its position.
struct TokenPlace {
  Value sequence, position;
};
} // namespace

/// Tokens of several sequences have a position each; others follow each other
/// from `start`, which is 0 if it is not given.
static TokenPlace getTokenPlace(OpBuilder &builder, Location loc,
                                Value sequences, Value start, Value token) {
  if (!sequences)
    return {Value(),
            start ? Value(arith::AddIOp::create(builder, loc, start, token))
                  : token};
  auto load = [&](Value values) -> Value {
    Value number = memref::LoadOp::create(
        builder, loc, values, ValueRange{createIndex(builder, loc, 0), token});
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                      number);
  };
  return {load(sequences), load(start)};
}

/// All tokens of a first call are at the beginning, as the call is.
void mod::lowerLatch(LatchOp op, function_ref<Value(OpBuilder &, Value)> view) {
  Location loc = op.getLoc();
  OpBuilder builder(op);
  Value zero = createIndex(builder, loc, 0);
  auto loop =
      scf::ForOp::create(builder, loc, zero,
                         memref::DimOp::create(builder, loc, op.getScores(), 1),
                         createIndex(builder, loc, 1));
  builder.setInsertionPointToStart(loop.getBody());
  Value token = loop.getInductionVar();
  TokenPlace place{Value(), op.getStart()};
  if (op.getSequences())
    place =
        getTokenPlace(builder, loc, op.getSequences(), op.getStart(), token);
  Value kept = view(builder, place.sequence);
  Value begins = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                       place.position, zero);
  SmallVector<Value> at = {zero, token};
  Value score = arith::SelectOp::create(
      builder, loc, begins,
      memref::LoadOp::create(builder, loc, op.getScores(), at),
      memref::LoadOp::create(builder, loc, kept, zero));
  memref::StoreOp::create(builder, loc, score, kept, zero);
  memref::StoreOp::create(builder, loc, score, op.getInto(), at);
  op.erase();
}

//===----------------------------------------------------------------------===//
// Trace
//===----------------------------------------------------------------------===//

/// Writes what is known of each token, where there is a trace.
static void lowerTrace(TraceRoutingOp op, Value trace, Value present) {
  Location loc = op.getLoc();
  OpBuilder builder(op);
  auto branch = scf::IfOp::create(builder, loc, present,
                                  /*withElseRegion=*/false);
  builder.setInsertionPointToStart(branch.thenBlock());
  Value zero = createIndex(builder, loc, 0), one = createIndex(builder, loc, 1);
  Value block = createIndex(builder, loc, op.getOrdinal());
  Value off =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.0));
  Value on =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(1.0));
  auto store = [&](Value value, TraceRow row, Value token) {
    TokenPlace place =
        getTokenPlace(builder, loc, op.getSequences(), op.getStart(), token);
    SmallVector<Value> at = {block, createIndex(builder, loc, int64_t(row)),
                             place.position};
    if (place.sequence)
      at.insert(at.begin(), place.sequence);
    memref::StoreOp::create(builder, loc, value, trace, at);
  };

  Value tokens = memref::DimOp::create(builder, loc, op.getScores(), 1);
  auto loop = scf::ForOp::create(builder, loc, zero, tokens, one);
  builder.setInsertionPointToStart(loop.getBody());
  Value token = loop.getInductionVar();
  SmallVector<Value> element = {zero, token};
  Value tested = memref::LoadOp::create(builder, loc, op.getTested(), element);
  store(memref::LoadOp::create(builder, loc, op.getScores(), element),
        TraceRow::score, token);
  store(tested, TraceRow::tested, token);
  Value passes = createTest(builder, loc, tested, op.getThresholdAttr());
  Value chosen = arith::SelectOp::create(builder, loc, passes, on, off);
  store(chosen, TraceRow::chosen, token);
  store(op.getSelected() ? off : chosen, TraceRow::tookPart, token);

  if (op.getSelected()) {
    builder.setInsertionPointAfter(loop);
    Value count = memref::DimOp::create(builder, loc, op.getSelected(), 1);
    auto marks = scf::ForOp::create(builder, loc, zero, count, one);
    builder.setInsertionPointToStart(marks.getBody());
    Value index =
        memref::LoadOp::create(builder, loc, op.getSelected(),
                               ValueRange{zero, marks.getInductionVar()});
    store(on, TraceRow::tookPart,
          arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                     index));
  }
  op.erase();
}

void mod::lowerTrace(func::FuncOp program) {
  BlockArgument handle = getArgument(program, role::kTrace);
  if (!handle || !isa<TraceType>(handle.getType()))
    return;
  auto type = cast<TraceType>(handle.getType());
  Builder builder(program.getContext());
  Value present = addArgument(program, builder.getI1Type(), role::kHasTrace);
  SmallVector<TraceRoutingOp> ops;
  for (Operation *user : handle.getUsers())
    ops.push_back(cast<TraceRoutingOp>(user));
  SmallVector<int64_t> shape = {type.getLayers(), kTraceRows, type.getLength()};
  if (type.getSequences() > 1)
    shape.insert(shape.begin(), type.getSequences());
  handle.setType(MemRefType::get(shape, builder.getF32Type()));
  program.setFunctionType(builder.getFunctionType(
      program.getBody().getArgumentTypes(), program.getResultTypes()));
  for (TraceRoutingOp op : ops)
    ::lowerTrace(op, handle, present);
}
