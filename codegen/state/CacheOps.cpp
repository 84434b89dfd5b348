//===- CacheOps.cpp - Ops on caches as ops on buffers -----------*- C++ -*-===//
//
// The form of a cache, what its ops become, and caches that live for one run.
//
//===----------------------------------------------------------------------===//

#include "codegen/state/State.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::mod;

/// A task of a CPU reads at least this many keys of one query, and few heads
/// make tasks for some threads; the same of blocks of a GPU, of which each
/// multiprocessor takes some.
static constexpr int64_t kKeysOfTask = 512, kTasks = 32;
static constexpr int64_t kKeysOfBlock = 64, kBlocks = 512;

Panels CacheForm::getPanels(Value handle) const {
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

MemRefType CacheForm::getPositionsType(Value handle) const {
  if (!cast<KVCacheType>(handle.getType()).getHasPositions())
    return {};
  return MemRefType::get({getPanels(handle).getValueTokens()},
                         IntegerType::get(handle.getContext(), 32));
}

void mod::lowerCacheOp(OpBuilder &builder, CacheAppendOp op,
                       const CacheBuffers &buffers) {
  AppendPanelsOp::create(builder, op.getLoc(), op.getKey(), op.getValue(),
                         buffers.first, op.getPositions(), op.getThetaAttr(),
                         op.getScalingAttr(), op.getRowPositions(),
                         buffers.positions, buffers.keys, buffers.values);
  op.erase();
}

void mod::lowerCacheOp(OpBuilder &builder, CacheRoomOp op,
                       const CacheBuffers &buffers) {
  Location loc = op.getLoc();
  Value length = createIndex(builder, loc, op.getCache().getType().getLength());
  Value room = arith::SubIOp::create(builder, loc, length, buffers.first);
  op.replaceAllUsesWith(room);
  op.erase();
}

void mod::lowerCacheOp(OpBuilder &builder, CachedAttentionOp op,
                       const CacheBuffers &buffers, Value count,
                       const CacheForm &form) {
  Panels panels = form.getPanels(op.getCache());
  int64_t splits = form.target ? panels.getSplits(kKeysOfTask, kTasks)
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
// Caches of one run
//===----------------------------------------------------------------------===//

/// Each has the tokens of one append.
void mod::lowerTemporaryCaches(func::FuncOp program, const CacheForm &form) {
  SmallVector<TemporaryCacheOp> caches;
  program.walk([&](TemporaryCacheOp op) { caches.push_back(op); });
  for (TemporaryCacheOp cache : caches) {
    Location loc = cache.getLoc();
    OpBuilder builder(cache);
    Panels panels = form.getPanels(cache);
    CacheBuffers buffers{memref::AllocOp::create(builder, loc, panels.keys),
                         memref::AllocOp::create(builder, loc, panels.values),
                         /*positions=*/Value(), createIndex(builder, loc, 0)};
    if (MemRefType positions = form.getPositionsType(cache))
      buffers.positions = memref::AllocOp::create(builder, loc, positions);
    for (Operation *user : llvm::make_early_inc_range(cache->getUsers())) {
      builder.setInsertionPoint(user);
      if (auto append = dyn_cast<CacheAppendOp>(user)) {
        lowerCacheOp(builder, append, buffers);
        continue;
      }
      auto attention = cast<CachedAttentionOp>(user);
      Value count;
      if (!attention.getPositions())
        count = memref::DimOp::create(builder, loc, attention.getQuery(), 1);
      lowerCacheOp(builder, attention, buffers, count, form);
    }
    cache.erase();
  }
}
