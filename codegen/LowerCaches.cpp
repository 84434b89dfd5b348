//===- LowerCaches.cpp - KV caches and traces as views of memory -*- C++
//-*-===//
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

/// Where the keys and values of one cache lie in the memory of all.
struct CachePlace {
  Panels panels;
  int64_t index;
  int64_t keysOffset;

  int64_t getValuesOffset() const {
    return keysOffset +
           llvm::alignTo(Panels::getBytes(panels.keys), kPageBytes);
  }
  int64_t getEnd() const {
    return getValuesOffset() +
           llvm::alignTo(Panels::getBytes(panels.values), kPageBytes);
  }
};

/// The keys and values of one cache, and the tokens before the next append.
struct CacheBuffers {
  Value keys, values, first;
};

/// Lowers the state of one program.
class StateLowering {
public:
  StateLowering(func::FuncOp program, CpuTarget target)
      : program(program), target(target), builder(program.getContext()) {}

  /// Returns the bytes that all caches take, 0 where there are none.
  int64_t lowerCaches();
  void lowerTemporaryCaches();
  void lowerTrace();
  /// A table of the caches for the descriptor.
  ArrayAttr describeCaches();

private:
  Panels getPanels(Value handle);
  void lowerUsers(Value handle, const CachePlace &place);
  void lower(CacheAppendOp op, CacheBuffers buffers);
  void lower(CacheRoomOp op, CacheBuffers buffers);
  void lower(CachedAttentionOp op, CacheBuffers buffers, Value count);
  void lower(TraceRoutingOp op, Value trace, Value present);
  CacheBuffers viewPlace(Location loc, const CachePlace &place);
  Value loadLength(Location loc, const CachePlace &place);
  void storeLength(CacheAppendOp op, Value first, const CachePlace &place);
  Value constant(Location loc, int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }

  func::FuncOp program;
  CpuTarget target;
  OpBuilder builder;
  SmallVector<CachePlace> places;
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
  Builder builder(&getContext());
  int64_t bytes = 0;
  module->setAttr("mod.caches", builder.getArrayAttr({}));
  for (func::FuncOp program : getPrograms(module)) {
    StateLowering lowering(program, CpuTarget::get(vectorBits));
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
  return Panels::get(target, type.getElementType(), kvHeads,
                     type.getWidth() / kvHeads, type.getLength());
}

ArrayAttr StateLowering::describeCaches() {
  SmallVector<Attribute> caches;
  for (const CachePlace &place : places) {
    NamedAttribute length(
        "length", builder.getI64IntegerAttr(place.panels.values.getDimSize(2)));
    NamedAttribute bytes(
        "row_bytes", builder.getI64IntegerAttr(place.panels.getTokenBytes()));
    caches.push_back(builder.getDictionaryAttr({length, bytes}));
  }
  return builder.getArrayAttr(caches);
}

int64_t StateLowering::lowerCaches() {
  SmallVector<BlockArgument> handles;
  int64_t bytes = 0;
  for (BlockArgument argument : program.getArguments()) {
    if (!isa<KVCacheType>(argument.getType()))
      continue;
    places.push_back({getPanels(argument), int64_t(places.size()), bytes});
    bytes = places.back().getEnd();
    handles.push_back(argument);
  }
  if (places.empty())
    return 0;
  memory = addArgument(program, MemRefType::get({bytes}, builder.getI8Type()),
                       role::kCaches);
  lengths = addArgument(
      program, MemRefType::get({int64_t(places.size())}, builder.getI64Type()),
      role::kLengths);
  llvm::BitVector dead(program.getNumArguments());
  for (auto [place, handle] : llvm::zip_equal(places, handles)) {
    lowerUsers(handle, place);
    dead.set(handle.getArgNumber());
  }
  (void)program.eraseArguments(dead);
  return bytes;
}

void StateLowering::lowerUsers(Value handle, const CachePlace &place) {
  for (Operation *user : llvm::make_early_inc_range(handle.getUsers())) {
    builder.setInsertionPoint(user);
    CacheBuffers buffers = viewPlace(user->getLoc(), place);
    if (auto append = dyn_cast<CacheAppendOp>(user)) {
      storeLength(append, buffers.first, place);
      lower(append, buffers);
    } else if (auto room = dyn_cast<CacheRoomOp>(user)) {
      lower(room, buffers);
    } else {
      lower(cast<CachedAttentionOp>(user), buffers, buffers.first);
    }
  }
}

CacheBuffers StateLowering::viewPlace(Location loc, const CachePlace &place) {
  auto view = [&](MemRefType type, int64_t offset) -> Value {
    return memref::ViewOp::create(builder, loc, type, memory,
                                  constant(loc, offset), ValueRange());
  };
  return {view(place.panels.keys, place.keysOffset),
          view(place.panels.values, place.getValuesOffset()),
          loadLength(loc, place)};
}

Value StateLowering::loadLength(Location loc, const CachePlace &place) {
  Value length =
      memref::LoadOp::create(builder, loc, lengths, constant(loc, place.index));
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                    length);
}

void StateLowering::storeLength(CacheAppendOp op, Value first,
                                const CachePlace &place) {
  Location loc = op.getLoc();
  Value rows = memref::DimOp::create(builder, loc, op.getKey(), 1);
  Value grown = arith::AddIOp::create(builder, loc, first, rows);
  grown = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), grown);
  memref::StoreOp::create(builder, loc, grown, lengths,
                          constant(loc, place.index));
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
                         constant(loc, 0)};
    for (Operation *user : llvm::make_early_inc_range(cache->getUsers())) {
      builder.setInsertionPoint(user);
      if (auto append = dyn_cast<CacheAppendOp>(user)) {
        lower(append, buffers);
        continue;
      }
      auto attention = cast<CachedAttentionOp>(user);
      lower(attention, buffers,
            memref::DimOp::create(builder, loc, attention.getQuery(), 1));
    }
    cache.erase();
  }
}

//===----------------------------------------------------------------------===//
// Ops on caches
//===----------------------------------------------------------------------===//

void StateLowering::lower(CacheAppendOp op, CacheBuffers buffers) {
  AppendPanelsOp::create(builder, op.getLoc(), op.getKey(), op.getValue(),
                         buffers.first, op.getPositions(), op.getThetaAttr(),
                         buffers.keys, buffers.values);
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
  Panels panels{cast<MemRefType>(buffers.keys.getType()),
                cast<MemRefType>(buffers.values.getType())};
  int64_t headDim = panels.keys.getDimSize(2), splits = panels.getSplits();
  bool isSingle = cast<ShapedType>(op.getQuery().getType()).getDimSize(1) == 1;
  Value partials;
  if (isSingle && splits > 1)
    partials = memref::AllocOp::create(
        builder, op.getLoc(),
        MemRefType::get({int64_t(op.getHeads()), splits, headDim + 2},
                        builder.getF32Type()));
  PanelAttentionOp::create(builder, op.getLoc(), op.getQuery(), buffers.keys,
                           buffers.values, count, op.getHeadsAttr(), partials,
                           op.getInto());
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
  handle.setType(MemRefType::get(
      {type.getLayers(), kTraceRows, type.getLength()}, builder.getF32Type()));
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
  Value start = op.getStart() ? op.getStart() : zero;
  Value off =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(0.0));
  Value on =
      arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(1.0));
  auto store = [&](Value value, TraceRow row, Value token) {
    Value place = arith::AddIOp::create(builder, loc, start, token);
    memref::StoreOp::create(
        builder, loc, value, trace,
        ValueRange{block, constant(loc, int64_t(row)), place});
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
