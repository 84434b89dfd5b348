//===- Warpgroups.cpp - Products that four warps make together ------------===//
//
// `wgmma`: descriptors of its operands, and what orders it.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Warpgroups.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::mod;

/// Addresses of shared memory in a descriptor: 18 bits, without the last four.
static constexpr int64_t kAddressMask = 0x3ffff, kAddressShift = 4;

/// Where a descriptor has the distance of eight rows, and how chunks change
/// places (PTX ISA, "Matrix descriptor format").
static constexpr int64_t kStrideShift = 32, kSwizzleShift = 62;
static constexpr uint64_t kSwizzleOf64Bytes = 2;

static Value i64(ThreadBuilder &b, uint64_t value) {
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(int64_t(value)));
}

void mod::emitOperandFence(ThreadBuilder &b) {
  NVVM::FenceProxyOp::create(
      b,
      NVVM::ProxyKindAttr::get(b.getContext(), NVVM::ProxyKind::async_shared),
      NVVM::SharedSpaceAttr::get(b.getContext(),
                                 NVVM::SharedSpace::shared_cta));
}

Value mod::getDescriptor(ThreadBuilder &b, Value tile, Value stage, Value row) {
  int64_t rows = getBound(tile, 1);
  Value offset = b.mul(b.add(b.mul(stage, rows), row), kGroupRowBytes);
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, tile);
  Value address =
      arith::IndexCastOp::create(b, b.getI64Type(), b.add(base, offset));
  address = arith::AndIOp::create(b, address, i64(b, kAddressMask));
  address = arith::ShRUIOp::create(b, address, i64(b, kAddressShift));
  uint64_t stride = kGroupPatternBytes >> kAddressShift;
  Value layout =
      i64(b, stride << kStrideShift | kSwizzleOf64Bytes << kSwizzleShift);
  return arith::OrIOp::create(b, address, layout);
}

/// One product of 32 bytes of each row.
static Value multiply(ThreadBuilder &b, Value x, Value w, Value sums,
                      Type element) {
  MLIRContext *context = b.getContext();
  auto sumType = cast<LLVM::LLVMStructType>(sums.getType());
  // Of each eight columns a lane has four sums.
  int64_t columns = int64_t(sumType.getBody().size()) / kMmaSums * kMmaColumns;
  auto type = NVVM::WGMMATypesAttr::get(context, element.isF16()
                                                     ? NVVM::WGMMATypes::f16
                                                     : NVVM::WGMMATypes::bf16);
  auto one = NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one);
  auto layout = [&](NVVM::MMALayout layout) {
    return NVVM::MMALayoutAttr::get(context, layout);
  };
  return NVVM::WgmmaMmaAsyncOp::create(
      b, sumType, sums, x, w,
      NVVM::MMAShapeAttr::get(context, kGroupRows, columns,
                              kMmaChunks * getChunk(element)),
      type, type, NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::f32),
      NVVM::WGMMAScaleOutAttr::get(context, NVVM::WGMMAScaleOut::one), one, one,
      layout(NVVM::MMALayout::row), layout(NVVM::MMALayout::col),
      /*satfinite=*/NVVM::MMAIntOverflowAttr());
}

Values mod::multiplyGroups(ThreadBuilder &b, Value x, Value w, int64_t count,
                           ValueRange sums, Type element) {
  auto type = LLVM::LLVMStructType::getLiteral(
      b.getContext(), SmallVector<Type>(sums.size(), b.getF32Type()));
  Value all = LLVM::PoisonOp::create(b, type);
  for (auto [i, sum] : llvm::enumerate(sums))
    all = LLVM::InsertValueOp::create(b, all, sum, i);
  NVVM::WgmmaFenceAlignedOp::create(b);
  for (int64_t i = 0; i < count; ++i) {
    Value step = i64(b, i * kMmaChunks * kChunkBytes >> kAddressShift);
    all = multiply(b, b.add(x, step), b.add(w, step), all, element);
  }
  NVVM::WgmmaGroupSyncAlignedOp::create(b);
  NVVM::WgmmaWaitGroupSyncOp::create(b, /*group=*/0);
  Values next;
  for (int64_t i = 0, end = sums.size(); i < end; ++i)
    next.push_back(LLVM::ExtractValueOp::create(b, all, i));
  return next;
}
