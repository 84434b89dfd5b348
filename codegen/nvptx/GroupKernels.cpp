//===- GroupKernels.cpp - What one kernel does ------------------*- C++ -*-===//
//
// Of a decode step a launch takes longer than small ops do: products do what
// is before and behind them, rotations and caches the norms of heads.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/DeviceMemory.h"
#include "codegen/nvptx/Kernels.h"
#include "codegen/nvptx/Passes.h"
#include "dialect/Programs.h"

namespace mlir::mod {
#define GEN_PASS_DEF_GROUPKERNELSPASS
#include "codegen/nvptx/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct GroupKernelsPass : mod::impl::GroupKernelsPassBase<GroupKernelsPass> {
  void runOnOperation() override;
};
} // namespace

static bool usesRoot(Operation *op, Value root) {
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    return isa<MemRefType>(operand.getType()) && getRoot(operand) == root;
  });
}

/// Whether an op has no effect of its own on buffers.
static bool isIdle(Operation *op) {
  return isPure(op) || isa<memref::AllocOp>(op);
}

//===----------------------------------------------------------------------===//
// What is before products
//===----------------------------------------------------------------------===//

static bool hasOneRow(Value buffer) {
  return getBound(buffer, 0) == 1 && getBound(buffer, 1) == 1;
}

/// Whether `later` may read `x` where `op` does: it comes later, and nothing in
/// between works on `x`.
static bool canReadLater(Operation *later, Operation *op, Value x) {
  if (later->getBlock() != op->getBlock() || !op->isBeforeInBlock(later))
    return false;
  Value root = getRoot(x);
  for (Operation *other = op->getNextNode(); other != later;
       other = other->getNextNode())
    if (!isIdle(other) && !isa<InverseRMSOp, QuantizeOp>(other) &&
        (other->getNumRegions() || usesRoot(other, root)))
      return false;
  return true;
}

static bool canReadInstead(LinearOp product, Operation *op, Value x) {
  return !product.getRows() && canReadLater(product, op, x) &&
         getRoot(product.getInto()) != getRoot(x);
}

/// The products that read what `op` writes, if nothing else does.
template <typename OpT>
static SmallVector<LinearOp>
findProducts(OpT op, function_ref<bool(LinearOp)> canFuse) {
  SmallVector<LinearOp> products;
  for (Operation *user : op.getInto().getUsers()) {
    if (user == op)
      continue;
    auto product = dyn_cast<LinearOp>(user);
    if (!product || !canFuse(product))
      return {};
    products.push_back(product);
  }
  return products;
}

/// Removes an op that products do themselves, and its buffer.
template <typename OpT>
static void eraseWithBuffer(OpT op) {
  auto alloc = op.getInto().template getDefiningOp<memref::AllocOp>();
  op.erase();
  if (alloc && alloc->use_empty())
    alloc.erase();
}

static void fuseRounding(QuantizeOp op) {
  Value x = op.getX();
  if (op.getRows() || op.getScales() || !hasOneRow(x) ||
      getBound(x, 2) != getBound(op.getInto(), 2))
    return;
  SmallVector<LinearOp> products = findProducts(op, [&](LinearOp product) {
    return product.getInput() == op.getInto() && canReadInstead(product, op, x);
  });
  if (products.empty())
    return;
  for (LinearOp product : products) {
    product.getInputMutable().assign(x);
    product->setAttr(kRoundInputAttr, UnitAttr::get(op.getContext()));
  }
  eraseWithBuffer(op);
}

static void fuseNorm(InverseRMSOp op) {
  Value x = op.getX();
  if (op.getRows() || !hasOneRow(x))
    return;
  SmallVector<LinearOp> products = findProducts(op, [&](LinearOp product) {
    return product.getRowScales() == op.getInto() && product.getInput() == x &&
           canReadInstead(product, op, x);
  });
  // Each product would compute the norm once more.
  if (products.size() != 1)
    return;
  LinearOp product = products.front();
  product->setAttr(kInverseRMSAttr, op.getEpsAttr());
  product.getRowScalesMutable().clear();
  eraseWithBuffer(op);
}

//===----------------------------------------------------------------------===//
// What is behind products
//===----------------------------------------------------------------------===//

