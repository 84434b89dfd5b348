//===- LowerToGpu.cpp - Programs as launches of kernels ---------*- C++ -*-===//
//
// Walks over a program and makes what works on buffers kernels.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/DeviceMemory.h"
#include "codegen/nvptx/KernelOutliner.h"
#include "codegen/nvptx/Kernels.h"
#include "codegen/nvptx/Passes.h"
#include "codegen/nvptx/Warpgroups.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::mod {
#define GEN_PASS_DEF_LOWERTOGPUPASS
#include "codegen/nvptx/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

/// Lowers one program.
class ProgramLowering {
public:
  ProgramLowering(func::FuncOp program, KernelOutliner &outliner)
      : program(program), outliner(outliner) {}

  LogicalResult run();

private:
  LogicalResult lowerBlock(Block &block, ArrayRef<Guard> guards);
  LogicalResult lowerBranch(scf::IfOp branch, ArrayRef<Guard> guards);
  LogicalResult lowerScalars(ArrayRef<Operation *> ops, ArrayRef<Guard> guards);
  LogicalResult lowerWork(KernelWork &work);
  Value placeCounts(int64_t count, Type element);
  void placeCounters();
  Value getCounts(Operation *op);

  func::FuncOp program;
  KernelOutliner &outliner;
  Value counters; ///< of parts of attention that are done
};

struct LowerToGpuPass : mod::impl::LowerToGpuPassBase<LowerToGpuPass> {
  using LowerToGpuPassBase::LowerToGpuPassBase;
  void runOnOperation() override;
};

} // namespace

/// Whether an op needs a kernel of its own.
static bool hasKernel(Operation *op) {
  return isa<linalg::LinalgOp, memref::CopyOp, scf::ExecuteRegionOp>(op) ||
         (isa_and_present<ModDialect>(op->getDialect()) && !isPure(op));
}

/// The ops of a group leave their region.
static SmallVector<Operation *> takeOps(Operation *op) {
  auto group = dyn_cast<scf::ExecuteRegionOp>(op);
  if (!group)
    return {op};
  SmallVector<Operation *> ops;
  for (Operation &inner : group.getRegion().front().without_terminator())
    ops.push_back(&inner);
  for (Operation *inner : ops)
    inner->moveBefore(group);
  group.erase();
  return ops;
}

/// Whether an op is scalar code that changes memory.
static bool isScalarCode(Operation *op) {
  return isa<memref::StoreOp, scf::ForOp>(op);
}

//===----------------------------------------------------------------------===//
// Lengths of caches
//===----------------------------------------------------------------------===//

static bool isSameElement(memref::LoadOp load, memref::StoreOp store) {
  return load.getMemRef() == store.getMemRef() &&
         load.getIndices() == store.getIndices();
}

/// Whether an op only copies to or from the host.
static bool isCopy(Operation *op) {
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return llvm::all_of(branch.thenBlock()->without_terminator(),
                        [](Operation &inner) { return isCopy(&inner); });
  return isa<gpu::MemcpyOp>(op);
}

/// Where the work of a block ends: before what is copied back to the host.
static Operation *findEndOfWork(Block &block) {
  Operation *end = block.getTerminator();
  for (Operation *op = end->getPrevNode(); op; op = op->getPrevNode()) {
    if (isCopy(op))
      end = op;
    else if (!isPure(op))
      break;
  }
  return end;
}

/// Numbers that are read again take what was written, and are written at the
/// end of the block: one kernel then writes all.
static void sinkStores(Block &block) {
  SmallVector<memref::StoreOp> stores(block.getOps<memref::StoreOp>());
  for (memref::StoreOp store : stores) {
    if (!store.getMemRefType().getElementType().isInteger(64))
      continue;
    for (auto load : llvm::make_early_inc_range(block.getOps<memref::LoadOp>()))
      if (isSameElement(load, store) && store->isBeforeInBlock(load)) {
        load.replaceAllUsesWith(store.getValueToStore());
        load.erase();
      }
    store->moveBefore(findEndOfWork(block));
  }
}

