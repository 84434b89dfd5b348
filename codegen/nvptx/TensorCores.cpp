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

int64_t mod::getChunk(Type element) {
  return kChunkBytes * 8 / element.getIntOrFloatBitWidth();
}

bool mod::hasChunks(Value buffer, Type element) {
  auto type = cast<MemRefType>(buffer.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  return type.getElementType() == element &&
         strides[type.getRank() - 2] % getChunk(element) == 0 &&
         strides.back() == 1;
}

bool mod::hasExactProducts(Type element) {
  return element.isBF16() || element.isF16();
}

void mod::emitAsyncCopy(ThreadBuilder &b, Value into, ValueRange place,
                        Value source, ValueRange from, Value inside) {
  int64_t chunk = getChunk(getElementTypeOrSelf(into));
  Value zero = b.index(0);
  Values known(from);
  for (Value &index : known)
    index = b.select(inside, index, zero);
  Value count = b.select(inside, b.index(chunk), zero);
  nvgpu::DeviceAsyncCopyOp::create(
      b, nvgpu::DeviceAsyncTokenType::get(b.getContext()), into, place, source,
      known, b.getIndexAttr(chunk), count, b.getUnitAttr());
}

void mod::emitCommit(ThreadBuilder &b) {
  NVVM::CpAsyncCommitGroupOp::create(b);
}

void mod::emitWait(ThreadBuilder &b, int64_t groups) {
  NVVM::CpAsyncWaitGroupOp::create(b, groups);
}

/// The same bits as one register.
static Value toRegister(ThreadBuilder &b, Value part) {
  auto type = VectorType::get({1}, b.getI32Type());
  return vector::ExtractOp::create(b, vector::BitCastOp::create(b, type, part),
                                   0);
}

/// What a fragment has in a register.
static Value loadRegister(ThreadBuilder &b, Value loaded, int64_t i) {
  Value part = vector::ExtractOp::create(b, loaded, i);
  if (!getElementTypeOrSelf(loaded).isF32())
    return toRegister(b, part);
  return NVVM::ConvertFloatToTF32Op::create(
      b, b.getI32Type(), b.extract(part, 0), NVVM::FPRoundingMode::RNA,
      NVVM::SaturationMode::NONE, /*relu=*/false);
}

Values mod::loadMatrices(ThreadBuilder &b, Value tile, ValueRange place,
                         bool transposed) {
  constexpr int64_t matrices = 4, registerBits = 32;
  Type element = getElementTypeOrSelf(tile);
  auto type = VectorType::get(
      {matrices, registerBits / element.getIntOrFloatBitWidth()}, element);
  Value loaded = nvgpu::LdMatrixOp::create(b, type, tile, place, transposed,
                                           /*numTiles=*/matrices);
  Values registers;
  for (int64_t i = 0; i < matrices; ++i)
    registers.push_back(loadRegister(b, loaded, i));
  return registers;
}

Value mod::packPair(ThreadBuilder &b, Value low, Value high, Type element) {
  Value pair = vector::FromElementsOp::create(
      b, VectorType::get({2}, b.getF32Type()), ValueRange{low, high});
  return toRegister(
      b, arith::TruncFOp::create(b, VectorType::get({2}, element), pair));
}

static NVVM::MMATypes getMmaType(Type element) {
  return element.isBF16()  ? NVVM::MMATypes::bf16
         : element.isF16() ? NVVM::MMATypes::f16
                           : NVVM::MMATypes::tf32;
}

/// NVVM has pairs of f16 as vectors, all else as registers.
static Values getOperands(ThreadBuilder &b, ValueRange registers,
                          Type element) {
  Values operands(registers);
  if (element.isF16())
    for (Value &operand : operands)
      operand =
          LLVM::BitcastOp::create(b, VectorType::get({2}, element), operand);
  return operands;
}

Values mod::multiplyMatrices(ThreadBuilder &b, ValueRange x, ValueRange w,
                             ValueRange sums, Type element) {
  auto result = LLVM::LLVMStructType::getLiteral(
      b.getContext(), SmallVector<Type>(kMmaSums, b.getF32Type()));
  NVVM::MMATypes type = getMmaType(element);
  Value product = NVVM::MmaOp::create(
      b, result, getOperands(b, x, element), getOperands(b, w, element), sums,
      ArrayRef<int64_t>{kMmaRows, kMmaColumns, kMmaChunks * getChunk(element)},
      /*b1Op=*/std::nullopt, /*intOverflow=*/std::nullopt,
      std::array{type, type},
      std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Values next;
  for (int64_t i = 0; i < kMmaSums; ++i)
    next.push_back(LLVM::ExtractValueOp::create(b, product, i));
  return next;
}