/// Whether an op computes each element of its result from the same elements of
/// its operands.
static bool isElementwise(linalg::LinalgOp op) {
  return op.hasPureBufferSemantics() && op.getNumDpsInits() == 1 &&
         op.getNumParallelLoops() == op.getNumLoops() &&
         !op.hasIndexSemantics() &&
         llvm::all_of(op.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isIdentity(); });
}

/// Whether the thread that has an output of a product can go on with it: what
/// it writes nobody else reads or writes, and of the product's result it reads
/// this output alone.
static bool canFollow(linalg::LinalgOp op, LinearOp product) {
  Value result = product.getInto();
  auto type = cast<MemRefType>(result.getType());
  if (!isElementwise(op) || product.getIndices() || !type.hasStaticShape() ||
      op.getStaticLoopRanges() != SmallVector<int64_t>(type.getShape()))
    return false;
  for (Value operand : op->getOperands())
    if (isa<MemRefType>(operand.getType()) && operand != result &&
        getRoot(operand) == getRoot(result))
      return false;
  Value into = op.getDpsInits().front();
  return into == result || !usesRoot(product, getRoot(into));
}

static bool readsResult(linalg::LinalgOp op, LinearOp product) {
  return llvm::is_contained(op.getDpsInputs(), product.getInto());
}

/// The elementwise op next to a product that computes with its result.
static linalg::LinalgOp findFollower(LinearOp product) {
  Operation *op = product->getNextNode();
  while (op && isIdle(op) && !op->hasTrait<OpTrait::IsTerminator>())
    op = op->getNextNode();
  auto follower = dyn_cast_or_null<linalg::LinalgOp>(op);
  if (follower && readsResult(follower, product) &&
      canFollow(follower, product))
    return follower;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Norms of heads
//===----------------------------------------------------------------------===//

/// How many heads of `x` an op rotates or writes to a cache; 0 for others.
static int64_t countHeads(Operation *op, Value x) {
  if (auto rope = dyn_cast<RopeOp>(op))
    return rope.getX() == x ? rope.getHeads() : 0;
  auto append = dyn_cast<AppendPanelsOp>(op);
  return append && append.getKey() == x ? getBound(append.getKeys(), 0) : 0;
}

/// The rotation, or the write to a cache, that alone reads the heads that a
/// norm makes, and may make them itself.
static Operation *findReader(RMSNormOp norm) {
  Value heads = norm.getInto();
  if (!norm.getHeads() || norm.getX() == heads ||
      !heads.getDefiningOp<memref::AllocOp>() ||
      !llvm::hasNItems(heads.getUsers(), 2))
    return nullptr;
  Operation *reader = *llvm::find_if(
      heads.getUsers(), [&](Operation *user) { return user != norm; });
  if (countHeads(reader, heads) != norm.getNumHeads() ||
      !canReadLater(reader, norm, norm.getX()))
    return nullptr;
  auto rope = dyn_cast<RopeOp>(reader);
  bool isInPlace = rope && getRoot(rope.getInto()) == getRoot(norm.getX());
  return isInPlace ? nullptr : reader;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// In a region of their own, both are at one time as far as buffers are
/// concerned.
static void group(Operation *op, Operation *next) {
  OpBuilder builder(next);
  auto region = scf::ExecuteRegionOp::create(builder, op->getLoc(), TypeRange(),
                                             /*no_inline=*/true);
  Block *block = builder.createBlock(&region.getRegion());
  Operation *end = scf::YieldOp::create(builder, op->getLoc());
  op->moveBefore(block, end->getIterator());
  next->moveBefore(block, end->getIterator());
}

void GroupKernelsPass::runOnOperation() {
  for (func::FuncOp program : getPrograms(getOperation())) {
    program.walk([](QuantizeOp op) { fuseRounding(op); });
    // Once products read what norms are of.
    program.walk([](InverseRMSOp op) { fuseNorm(op); });
    SmallVector<LinearOp> products;
    program.walk([&](LinearOp op) { products.push_back(op); });
    for (LinearOp product : products)
      if (linalg::LinalgOp follower = findFollower(product))
        group(product, follower);
    SmallVector<RMSNormOp> norms;
    program.walk([&](RMSNormOp op) { norms.push_back(op); });
    for (RMSNormOp norm : norms)
      if (Operation *reader = findReader(norm))
        group(norm, reader);
  }
}