//===----------------------------------------------------------------------===//
// Stores behind products
//===----------------------------------------------------------------------===//

namespace {
/// Bytes behind a pointer that a program is given.
struct Bytes {
  Value root;
  int64_t first, end;

  bool overlaps(const Bytes &other) const {
    return root == other.root && first < other.end && other.first < end;
  }
};
} // namespace

/// The bytes of a buffer; all, where it begins at a place that only the host
/// knows.
static Bytes getBytes(Value buffer) {
  Bytes all = {getRoot(buffer), 0, INT64_MAX};
  if (!isa<BlockArgument>(all.root))
    return all;
  FailureOr<DevicePlace> place = getDevicePlace(buffer);
  FailureOr<MemRefType> type = getStaticType(buffer);
  if (failed(place) || failed(type) || place->elements)
    return all;
  int64_t bytes = getExtent(*type) * type->getElementTypeBitWidth() / 8;
  return {all.root, place->bytes, place->bytes + bytes};
}

/// What is in memory of what a number is computed from.
static void collectReads(Value number, SmallVectorImpl<Bytes> &reads) {
  Operation *op = number.getDefiningOp();
  if (!op)
    return;
  if (auto load = dyn_cast<memref::LoadOp>(op))
    reads.push_back(getBytes(load.getMemRef()));
  for (Value operand : op->getOperands())
    if (!isa<MemRefType>(operand.getType()))
      collectReads(operand, reads);
}

/// Whether a kernel has a block in any case, and no numbers follow from it: of
/// products with one row, and of the choice of a token.
static bool canDoMore(Operation *op) {
  auto product = dyn_cast<LinearOp>(op);
  if (!product)
    return isa<SampleOp>(op);
  return !product.getRows() && getBound(product.getInput(), 1) == 1;
}

/// Whether a thread of a kernel can do a store while others still compute, and
/// needs nothing that they do.
static bool canDoStore(const KernelWork &work, Operation *op) {
  auto store = dyn_cast<memref::StoreOp>(op);
  if (!store || work.ops.empty() || !canDoMore(work.ops.front()))
    return false;
  SmallVector<Bytes> used;
  for (Operation *next : work.ops)
    for (Value operand : next->getOperands())
      if (isa<MemRefType>(operand.getType()))
        used.push_back(getBytes(operand));
  for (const Guard &guard : work.guards)
    collectReads(guard.condition, used);
  SmallVector<Bytes> own = {getBytes(store.getMemRef())};
  collectReads(store.getValueToStore(), own);
  return llvm::none_of(own, [&](const Bytes &mine) {
    return llvm::any_of(
        used, [&](const Bytes &theirs) { return mine.overlaps(theirs); });
  });
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::run() {
  program.walk([](Block *block) {
    if (block->mightHaveTerminator())
      sinkStores(*block);
  });
  placeCounters();
  return lowerBlock(program.getBody().front(), {});
}

LogicalResult ProgramLowering::lowerBlock(Block &block,
                                          ArrayRef<Guard> guards) {
  SmallVector<Operation *> ops, scalars;
  for (Operation &op : block)
    ops.push_back(&op);
  // A kernel is launched once it is known what else it does.
  KernelWork work{{}, guards};
  auto flush = [&] {
    LogicalResult result = success();
    if (!work.ops.empty())
      result = lowerWork(work);
    if (succeeded(result) && !scalars.empty())
      result = lowerScalars(scalars, guards);
    work = {{}, guards};
    scalars.clear();
    return result;
  };
  for (Operation *op : ops) {
    bool ends = hasKernel(op) || isa<scf::IfOp>(op) || isa<gpu::MemcpyOp>(op) ||
                op->hasTrait<OpTrait::IsTerminator>();
    if (ends && failed(flush()))
      return failure();
    if (isScalarCode(op)) {
      bool joins = scalars.empty() && canDoStore(work, op);
      (joins ? work.scalars : scalars).push_back(op);
    } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      if (failed(lowerBranch(branch, guards)))
        return failure();
    } else if (hasKernel(op)) {
      work.ops = takeOps(op);
    }
  }
  return success();
}

