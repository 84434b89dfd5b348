//===- LowerCaches.cpp - KV caches and traces as views of memory -*- C++
//-*-===//
//
// Replaces the handles of state that outlives a run by views of the session's
// memory.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "dialect/ModOps.h"
#include "dialect/Programs.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::mod {
#define GEN_PASS_DEF_LOWERCACHESPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

/// Caches start on a page of their own, so that a cache costs the pages that
/// its tokens touched and no others.
constexpr int64_t kPageBytes = 4096;

/// Where the keys of one cache lie; its values follow `bufferBytes` later.
struct CachePlace {
  KVCacheType type;
  int64_t index;
  int64_t offset;

  int64_t getBufferBytes() const {
    int64_t bits = type.getElementType().getIntOrFloatBitWidth();
    return llvm::alignTo(type.getLength() * type.getWidth() * bits / 8,
                         kPageBytes);
  }
};

/// Lowers the state of one program.
class StateLowering {
public:
  explicit StateLowering(func::FuncOp program)
      : program(program), builder(program.getContext()) {}

  /// Returns the bytes that all caches take, 0 where there are none.
  int64_t lowerCaches();
  void lowerTrace();

private:
  void lower(CacheAppendOp op, const CachePlace &place);
  void lower(CachedAttentionOp op, const CachePlace &place);
  void lower(TraceRoutingOp op, Value trace, Value present);
  Value viewRows(Location loc, const CachePlace &place, bool values,
                 OpFoldResult start, OpFoldResult rows);
  Value loadLength(Location loc, const CachePlace &place);
  Value constant(Location loc, int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }

  func::FuncOp program;
  OpBuilder builder;
  Value memory, lengths;
};

struct LowerCachesPass : mod::impl::LowerCachesPassBase<LowerCachesPass> {
  void runOnOperation() override;
};

} // namespace

/// A table of a program's caches for the descriptor.
static ArrayAttr describeCaches(func::FuncOp program) {
  Builder builder(program.getContext());
  SmallVector<Attribute> caches;
  for (Type argument : program.getArgumentTypes())
    if (auto type = dyn_cast<KVCacheType>(argument)) {
      int64_t bits = type.getElementType().getIntOrFloatBitWidth();
      caches.push_back(builder.getDictionaryAttr(
          {builder.getNamedAttr("length",
                                builder.getI64IntegerAttr(type.getLength())),
           builder.getNamedAttr(
               "row_bytes",
               builder.getI64IntegerAttr(type.getWidth() * bits / 4))}));
    }
  return builder.getArrayAttr(caches);
}

void LowerCachesPass::runOnOperation() {
  ModuleOp module = getOperation();
  Builder builder(&getContext());
  int64_t bytes = 0;
  module->setAttr("mod.caches", builder.getArrayAttr({}));
  for (func::FuncOp program : getPrograms(module)) {
    if (ArrayAttr caches = describeCaches(program); !caches.empty())
      module->setAttr("mod.caches", caches);
    StateLowering lowering(program);
    bytes = std::max(bytes, lowering.lowerCaches());
    lowering.lowerTrace();
  }
  module->setAttr("mod.caches_bytes", builder.getI64IntegerAttr(bytes));
}

int64_t StateLowering::lowerCaches() {
  SmallVector<CachePlace> places;
  SmallVector<BlockArgument> handles;
  int64_t bytes = 0;
  for (BlockArgument argument : program.getArguments()) {
    auto type = dyn_cast<KVCacheType>(argument.getType());
    if (!type)
      continue;
    CachePlace place{type, int64_t(places.size()), bytes};
    bytes += 2 * place.getBufferBytes();
    places.push_back(place);
    handles.push_back(argument);
  }
  if (places.empty())
    return 0;
  memory = addArgument(program, MemRefType::get({bytes}, builder.getI8Type()),
                       role::kCaches);
  lengths = addArgument(
      program, MemRefType::get({int64_t(places.size())}, builder.getI64Type()),
      role::kLengths);
  for (auto [place, handle] : llvm::zip_equal(places, handles))
    for (Operation *user : llvm::make_early_inc_range(handle.getUsers())) {
      builder.setInsertionPoint(user);
      if (auto append = dyn_cast<CacheAppendOp>(user))
        lower(append, place);
      else
        lower(cast<CachedAttentionOp>(user), place);
    }
  llvm::BitVector dead(program.getNumArguments());
  for (BlockArgument handle : handles)
    dead.set(handle.getArgNumber());
  (void)program.eraseArguments(dead);
  return bytes;
}

Value StateLowering::loadLength(Location loc, const CachePlace &place) {
  Value length =
      memref::LoadOp::create(builder, loc, lengths, constant(loc, place.index));
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                    length);
}

