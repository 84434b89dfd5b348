//===- PadRows.cpp - Rows that do not meet in the cache ---------*- C++ -*-===//
//
// Moves rows apart that lie in a few sets of the first level cache.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "dialect/ModDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Remarks.h"

namespace mlir::mod {
#define GEN_PASS_DEF_PADROWSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

/// Bytes of a line, and of a sixteenth of a way of the first level cache, which
/// has 64 lines a way on all x86-64 CPUs (Intel's and AMD's optimisation
/// manuals). Rows at such distances share a quarter of its sets at most, with
/// panels and outputs.
static constexpr int64_t kLine = 64, kSixteenth = 256;

namespace {
struct PadRowsPass : mod::impl::PadRowsPassBase<PadRowsPass> {
  void runOnOperation() override;
};
} // namespace

static int64_t getElementBytes(MemRefType type) {
  return type.getElementTypeBitWidth() / 8;
}

/// Whether a buffer has several rows that meet in few sets of the cache.
static bool hasAliasingRows(MemRefType type) {
  if (type.getRank() < 2 || type.isDynamicDim(type.getRank() - 1) ||
      llvm::all_of(type.getShape().drop_back(),
                   [](int64_t size) { return size == 1; }))
    return false;
  int64_t rowBytes = type.getShape().back() * getElementBytes(type);
  return rowBytes > 0 && rowBytes % kSixteenth == 0;
}

/// Whether all users of a buffer and of its parts take any strides.
static bool canHaveStrides(Value buffer) {
  return llvm::all_of(buffer.getUsers(), [](Operation *user) {
    if (isa<memref::SubViewOp>(user))
      return canHaveStrides(user->getResult(0));
    return isa<linalg::LinalgOp, memref::LoadOp, memref::StoreOp,
               memref::CopyOp, memref::DimOp, memref::DeallocOp>(user) ||
           isa<ModDialect>(user->getDialect());
  });
}

/// Gives the parts of a buffer the strides that it has now.
static void updateParts(Value buffer) {
  for (Operation *user : buffer.getUsers()) {
    auto part = dyn_cast<memref::SubViewOp>(user);
    if (!part || part.getSource() != buffer)
      continue;
    part.getResult().setType(memref::SubViewOp::inferRankReducedResultType(
        part.getType().getShape(), cast<MemRefType>(buffer.getType()),
        part.getMixedOffsets(), part.getMixedSizes(), part.getMixedStrides()));
    updateParts(part);
  }
}

/// Makes a buffer the part without the padding of one whose rows are a line
/// longer.
static void padRows(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  SmallVector<int64_t> shape(type.getShape());
  shape.back() += kLine / getElementBytes(type);
  OpBuilder builder(alloc);
  auto padded = memref::AllocOp::create(
      builder, alloc.getLoc(), MemRefType::get(shape, type.getElementType()),
      alloc.getDynamicSizes(), alloc.getAlignmentAttr());
  SmallVector<OpFoldResult> sizes = alloc.getMixedSizes();
  SmallVector<OpFoldResult> offsets(shape.size(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(shape.size(), builder.getIndexAttr(1));
  Value rows = memref::SubViewOp::create(builder, alloc.getLoc(), padded,
                                         offsets, sizes, strides);
  for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
    if (isa<memref::DeallocOp>(user))
      user->setOperand(0, padded);
  alloc.replaceAllUsesWith(rows);
  alloc.erase();
  updateParts(rows);
}

void PadRowsPass::runOnOperation() {
  SmallVector<memref::AllocOp> padded;
  int64_t left = 0;
  getOperation().walk([&](memref::AllocOp alloc) {
    if (!hasAliasingRows(alloc.getType()))
      return;
    if (canHaveStrides(alloc))
      padded.push_back(alloc);
    else
      ++left;
  });
  for (memref::AllocOp alloc : padded)
    padRows(alloc);
  if (padded.empty() && left == 0)
    return;
  remark::analysis(getOperation().getLoc(),
                   remark::RemarkOpts::name("rows")
                       .category("mod-pad-rows")
                       .function(getOperation().getName()))
      << "padded the rows of "
      << remark::metric("buffers", int64_t(padded.size())) << " buffers, "
      << remark::metric("left", left) << " need contiguous rows";
}
