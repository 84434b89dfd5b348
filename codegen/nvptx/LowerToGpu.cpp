//===- LowerToGpu.cpp - Programs as launches of kernels ---------*- C++ -*-===//
//
// Walks over a program and makes what works on buffers kernels.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/DeviceMemory.h"
#include "codegen/nvptx/KernelOutliner.h"
#include "codegen/nvptx/Kernels.h"
#include "codegen/nvptx/Passes.h"
#include "dialect/Programs.h"
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
  LogicalResult lowerOp(Operation *op, ArrayRef<Guard> guards);
  Value placeCount();

  func::FuncOp program;
  KernelOutliner &outliner;
};

struct LowerToGpuPass : mod::impl::LowerToGpuPassBase<LowerToGpuPass> {
  void runOnOperation() override;
};

} // namespace

/// Whether an op needs a kernel of its own.
static bool hasKernel(Operation *op) {
  return isa<linalg::LinalgOp, memref::CopyOp>(op) ||
         (isa_and_present<ModDialect>(op->getDialect()) && !isPure(op));
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
// Norms
//===----------------------------------------------------------------------===//

/// Whether a product scales the row that a norm is of by the norm, with nothing
/// in between that works on the row.
static bool scalesBy(LinearOp product, InverseRMSOp norm) {
  if (product.getRowScales() != norm.getInto() ||
      product.getInput() != norm.getX() || product.getRows() ||
      product->getBlock() != norm->getBlock() ||
      !norm->isBeforeInBlock(product))
    return false;
  for (Operation *op = norm->getNextNode(); op != product;
       op = op->getNextNode())
    if (!isPure(op) && llvm::is_contained(op->getOperands(), norm.getX()))
      return false;
  return product.getInto() != norm.getX();
}

/// Products with one row compute its norm themselves: each warp reads the row
/// in any case, and a launch costs more.
static void fuseNorms(func::FuncOp program) {
  SmallVector<InverseRMSOp> norms;
  program.walk([&](InverseRMSOp op) { norms.push_back(op); });
  for (InverseRMSOp norm : norms) {
    SmallVector<LinearOp> products;
    bool fuses = !norm.getRows() && getBound(norm.getX(), 0) == 1 &&
                 getBound(norm.getX(), 1) == 1;
    for (Operation *user : norm.getInto().getUsers()) {
      auto product = dyn_cast<LinearOp>(user);
      fuses &= user == norm || (product && scalesBy(product, norm));
      if (product)
        products.push_back(product);
    }
    if (!fuses || products.size() != 1)
      continue;
    LinearOp product = products.front();
    product->setAttr(kInverseRMSAttr, norm.getEpsAttr());
    product.getRowScalesMutable().clear();
    norm.erase();
  }
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

LogicalResult ProgramLowering::run() {
  fuseNorms(program);
  program.walk([](Block *block) {
    if (block->mightHaveTerminator())
      sinkStores(*block);
  });
  return lowerBlock(program.getBody().front(), {});
}

LogicalResult ProgramLowering::lowerBlock(Block &block,
                                          ArrayRef<Guard> guards) {
  SmallVector<Operation *> ops, scalars;
  for (Operation &op : block)
    ops.push_back(&op);
  for (Operation *op : ops) {
    bool ends = hasKernel(op) || isa<scf::IfOp>(op) || isa<gpu::MemcpyOp>(op) ||
                op->hasTrait<OpTrait::IsTerminator>();
    if (ends && !scalars.empty()) {
      if (failed(lowerScalars(scalars, guards)))
        return failure();
      scalars.clear();
    }
    if (isScalarCode(op))
      scalars.push_back(op);
    else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      if (failed(lowerBranch(branch, guards)))
        return failure();
    } else if (hasKernel(op) && failed(lowerOp(op, guards))) {
      return failure();
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

/// A number of its own behind the arena, for what a kernel counts.
Value ProgramLowering::placeCount() {
  BlockArgument arena = mod::getArgument(program, role::kArena);
  auto type = cast<MemRefType>(arena.getType());
  int64_t offset = type.getNumElements(), bytes = offset + 64;
  OpBuilder builder = OpBuilder::atBlockBegin(&program.getBody().front());
  arena.setType(MemRefType::get({bytes}, builder.getI8Type()));
  program.setFunctionType(builder.getFunctionType(
      program.getBody().getArgumentTypes(), program.getResultTypes()));
  program->setAttr("mod.arena_bytes", builder.getI64IntegerAttr(bytes));
  Location loc = program.getLoc();
  Value shift = arith::ConstantIndexOp::create(builder, loc, offset);
  return memref::ViewOp::create(builder, loc,
                                MemRefType::get({1}, builder.getI64Type()),
                                arena, shift, ValueRange());
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

LogicalResult ProgramLowering::lowerOp(Operation *op, ArrayRef<Guard> guards) {
  OpBuilder builder(op);
  if (auto copy = dyn_cast<memref::CopyOp>(op)) {
    auto linalgCopy = linalg::CopyOp::create(
        builder, op->getLoc(), copy.getSource(), copy.getTarget());
    copy.erase();
    op = linalgCopy;
  }
  if (failed(verifyGpuKernel(op)))
    return failure();
  auto select = dyn_cast<SelectOp>(op);
  Value count = select ? placeCount() : Value();
  if (failed(outliner.outline(builder, op, guards, count)))
    return failure();
  if (select)
    readCount(builder, select, count);
  op->erase();
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
}
