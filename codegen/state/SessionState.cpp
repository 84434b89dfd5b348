//===- SessionState.cpp - What a session keeps, in memory -------*- C++ -*-===//
//
// Where caches and latches lie, and programs of one sequence and of several
// that see them there.
//
//===----------------------------------------------------------------------===//

#include "codegen/state/State.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::mod;

namespace {

/// Caches start on a page of their own, so that a cache costs the pages that
/// its tokens touched and no others.
constexpr int64_t kPageBytes = 4096;

/// A latch is one f32, a position one i32.
constexpr int64_t kLatchBytes = 4, kPositionBytes = 4;

/// Where the keys and values of one cache, and their positions if it has any,
/// lie in the memory of all.
struct CachePlace {
  Panels panels;
  MemRefType positions;
  int64_t index;
  int64_t keysOffset;

  int64_t getValuesOffset() const {
    return keysOffset +
           llvm::alignTo(Panels::getBytes(panels.keys), kPageBytes);
  }
  int64_t getPositionsOffset() const {
    return getValuesOffset() +
           llvm::alignTo(Panels::getBytes(panels.values), kPageBytes);
  }
  int64_t getEnd() const {
    int64_t bytes = positions ? Panels::getBytes(positions) : 0;
    return getPositionsOffset() + llvm::alignTo(bytes, kPageBytes);
  }
  /// Bytes of one token.
  int64_t getRowBytes() const {
    return panels.getTokenBytes() + (positions ? kPositionBytes : 0);
  }
};

/// Lowers the state that one program is given.
class SessionLowering {
public:
  SessionLowering(func::FuncOp program, const CacheForm &form)
      : program(program), form(form), builder(program.getContext()) {}

  SessionMemory run();

private:
  ArrayAttr describeCaches();
  template <typename HandleType>
  SmallVector<BlockArgument> takeHandles();
  void addMemory();
  void lowerUsers(Value handle, const CachePlace &place);
  void lowerUser(Operation *user, const CachePlace &place, Value sequence);
  void lowerRows(CacheAppendOp op, const CachePlace &place);
  void lowerRows(CachedAttentionOp op, const CachePlace &place);
  void forEachRow(Operation *op, Value sequences,
                  function_ref<void(Value row, Value sequence)> body);
  void lowerLatches(Value handle, int64_t offset);
  Value viewBytes(OpBuilder &builder, Location loc, MemRefType type,
                  int64_t offset, Value sequence);
  CacheBuffers viewPlace(Location loc, const CachePlace &place, Value sequence);
  Value getLengthIndex(Location loc, const CachePlace &place, Value sequence);
  void storeLength(CacheAppendOp op, Value first, Value lengthIndex);

  func::FuncOp program;
  const CacheForm &form;
  OpBuilder builder;
  SmallVector<CachePlace> places;
  int64_t sequences = 1;
  int64_t sequenceBytes = 0; ///< of all caches and latches of one sequence
  Value memory, lengths;
};

} // namespace