/// Branches of the host stay; what the device decides guards the kernels.
LogicalResult ProgramLowering::lowerBranch(scf::IfOp branch,
                                           ArrayRef<Guard> guards) {
  if (isKnownToHost(branch.getCondition())) {
    for (Region *region : branch.getRegions())
      for (Block &block : *region)
        if (failed(lowerBlock(block, guards)))
          return failure();
    return success();
  }
  if (branch.getNumResults())
    return branch.emitOpError("has results that only the GPU knows");
  for (Region *region : branch.getRegions()) {
    if (region->empty())
      continue;
    SmallVector<Guard> inner(guards);
    inner.push_back({branch.getCondition(), region == &branch.getThenRegion()});
    Block &block = region->front();
    if (failed(lowerBlock(block, inner)))
      return failure();
    block.getTerminator()->erase();
    branch->getBlock()->getOperations().splice(branch->getIterator(),
                                               block.getOperations());
  }
  branch.erase();
  return success();
}

LogicalResult ProgramLowering::lowerScalars(ArrayRef<Operation *> ops,
                                            ArrayRef<Guard> guards) {
  OpBuilder builder(ops.back());
  if (failed(outliner.outlineScalars(builder, ops, guards)))
    return failure();
  for (Operation *op : llvm::reverse(ops))
    op->erase();
  return success();
}

/// Numbers of their own behind the arena, for what kernels count.
Value ProgramLowering::placeCounts(int64_t count, Type element) {
  constexpr int64_t alignment = 64;
  BlockArgument arena = mod::getArgument(program, role::kArena);
  auto type = cast<MemRefType>(arena.getType());
  int64_t offset = llvm::alignTo(type.getNumElements(), alignment);
  int64_t bytes =
      offset +
      llvm::alignTo(count * element.getIntOrFloatBitWidth() / 8, alignment);
  OpBuilder builder = OpBuilder::atBlockBegin(&program.getBody().front());
  arena.setType(MemRefType::get({bytes}, builder.getI8Type()));
  program.setFunctionType(builder.getFunctionType(
      program.getBody().getArgumentTypes(), program.getResultTypes()));
  program->setAttr("mod.arena_bytes", builder.getI64IntegerAttr(bytes));
  Location loc = program.getLoc();
  Value shift = arith::ConstantIndexOp::create(builder, loc, offset);
  return memref::ViewOp::create(builder, loc, MemRefType::get({count}, element),
                                arena, shift, ValueRange());
}

/// Where keys of one query are shared out, blocks count those that are done:
/// from zero, which the last of them leaves behind.
void ProgramLowering::placeCounters() {
  int64_t most = 0;
  program.walk([&](PanelAttentionOp op) {
    if (op.getPartials())
      most = std::max<int64_t>(most, op.getHeads());
  });
  if (most == 0)
    return;
  Builder types(program.getContext());
  counters = placeCounts(most, types.getI32Type());
  OpBuilder builder(program.getContext());
  builder.setInsertionPointAfterValue(counters);
  Location loc = program.getLoc();
  Value zero =
      arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(0));
  linalg::FillOp::create(builder, loc, zero, counters);
}

Value ProgramLowering::getCounts(Operation *op) {
  if (isa<SelectOp>(op))
    return placeCounts(1, IntegerType::get(op->getContext(), 64));
  auto attention = dyn_cast<PanelAttentionOp>(op);
  return attention && attention.getPartials() ? counters : Value();
}

