//===- LowerCaches.cpp - State as views of memory ---------------*- C++ -*-===//
//
// Replaces the handles of state that outlives a run by views of the session's
// memory.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/cpu/Panels.h"
#include "dialect/ModOps.h"
#include "dialect/Programs.h"
#include "passes/Budget.h"
#include "passes/Elementwise.h"
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

/// A task of a CPU reads at least this many keys of one query, and few heads
/// make tasks for some threads; the same of blocks of a GPU, of which each
/// multiprocessor takes some.
constexpr int64_t kKeysOfTask = 512, kTasks = 32;
constexpr int64_t kKeysOfBlock = 64, kBlocks = 512;

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

/// The keys and values of one cache, their positions if it has any, and the
/// tokens before the next append.
struct CacheBuffers {
  Value keys, values, positions, first;
};

/// The sequence of a token, null where there is one alone, and its position.
struct TokenPlace {
  Value sequence, position;
};

/// Lowers the state of one program.
class StateLowering {
public:
  /// No target: keys and values row by row.
  StateLowering(func::FuncOp program, std::optional<CpuTarget> target)
      : program(program), target(target), builder(program.getContext()) {}

  /// Returns the bytes that all caches and latches take, 0 where there are
  /// none.
  int64_t lowerCaches();
  void lowerTemporaryCaches();
  void lowerTrace();
  /// A table of the caches for the descriptor.
  ArrayAttr describeCaches();

private:
  Panels getPanels(Value handle);
  MemRefType getPositionsType(Value handle);
  template <typename HandleType>
  SmallVector<BlockArgument> takeHandles();
  void addMemory();
  void lowerUsers(Value handle, const CachePlace &place);
  void lowerUser(Operation *user, const CachePlace &place, Value sequence);
  void lowerRows(CacheAppendOp op, const CachePlace &place);
  void lowerRows(CachedAttentionOp op, const CachePlace &place);
  void forEachRow(Operation *op, Value sequences,
                  function_ref<void(Value row, Value sequence)> body);
  void lower(CacheAppendOp op, CacheBuffers buffers);
  void lower(CacheRoomOp op, CacheBuffers buffers);
  void lower(CachedAttentionOp op, CacheBuffers buffers, Value count);
  void lowerLatch(BlockArgument handle, int64_t offset);
  void lower(LatchOp op, int64_t offset);
  Value viewBytes(Location loc, MemRefType type, int64_t offset,
                  Value sequence);
  TokenPlace getTokenPlace(Location loc, Value sequences, Value start,
                           Value token);
  void lower(TraceRoutingOp op, Value trace, Value present);
  CacheBuffers viewPlace(Location loc, const CachePlace &place, Value sequence);
  Value getLengthIndex(Location loc, const CachePlace &place, Value sequence);
  void storeLength(CacheAppendOp op, Value first, Value lengthIndex);
  Value constant(Location loc, int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }

  func::FuncOp program;
  std::optional<CpuTarget> target;
  OpBuilder builder;
  SmallVector<CachePlace> places;
  int64_t sequences = 1;
  int64_t sequenceBytes = 0; // of all caches and latches of one sequence
  Value memory, lengths;
};

struct LowerCachesPass : mod::impl::LowerCachesPassBase<LowerCachesPass> {
  using LowerCachesPassBase::LowerCachesPassBase;
  void runOnOperation() override;
};

} // namespace

/// Tells the budget what the caches of each block really take. Those of a
/// routed block follow each other; the others are those of `blocks[0]`.
static void updateBudget(ModuleOp module) {
  auto attr = module->getAttrOfType<DictionaryAttr>(kBudgetAttr);
  FailureOr<Budget> budget =
      attr ? Budget::fromAttribute(attr) : FailureOr<Budget>();
  SmallVector<int64_t> bytes;
  for (Attribute cache : module->getAttrOfType<ArrayAttr>("mod.caches"))
    bytes.push_back(
        cast<DictionaryAttr>(cache).getAs<IntegerAttr>("row_bytes").getInt());
  if (failed(budget) || bytes.empty())
    return;
  Budget::Block &unrouted = budget->blocks.front();
  unrouted.cacheRowBytes = llvm::sum_of(bytes);
  for (Budget::Block &block : llvm::drop_begin(budget->blocks)) {
    auto own = ArrayRef(bytes).slice(block.firstCache, block.numCaches);
    block.cacheRowBytes = llvm::sum_of(own);
    unrouted.cacheRowBytes -= block.cacheRowBytes;
  }
  module->setAttr(kBudgetAttr, budget->toAttribute(module.getContext()));
}