SessionMemory mod::lowerSessionState(func::FuncOp program,
                                     const CacheForm &form) {
  return SessionLowering(program, form).run();
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

ArrayAttr SessionLowering::describeCaches() {
  SmallVector<Attribute> caches;
  for (const CachePlace &place : places) {
    NamedAttribute length("length",
                          builder.getI64IntegerAttr(place.panels.tokens));
    NamedAttribute bytes("row_bytes",
                         builder.getI64IntegerAttr(place.getRowBytes()));
    caches.push_back(builder.getDictionaryAttr({length, bytes}));
  }
  return builder.getArrayAttr(caches);
}

SessionMemory SessionLowering::run() {
  SmallVector<BlockArgument> caches = takeHandles<KVCacheType>();
  for (BlockArgument handle : caches) {
    places.push_back({form.getPanels(handle), form.getPositionsType(handle),
                      int64_t(places.size()), sequenceBytes});
    sequenceBytes = places.back().getEnd();
  }
  SmallVector<BlockArgument> latches = takeHandles<LatchType>();
  int64_t firstLatch = sequenceBytes;
  sequenceBytes += llvm::alignTo(kLatchBytes * latches.size(), kPageBytes);
  if (!sequenceBytes)
    return {0, describeCaches()};
  addMemory();
  for (auto [place, handle] : llvm::zip_equal(places, caches))
    lowerUsers(handle, place);
  for (auto [index, handle] : llvm::enumerate(latches))
    lowerLatches(handle, firstLatch + index * kLatchBytes);
  llvm::BitVector dead(program.getNumArguments());
  for (ArrayRef<BlockArgument> handles : {caches, latches})
    for (BlockArgument handle : handles)
      dead.set(handle.getArgNumber());
  (void)program.eraseArguments(dead);
  return {sequenceBytes, describeCaches()};
}

/// The handles of a kind, and how many sequences they are of.
template <typename HandleType>
SmallVector<BlockArgument> SessionLowering::takeHandles() {
  SmallVector<BlockArgument> handles;
  for (BlockArgument argument : program.getArguments())
    if (auto type = dyn_cast<HandleType>(argument.getType())) {
      sequences = type.getSequences();
      handles.push_back(argument);
    }
  return handles;
}

/// What the handles of all sequences become.
void SessionLowering::addMemory() {
  memory = addArgument(
      program,
      MemRefType::get({sequences * sequenceBytes}, builder.getI8Type()),
      role::kCaches);
  if (!places.empty())
    lengths = addArgument(program,
                          MemRefType::get({sequences * int64_t(places.size())},
                                          builder.getI64Type()),
                          role::kLengths);
}

void SessionLowering::lowerUsers(Value handle, const CachePlace &place) {
  for (Operation *user : llvm::make_early_inc_range(handle.getUsers())) {
    builder.setInsertionPoint(user);
    auto append = dyn_cast<CacheAppendOp>(user);
    auto attention = dyn_cast<CachedAttentionOp>(user);
    if (append && append.getSequences())
      lowerRows(append, place);
    else if (attention && attention.getSequences())
      lowerRows(attention, place);
    else
      lowerUser(user, place, /*sequence=*/Value());
  }
}

void SessionLowering::lowerUser(Operation *user, const CachePlace &place,
                                Value sequence) {
  CacheBuffers buffers = viewPlace(user->getLoc(), place, sequence);
  if (auto append = dyn_cast<CacheAppendOp>(user)) {
    storeLength(append, buffers.first,
                getLengthIndex(user->getLoc(), place, sequence));
    lowerCacheOp(builder, append, buffers);
  } else if (auto room = dyn_cast<CacheRoomOp>(user)) {
    lowerCacheOp(builder, room, buffers);
  } else {
    auto attention = cast<CachedAttentionOp>(user);
    lowerCacheOp(builder, attention, buffers,
                 attention.getPositions() ? Value() : buffers.first, form);
  }
}

/// What lies behind `offset` bytes of a sequence, by default of the first.
Value SessionLowering::viewBytes(OpBuilder &builder, Location loc,
                                 MemRefType type, int64_t offset,
                                 Value sequence) {
  Value begin = createIndex(builder, loc, offset);
  if (sequence)
    begin = arith::AddIOp::create(
        builder, loc, begin,
        arith::MulIOp::create(builder, loc, sequence,
                              createIndex(builder, loc, sequenceBytes)));
  return memref::ViewOp::create(builder, loc, type, memory, begin,
                                ValueRange());
}

/// The caches of a sequence, by default of the first.
CacheBuffers SessionLowering::viewPlace(Location loc, const CachePlace &place,
                                        Value sequence) {
  Value keys =
      viewBytes(builder, loc, place.panels.keys, place.keysOffset, sequence);
  Value values = viewBytes(builder, loc, place.panels.values,
                           place.getValuesOffset(), sequence);
  Value positions;
  if (place.positions)
    positions = viewBytes(builder, loc, place.positions,
                          place.getPositionsOffset(), sequence);
  Value length = memref::LoadOp::create(builder, loc, lengths,
                                        getLengthIndex(loc, place, sequence));
  return {
      keys, values, positions,
      arith::IndexCastOp::create(builder, loc, builder.getIndexType(), length)};
}

Value SessionLowering::getLengthIndex(Location loc, const CachePlace &place,
                                      Value sequence) {
  Value index = createIndex(builder, loc, place.index);
  if (!sequence)
    return index;
  Value before = arith::MulIOp::create(
      builder, loc, sequence, createIndex(builder, loc, places.size()));
  return arith::AddIOp::create(builder, loc, before, index);
}

void SessionLowering::storeLength(CacheAppendOp op, Value first,
                                  Value lengthIndex) {
  Location loc = op.getLoc();
  Value rows = memref::DimOp::create(builder, loc, op.getKey(), 1);
  Value grown = arith::AddIOp::create(builder, loc, first, rows);
  grown = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), grown);
  memref::StoreOp::create(builder, loc, grown, lengths, lengthIndex);
}