/// What a selection counted is read where it is needed; that it has a bound is
/// known as before.
static void readCount(OpBuilder &builder, SelectOp op, Value count) {
  Location loc = op.getLoc();
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value number = memref::LoadOp::create(builder, loc, count, zero);
  number =
      arith::IndexCastOp::create(builder, loc, builder.getIndexType(), number);
  AffineMap bounded =
      AffineMap::get(0, 1,
                     {builder.getAffineConstantExpr(op.getMaxCount()),
                      builder.getAffineSymbolExpr(0)},
                     builder.getContext());
  op.getCount().replaceAllUsesWith(
      affine::AffineMinOp::create(builder, loc, bounded, number));
}

/// A store of a known element is one of a buffer with this element alone, so
/// that kernels that differ only in which one they store are one.
static void narrowStore(memref::StoreOp store) {
  std::optional<int64_t> index =
      store.getIndices().size() == 1
          ? getConstantIntValue(store.getIndices().front())
          : std::nullopt;
  FailureOr<DevicePlace> place = getDevicePlace(store.getMemRef());
  MemRefType type = store.getMemRefType();
  if (!index || failed(place) || !type.getLayout().isIdentity())
    return;
  place->bytes += *index * type.getElementTypeBitWidth() / 8;
  OpBuilder builder(store);
  Location loc = store.getLoc();
  store.getMemrefMutable().assign(
      createFlatView(builder, loc, *place, 1, type.getElementType()));
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  store.getIndicesMutable().assign(zero);
}

LogicalResult ProgramLowering::lowerWork(KernelWork &work) {
  Operation *&op = work.ops.front();
  OpBuilder builder(op);
  if (auto copy = dyn_cast<memref::CopyOp>(op)) {
    auto linalgCopy = linalg::CopyOp::create(
        builder, op->getLoc(), copy.getSource(), copy.getTarget());
    copy.erase();
    op = linalgCopy;
  }
  if (llvm::any_of(work.ops,
                   [](Operation *op) { return failed(verifyGpuKernel(op)); }))
    return failure();
  work.counts = getCounts(op);
  for (Operation *next : work.scalars)
    narrowStore(cast<memref::StoreOp>(next));
  // Numbers of the last op are known there.
  builder.setInsertionPoint(work.scalars.empty() ? work.ops.back()
                                                 : work.scalars.back());
  if (failed(outliner.outline(builder, work)))
    return failure();
  if (auto select = dyn_cast<SelectOp>(op))
    readCount(builder, select, work.counts);
  for (ArrayRef<Operation *> done : {work.ops, work.scalars})
    for (Operation *next : llvm::reverse(done))
      next->erase();
  return success();
}

/// Removes numbers that only kernels read now. What is left reads memory of
/// the device on the host.
static LogicalResult eraseDeviceReads(func::FuncOp program) {
  IRRewriter rewriter(program.getContext());
  (void)runRegionDCE(rewriter, program->getRegions());
  WalkResult result = program.walk([&](memref::LoadOp load) {
    return WalkResult(load.emitOpError("reads on the host what only the GPU "
                                       "has"));
  });
  return failure(result.wasInterrupted());
}

void LowerToGpuPass::runOnOperation() {
  ModuleOp module = getOperation();
  module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                  UnitAttr::get(&getContext()));
  if (warpgroups)
    module.walk([](LinearOp op) {
      op->setAttr(kWarpgroupsAttr, UnitAttr::get(op.getContext()));
    });
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto kernels =
      gpu::GPUModuleOp::create(builder, module.getLoc(), kKernelModule);
  KernelOutliner outliner(kernels);
  int64_t bytes = 0;
  for (func::FuncOp program : getPrograms(module)) {
    if (failed(ProgramLowering(program, outliner).run()) ||
        failed(eraseDeviceReads(program)))
      return signalPassFailure();
    if (BlockArgument arena = mod::getArgument(program, role::kArena))
      bytes =
          std::max(bytes, cast<MemRefType>(arena.getType()).getNumElements());
  }
  module->setAttr("mod.arena_bytes", builder.getI64IntegerAttr(bytes));
  const TensorMaps &maps = outliner.getTensorMaps();
  if (!maps.empty())
    module->setAttr(kTensorMapsAttr, maps.describe(builder));
}