/// Rows `start .. start + rows` of a cache's keys or values.
Value StateLowering::viewRows(Location loc, const CachePlace &place,
                              bool values, OpFoldResult start,
                              OpFoldResult rows) {
  int64_t offset = place.offset + (values ? place.getBufferBytes() : 0);
  auto type =
      MemRefType::get({1, place.type.getLength(), place.type.getWidth()},
                      place.type.getElementType());
  Value all = memref::ViewOp::create(builder, loc, type, memory,
                                     constant(loc, offset), ValueRange());
  OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
  OpFoldResult width = builder.getIndexAttr(place.type.getWidth());
  return memref::SubViewOp::create(builder, loc, all,
                                   ArrayRef<OpFoldResult>{zero, start, zero},
                                   ArrayRef<OpFoldResult>{one, rows, width},
                                   ArrayRef<OpFoldResult>{one, one, one});
}

void StateLowering::lower(CacheAppendOp op, const CachePlace &place) {
  Location loc = op.getLoc();
  Value length = loadLength(loc, place);
  OpFoldResult rows = memref::getMixedSize(builder, loc, op.getKey(), 1);
  memref::CopyOp::create(builder, loc, op.getKey(),
                         viewRows(loc, place, false, length, rows));
  memref::CopyOp::create(builder, loc, op.getValue(),
                         viewRows(loc, place, true, length, rows));
  Value grown = arith::AddIOp::create(
      builder, loc, length,
      getValueOrCreateConstantIndexOp(builder, loc, rows));
  grown = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), grown);
  memref::StoreOp::create(builder, loc, grown, lengths,
                          constant(loc, place.index));
  op.erase();
}

void StateLowering::lower(CachedAttentionOp op, const CachePlace &place) {
  Location loc = op.getLoc();
  Value length = loadLength(loc, place);
  OpFoldResult start = builder.getIndexAttr(0);
  Value keys = viewRows(loc, place, false, start, length);
  Value values = viewRows(loc, place, true, start, length);
  AttentionOp::create(builder, loc, TypeRange(), op.getQuery(), keys, values,
                      op.getHeadsAttr(), op.getKvHeadsAttr(), op.getInto());
  op.erase();
}

//===----------------------------------------------------------------------===//
// Trace
//===----------------------------------------------------------------------===//

void StateLowering::lowerTrace() {
  BlockArgument handle = getArgument(program, role::kTrace);
  if (!handle || !isa<TraceType>(handle.getType()))
    return;
  auto type = cast<TraceType>(handle.getType());
  Value present = addArgument(program, builder.getI1Type(), role::kHasTrace);
  SmallVector<TraceRoutingOp> ops;
  for (Operation *user : handle.getUsers())
    ops.push_back(cast<TraceRoutingOp>(user));
  handle.setType(MemRefType::get({type.getLayers(), 3, type.getLength()},
                                 builder.getF32Type()));
  program.setFunctionType(builder.getFunctionType(
      program.getBody().getArgumentTypes(), program.getResultTypes()));
  for (TraceRoutingOp op : ops)
    lower(op, handle, present);
}

void StateLowering::lower(TraceRoutingOp op, Value trace, Value present) {
  Location loc = op.getLoc();
  builder.setInsertionPoint(op);
  auto branch = scf::IfOp::create(builder, loc, present,
                                  /*withElseRegion=*/false);
  builder.setInsertionPointToStart(branch.thenBlock());
  Value zero = constant(loc, 0), one = constant(loc, 1), two = constant(loc, 2);
  Value block = constant(loc, op.getOrdinal());
  Value start = op.getStart() ? op.getStart() : zero;
  Value off =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.0));
  Value on =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(1.0));
  auto store = [&](Value value, Value row, Value token) {
    Value place = arith::AddIOp::create(builder, loc, start, token);
    memref::StoreOp::create(builder, loc, value, trace,
                            ValueRange{block, row, place});
  };

  Value tokens = memref::DimOp::create(builder, loc, op.getScores(), 1);
  auto loop = scf::ForOp::create(builder, loc, zero, tokens, one);
  builder.setInsertionPointToStart(loop.getBody());
  Value token = loop.getInductionVar();
  SmallVector<Value> element = {zero, token};
  Value tested = memref::LoadOp::create(builder, loc, op.getTested(), element);
  store(memref::LoadOp::create(builder, loc, op.getScores(), element), zero,
        token);
  store(tested, one, token);
  Value took = off;
  if (!op.getSelected()) {
    Value positive = arith::CmpFOp::create(
        builder, loc, arith::CmpFPredicate::OGT, tested, off);
    took = arith::SelectOp::create(builder, loc, positive, on, off);
  }
  store(took, two, token);

  if (op.getSelected()) {
    builder.setInsertionPointAfter(loop);
    Value count = memref::DimOp::create(builder, loc, op.getSelected(), 1);
    auto marks = scf::ForOp::create(builder, loc, zero, count, one);
    builder.setInsertionPointToStart(marks.getBody());
    Value index =
        memref::LoadOp::create(builder, loc, op.getSelected(),
                               ValueRange{zero, marks.getInductionVar()});
    store(on, two,
          arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                     index));
  }
  op.erase();
}