void LowerCachesPass::runOnOperation() {
  ModuleOp module = getOperation();
  if (!CpuTarget::isSupported(vectorBits)) {
    module.emitError("no vectors have ")
        << vectorBits.getValue() << " bits; expected 128, 256 or 512";
    return signalPassFailure();
  }
  std::optional<CpuTarget> target;
  if (!rows)
    target = CpuTarget::get(vectorBits);
  Builder builder(&getContext());
  int64_t bytes = 0;
  module->setAttr("mod.caches", builder.getArrayAttr({}));
  for (func::FuncOp program : getPrograms(module)) {
    StateLowering lowering(program, target);
    bytes = std::max(bytes, lowering.lowerCaches());
    if (ArrayAttr caches = lowering.describeCaches(); !caches.empty())
      module->setAttr("mod.caches", caches);
    lowering.lowerTemporaryCaches();
    lowering.lowerTrace();
  }
  module->setAttr("mod.caches_bytes", builder.getI64IntegerAttr(bytes));
  updateBudget(module);
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

/// A cache that nothing attends to is one head.
Panels StateLowering::getPanels(Value handle) {
  auto type = cast<KVCacheType>(handle.getType());
  int64_t kvHeads = 1;
  for (Operation *user : handle.getUsers())
    if (auto attention = dyn_cast<CachedAttentionOp>(user))
      kvHeads = attention.getKvHeads();
  Type element = type.getElementType();
  int64_t headDim = type.getWidth() / kvHeads, tokens = type.getLength();
  return target ? Panels::get(*target, element, kvHeads, headDim, tokens)
                : Panels::getRows(element, kvHeads, headDim, tokens);
}

/// Memory for the position of each token, null where nothing asks for them.
MemRefType StateLowering::getPositionsType(Value handle) {
  if (!cast<KVCacheType>(handle.getType()).getHasPositions())
    return {};
  return MemRefType::get({getPanels(handle).getValueTokens()},
                         builder.getI32Type());
}

ArrayAttr StateLowering::describeCaches() {
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

int64_t StateLowering::lowerCaches() {
  SmallVector<BlockArgument> caches = takeHandles<KVCacheType>();
  for (BlockArgument handle : caches) {
    places.push_back({getPanels(handle), getPositionsType(handle),
                      int64_t(places.size()), sequenceBytes});
    sequenceBytes = places.back().getEnd();
  }
  SmallVector<BlockArgument> latches = takeHandles<LatchType>();
  int64_t firstLatch = sequenceBytes;
  sequenceBytes += llvm::alignTo(kLatchBytes * latches.size(), kPageBytes);
  if (!sequenceBytes)
    return 0;
  addMemory();
  for (auto [place, handle] : llvm::zip_equal(places, caches))
    lowerUsers(handle, place);
  for (auto [index, handle] : llvm::enumerate(latches))
    lowerLatch(handle, firstLatch + index * kLatchBytes);
  llvm::BitVector dead(program.getNumArguments());
  for (ArrayRef<BlockArgument> handles : {caches, latches})
    for (BlockArgument handle : handles)
      dead.set(handle.getArgNumber());
  (void)program.eraseArguments(dead);
  return sequenceBytes;
}

/// The handles of a kind, and how many sequences they are of.
template <typename HandleType>
SmallVector<BlockArgument> StateLowering::takeHandles() {
  SmallVector<BlockArgument> handles;
  for (BlockArgument argument : program.getArguments())
    if (auto type = dyn_cast<HandleType>(argument.getType())) {
      sequences = type.getSequences();
      handles.push_back(argument);
    }
  return handles;
}

/// What the handles of all sequences become.
void StateLowering::addMemory() {
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

void StateLowering::lowerUsers(Value handle, const CachePlace &place) {
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

void StateLowering::lowerUser(Operation *user, const CachePlace &place,
                              Value sequence) {
  CacheBuffers buffers = viewPlace(user->getLoc(), place, sequence);
  if (auto append = dyn_cast<CacheAppendOp>(user)) {
    storeLength(append, buffers.first,
                getLengthIndex(user->getLoc(), place, sequence));
    lower(append, buffers);
  } else if (auto room = dyn_cast<CacheRoomOp>(user)) {
    lower(room, buffers);
  } else {
    auto attention = cast<CachedAttentionOp>(user);
    lower(attention, buffers,
          attention.getPositions() ? Value() : buffers.first);
  }
}

/// What lies behind `offset` bytes of a sequence, by default of the first.
Value StateLowering::viewBytes(Location loc, MemRefType type, int64_t offset,
                               Value sequence) {
  Value begin = constant(loc, offset);
  if (sequence)
    begin = arith::AddIOp::create(
        builder, loc, begin,
        arith::MulIOp::create(builder, loc, sequence,
                              constant(loc, sequenceBytes)));
  return memref::ViewOp::create(builder, loc, type, memory, begin,
                                ValueRange());
}

/// The caches of a sequence, by default of the first.
CacheBuffers StateLowering::viewPlace(Location loc, const CachePlace &place,
                                      Value sequence) {
  Value keys = viewBytes(loc, place.panels.keys, place.keysOffset, sequence);
  Value values =
      viewBytes(loc, place.panels.values, place.getValuesOffset(), sequence);
  Value positions;
  if (place.positions)
    positions =
        viewBytes(loc, place.positions, place.getPositionsOffset(), sequence);
  Value length = memref::LoadOp::create(builder, loc, lengths,
                                        getLengthIndex(loc, place, sequence));
  return {
      keys, values, positions,
      arith::IndexCastOp::create(builder, loc, builder.getIndexType(), length)};
}

Value StateLowering::getLengthIndex(Location loc, const CachePlace &place,
                                    Value sequence) {
  Value index = constant(loc, place.index);
  if (!sequence)
    return index;
  Value before = arith::MulIOp::create(builder, loc, sequence,
                                       constant(loc, places.size()));
  return arith::AddIOp::create(builder, loc, before, index);
}

void StateLowering::storeLength(CacheAppendOp op, Value first,
                                Value lengthIndex) {
  Location loc = op.getLoc();
  Value rows = memref::DimOp::create(builder, loc, op.getKey(), 1);
  Value grown = arith::AddIOp::create(builder, loc, first, rows);
  grown = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), grown);
  memref::StoreOp::create(builder, loc, grown, lengths, lengthIndex);
}

/// Each has the tokens of one append.
void StateLowering::lowerTemporaryCaches() {
  SmallVector<TemporaryCacheOp> caches;
  program.walk([&](TemporaryCacheOp op) { caches.push_back(op); });
  for (TemporaryCacheOp cache : caches) {
    Location loc = cache.getLoc();
    builder.setInsertionPoint(cache);
    Panels panels = getPanels(cache);
    CacheBuffers buffers{memref::AllocOp::create(builder, loc, panels.keys),
                         memref::AllocOp::create(builder, loc, panels.values),
                         /*positions=*/Value(), constant(loc, 0)};
    if (MemRefType positions = getPositionsType(cache))
      buffers.positions = memref::AllocOp::create(builder, loc, positions);
    for (Operation *user : llvm::make_early_inc_range(cache->getUsers())) {
      builder.setInsertionPoint(user);
      if (auto append = dyn_cast<CacheAppendOp>(user)) {
        lower(append, buffers);
        continue;
      }
      auto attention = cast<CachedAttentionOp>(user);
      Value count;
      if (!attention.getPositions())
        count = memref::DimOp::create(builder, loc, attention.getQuery(), 1);
      lower(attention, buffers, count);
    }
    cache.erase();
  }
}

//===----------------------------------------------------------------------===//
// Several sequences: each row has a cache of its own
//===----------------------------------------------------------------------===//

void StateLowering::forEachRow(
    Operation *op, Value sequences,
    function_ref<void(Value row, Value sequence)> body) {
  Location loc = op->getLoc();
  Value zero = constant(loc, 0);
  auto loop = scf::ForOp::create(
      builder, loc, zero, memref::DimOp::create(builder, loc, sequences, 1),
      constant(loc, 1));
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

void StateLowering::lowerRows(CacheAppendOp op, const CachePlace &place) {
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

void StateLowering::lowerRows(CachedAttentionOp op, const CachePlace &place) {
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
// Ops on caches
//===----------------------------------------------------------------------===//

void StateLowering::lower(CacheAppendOp op, CacheBuffers buffers) {
  AppendPanelsOp::create(builder, op.getLoc(), op.getKey(), op.getValue(),
                         buffers.first, op.getPositions(), op.getThetaAttr(),
                         op.getScalingAttr(), op.getRowPositions(),
                         buffers.positions, buffers.keys, buffers.values);
  op.erase();
}

void StateLowering::lower(CacheRoomOp op, CacheBuffers buffers) {
  Location loc = op.getLoc();
  Value length = constant(loc, op.getCache().getType().getLength());
  Value room = arith::SubIOp::create(builder, loc, length, buffers.first);
  op.replaceAllUsesWith(room);
  op.erase();
}

void StateLowering::lower(CachedAttentionOp op, CacheBuffers buffers,
                          Value count) {
  Panels panels = getPanels(op.getCache());
  int64_t splits = target ? panels.getSplits(kKeysOfTask, kTasks)
                          : panels.getSplits(kKeysOfBlock, kBlocks);
  auto query = cast<ShapedType>(op.getQuery().getType());
  int64_t headDim = query.getDimSize(2) / op.getHeads();
  bool isSingle = query.getDimSize(1) == 1;
  Value partials;
  if (isSingle && splits > 1)
    partials = memref::AllocOp::create(
        builder, op.getLoc(),
        MemRefType::get({int64_t(op.getHeads()), splits, headDim + 2},
                        builder.getF32Type()));
  PanelAttentionOp::create(
      builder, op.getLoc(), op.getQuery(), buffers.keys, buffers.values, count,
      op.getPositions(), op.getHeadsAttr(), op.getWindowAttr(),
      op.getWindow() ? buffers.positions : Value(), partials, op.getInto());
  op.erase();
}

//===----------------------------------------------------------------------===//
// Latches
//===----------------------------------------------------------------------===//

/// Tokens of several sequences have a position each; others follow each other
/// from `start`, which is 0 if it is not given.
TokenPlace StateLowering::getTokenPlace(Location loc, Value sequences,
                                        Value start, Value token) {
  if (!sequences)
    return {Value(),
            start ? Value(arith::AddIOp::create(builder, loc, start, token))
                  : token};
  auto load = [&](Value values) -> Value {
    Value number = memref::LoadOp::create(builder, loc, values,
                                          ValueRange{constant(loc, 0), token});
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                      number);
  };
  return {load(sequences), load(start)};
}

void StateLowering::lowerLatch(BlockArgument handle, int64_t offset) {
  for (Operation *user : llvm::make_early_inc_range(handle.getUsers()))
    lower(cast<LatchOp>(user), offset);
}

/// All tokens of a first call are at the beginning, as the call is.
void StateLowering::lower(LatchOp op, int64_t offset) {
  Location loc = op.getLoc();
  builder.setInsertionPoint(op);
  Value zero = constant(loc, 0);
  auto loop = scf::ForOp::create(
      builder, loc, zero,
      memref::DimOp::create(builder, loc, op.getScores(), 1), constant(loc, 1));
  builder.setInsertionPointToStart(loop.getBody());
  Value token = loop.getInductionVar();
  TokenPlace place{Value(), op.getStart()};
  if (op.getSequences())
    place = getTokenPlace(loc, op.getSequences(), op.getStart(), token);
  Value kept = viewBytes(loc, MemRefType::get({1}, builder.getF32Type()),
                         offset, place.sequence);
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

void StateLowering::lowerTrace() {
  BlockArgument handle = getArgument(program, role::kTrace);
  if (!handle || !isa<TraceType>(handle.getType()))
    return;
  auto type = cast<TraceType>(handle.getType());
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
    lower(op, handle, present);
}

void StateLowering::lower(TraceRoutingOp op, Value trace, Value present) {
  Location loc = op.getLoc();
  builder.setInsertionPoint(op);
  auto branch = scf::IfOp::create(builder, loc, present,
                                  /*withElseRegion=*/false);
  builder.setInsertionPointToStart(branch.thenBlock());
  Value zero = constant(loc, 0), one = constant(loc, 1);
  Value block = constant(loc, op.getOrdinal());
  Value off =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.0));
  Value on =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(1.0));
  auto store = [&](Value value, TraceRow row, Value token) {
    TokenPlace place =
        getTokenPlace(loc, op.getSequences(), op.getStart(), token);
    SmallVector<Value> at = {block, constant(loc, int64_t(row)),
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
