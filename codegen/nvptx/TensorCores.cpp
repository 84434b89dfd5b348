//===- TensorCores.cpp - What products of small matrices take -------------===//
//
// Copies to shared memory, fragments of matrices from there, and their
// products.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/TensorCores.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::mod;

bool mod::hasChunks(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  return type.getElementType().isBF16() &&
         strides[type.getRank() - 2] % kChunk == 0 && strides.back() == 1;
}

void mod::emitAsyncCopy(ThreadBuilder &b, Value into, ValueRange place,
                        Value source, ValueRange from, Value inside) {
  Value zero = b.index(0);
  Values known(from);
  for (Value &index : known)
    index = b.select(inside, index, zero);
  Value count = b.select(inside, b.index(kChunk), zero);
  nvgpu::DeviceAsyncCopyOp::create(
      b, nvgpu::DeviceAsyncTokenType::get(b.getContext()), into, place, source,
      known, b.getIndexAttr(kChunk), count, b.getUnitAttr());
}

void mod::emitCommit(ThreadBuilder &b) {
  NVVM::CpAsyncCommitGroupOp::create(b);
}

void mod::emitWait(ThreadBuilder &b, int64_t groups) {
  NVVM::CpAsyncWaitGroupOp::create(b, groups);
}

/// The same bits as one register.
static Value toRegister(ThreadBuilder &b, Value pair) {
  auto type = VectorType::get({1}, b.getI32Type());
  return vector::ExtractOp::create(b, vector::BitCastOp::create(b, type, pair),
                                   0);
}

Values mod::loadMatrices(ThreadBuilder &b, Value tile, ValueRange place,
                         bool transposed) {
  auto type = VectorType::get({4, 2}, b.getBF16Type());
  Value loaded = nvgpu::LdMatrixOp::create(b, type, tile, place, transposed,
                                           /*numTiles=*/4);
  Values registers;
  for (int64_t i = 0; i < 4; ++i)
    registers.push_back(toRegister(b, vector::ExtractOp::create(b, loaded, i)));
  return registers;
}

Value mod::packPair(ThreadBuilder &b, Value low, Value high) {
  Value pair = vector::FromElementsOp::create(
      b, VectorType::get({2}, b.getF32Type()), ValueRange{low, high});
  return toRegister(b, arith::TruncFOp::create(
                           b, VectorType::get({2}, b.getBF16Type()), pair));
}

Values mod::multiplyMatrices(ThreadBuilder &b, ValueRange x, ValueRange w,
                             ValueRange sums) {
  auto result = LLVM::LLVMStructType::getLiteral(
      b.getContext(), SmallVector<Type>(kMmaSums, b.getF32Type()));
  Value product = NVVM::MmaOp::create(
      b, result, x, w, sums,
      ArrayRef<int64_t>{kMmaRows, kMmaColumns, kMmaInner},
      /*b1Op=*/std::nullopt, /*intOverflow=*/std::nullopt,
      std::array{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16},
      std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Values next;
  for (int64_t i = 0; i < kMmaSums; ++i)
    next.push_back(LLVM::ExtractValueOp::create(b, product, i));
  return next;
}
