//===- BoxCopies.cpp - Tiles of a matrix that come by TMA -----------------===//
//
// Barriers of shared memory, and the copies that they count.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/BoxCopies.h"
#include "codegen/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "runtime/modrt.h"

using namespace mlir;
using namespace mlir::mod;

static_assert(kBoxRows == MODRT_BOX_ROWS &&
                  kBoxRowBytes == MODRT_BOX_COLUMNS * sizeof(uint16_t),
              "the runtime encodes tensor maps");

static constexpr int64_t kBarrierBytes = 8;

/// A pointer to some byte of a buffer.
static Value getPointer(ThreadBuilder &b, Value buffer, Value byte,
                        unsigned space) {
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, buffer);
  Value address =
      arith::IndexCastOp::create(b, b.getI64Type(), b.add(base, byte));
  return LLVM::IntToPtrOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), space), address);
}

static Value getSharedPointer(ThreadBuilder &b, Value buffer, Value byte) {
  return getPointer(b, buffer, byte,
                    static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
}

BoxCopies::BoxCopies(ThreadBuilder &b, Value map, Value tile)
    : b(b), map(map), tile(tile), stages(getBound(tile, 0)) {
  barriers = b.shared({stages}, b.getI64Type());
}

Value BoxCopies::getBarrier(Value stage) {
  return getSharedPointer(b, barriers, b.mul(stage, kBarrierBytes));
}

void BoxCopies::begin() {
  for (int64_t stage = 0; stage < stages; ++stage)
    NVVM::MBarrierInitOp::create(b, getBarrier(b.index(stage)), b.i32(1),
                                 /*predicate=*/Value());
  NVVM::FenceMbarrierInitOp::create(b);
  // The host wrote the map to global memory, where TMA reads it by a proxy of
  // its own: each block has to acquire it once (CUDA programming guide, "Using
  // TMA to transfer multi-dimensional arrays").
  NVVM::FenceProxyAcquireOp::create(b, NVVM::MemScopeKind::SYS,
                                    getPointer(b, map, b.index(0), /*space=*/0),
                                    b.i32(MODRT_TENSOR_MAP_BYTES));
}

void BoxCopies::copy(Value step, ValueRange rows, Value column) {
  Value stage = b.rem(step, stages), barrier = getBarrier(stage);
  constexpr int64_t boxBytes = kBoxRows * kBoxRowBytes;
  Value first = b.mul(stage, getBound(tile, 1) * kBoxRowBytes);
  NVVM::MBarrierArriveExpectTxOp::create(
      b, /*res=*/Type(), barrier, b.i32(int64_t(rows.size()) * boxBytes),
      NVVM::MemScopeKind::CTA, /*relaxed=*/false, /*predicate=*/Value());
  auto cluster = LLVM::LLVMPointerType::get(
      b.getContext(),
      static_cast<unsigned>(NVVM::NVVMMemorySpace::SharedCluster));
  for (auto [i, row] : llvm::enumerate(rows)) {
    Value to = getSharedPointer(b, tile, b.add(first, b.index(i * boxBytes)));
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
        b, LLVM::AddrSpaceCastOp::create(b, cluster, to),
        getPointer(b, map, b.index(0), /*space=*/0),
        ValueRange{b.toI32(column), b.toI32(row)}, barrier,
        /*im2colOffsets=*/ValueRange(), /*multicastMask=*/Value(),
        /*l2CacheHint=*/Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
        /*group=*/NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
  }
}

void BoxCopies::wait(Value step) {
  Value barrier = getBarrier(b.rem(step, stages));
  // Whether a stage is filled for the first time, the second, ...
  Value parity = b.toI32(b.rem(b.div(step, stages), 2));
  auto loop = scf::WhileOp::create(b, TypeRange(), ValueRange());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&loop.getBefore());
  Value done = NVVM::MBarrierTryWaitOp::create(
      b, b.getI1Type(), barrier, parity, /*ticks=*/Value(),
      NVVM::MemScopeKind::CTA, /*relaxed=*/false);
  Value yes = arith::ConstantOp::create(b, b.getBoolAttr(true));
  scf::ConditionOp::create(b, arith::XOrIOp::create(b, done, yes),
                           ValueRange());
  b.createBlock(&loop.getAfter());
  scf::YieldOp::create(b);
}