//===----------------------------------------------------------------------===//
// Several sequences: each row has a cache of its own
//===----------------------------------------------------------------------===//

void SessionLowering::forEachRow(
    Operation *op, Value sequences,
    function_ref<void(Value row, Value sequence)> body) {
  Location loc = op->getLoc();
  Value zero = createIndex(builder, loc, 0);
  auto loop = scf::ForOp::create(
      builder, loc, zero, memref::DimOp::create(builder, loc, sequences, 1),
      createIndex(builder, loc, 1));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value row = loop.getInductionVar();
  Value sequence =
      memref::LoadOp::create(builder, loc, sequences, ValueRange{zero, row});
  body(row, arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                       sequence));
}

/// Row `row` of `[1, rows, ...]`.
static Value takeRow(OpBuilder &builder, Location loc, Value rows, Value row) {
  auto type = cast<MemRefType>(rows.getType());
  OpFoldResult zero = builder.getIndexAttr(0), one = builder.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets = {zero, row}, sizes = {one, one};
  if (type.getRank() == 3) {
    offsets.push_back(zero);
    sizes.push_back(builder.getIndexAttr(type.getDimSize(2)));
  }
  return memref::SubViewOp::create(
      builder, loc, rows, offsets, sizes,
      SmallVector<OpFoldResult>(sizes.size(), one));
}

void SessionLowering::lowerRows(CacheAppendOp op, const CachePlace &place) {
  Location loc = op.getLoc();
  forEachRow(op, op.getSequences(), [&](Value row, Value sequence) {
    auto one = cast<CacheAppendOp>(builder.clone(*op));
    one.getSequencesMutable().clear();
    builder.setInsertionPoint(one);
    for (OpOperand &rows : llvm::drop_begin(one->getOpOperands()))
      rows.set(takeRow(builder, loc, rows.get(), row));
    lowerUser(one, place, sequence);
  });
  op.erase();
}

void SessionLowering::lowerRows(CachedAttentionOp op, const CachePlace &place) {
  Location loc = op.getLoc();
  forEachRow(op, op.getSequences(), [&](Value row, Value sequence) {
    auto one = cast<CachedAttentionOp>(builder.clone(*op));
    one.getSequencesMutable().clear();
    builder.setInsertionPoint(one);
    one.getQueryMutable().assign(takeRow(builder, loc, op.getQuery(), row));
    one.getIntoMutable().assign(takeRow(builder, loc, op.getInto(), row));
    if (op.getPositions())
      one.getPositionsMutable().assign(
          takeRow(builder, loc, op.getPositions(), row));
    lowerUser(one, place, sequence);
  });
  op.erase();
}

//===----------------------------------------------------------------------===//
// Latches
//===----------------------------------------------------------------------===//

void SessionLowering::lowerLatches(Value handle, int64_t offset) {
  auto type = MemRefType::get({1}, builder.getF32Type());
  for (Operation *user : llvm::make_early_inc_range(handle.getUsers()))
    lowerLatch(cast<LatchOp>(user), [&](OpBuilder &builder, Value sequence) {
      return viewBytes(builder, user->getLoc(), type, offset, sequence);
    });
}
