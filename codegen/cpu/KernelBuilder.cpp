//===- KernelBuilder.cpp - Write a kernel in a few words ------------------===//
//
// Constants, arithmetic and memory; loops are in VectorLoops.cpp.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/KernelBuilder.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::mod;

//===----------------------------------------------------------------------===//
// Constants and types
//===----------------------------------------------------------------------===//

Value KernelBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, value);
}

Value KernelBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(value));
}

Value KernelBuilder::f32(double value) {
  return arith::ConstantOp::create(*this, getF32FloatAttr(value));
}

VectorType KernelBuilder::vectorType(Type element) {
  return VectorType::get({target.getLanes()}, element);
}

Value KernelBuilder::splat(double value) {
  return arith::ConstantOp::create(
      *this, DenseElementsAttr::get(floats(), float(value)));
}

Value KernelBuilder::splatInt(int64_t value) {
  return arith::ConstantOp::create(
      *this, DenseElementsAttr::get(ints(), int32_t(value)));
}

Value KernelBuilder::broadcast(Value scalar) {
  return vector::BroadcastOp::create(*this, vectorType(scalar.getType()),
                                     scalar);
}

Value KernelBuilder::iota(Value first) {
  auto lanes = llvm::to_vector(llvm::seq<int32_t>(0, target.getLanes()));
  Value steps = arith::ConstantOp::create(
      *this, DenseIntElementsAttr::get(ints(), ArrayRef<int32_t>(lanes)));
  return arith::AddIOp::create(*this, broadcast(toI32(first)), steps);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::add(Value a, Value b) {
  return createOrFold<arith::AddIOp>(a, b);
}

Value KernelBuilder::sub(Value a, Value b) {
  return createOrFold<arith::SubIOp>(a, b);
}

Value KernelBuilder::mul(Value a, Value b) {
  return createOrFold<arith::MulIOp>(a, b);
}

Value KernelBuilder::div(Value a, Value b) {
  return createOrFold<arith::DivUIOp>(a, b);
}

Value KernelBuilder::div(Value a, int64_t b) { return div(a, index(b)); }

Value KernelBuilder::rem(Value a, Value b) {
  return createOrFold<arith::RemUIOp>(a, b);
}

Value KernelBuilder::ceilDiv(Value a, Value b) {
  return div(add(a, sub(b, index(1))), b);
}

Value KernelBuilder::min(Value a, Value b) {
  return createOrFold<arith::MinUIOp>(a, b);
}

Value KernelBuilder::less(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ult, a, b);
}

Value KernelBuilder::toI32(Value index) {
  return createOrFold<arith::IndexCastOp>(getI32Type(), index);
}

Value KernelBuilder::toIndex(Value integer) {
  return createOrFold<arith::IndexCastOp>(getIndexType(), integer);
}

Value KernelBuilder::addf(Value a, Value b) {
  return arith::AddFOp::create(*this, a, b);
}

Value KernelBuilder::subf(Value a, Value b) {
  return arith::SubFOp::create(*this, a, b);
}

Value KernelBuilder::mulf(Value a, Value b) {
  return arith::MulFOp::create(*this, a, b);
}

Value KernelBuilder::divf(Value a, Value b) {
  return arith::DivFOp::create(*this, a, b);
}

/// x86's maximum is one instruction only where NaN and the sign of zero do
/// not matter.
static constexpr auto ordered =
    arith::FastMathFlags::nnan | arith::FastMathFlags::nsz;

Value KernelBuilder::maxf(Value a, Value b) {
  return arith::MaximumFOp::create(*this, a, b, ordered);
}

Value KernelBuilder::minf(Value a, Value b) {
  return arith::MinimumFOp::create(*this, a, b, ordered);
}

Value KernelBuilder::fma(Value a, Value b, Value c) {
  return vector::FMAOp::create(*this, a, b, c);
}

Value KernelBuilder::sum(Value vector) {
  return vector::ReductionOp::create(*this, vector::CombiningKind::ADD, vector,
                                     arith::FastMathFlags::reassoc);
}

Value KernelBuilder::maximum(Value vector) {
  return vector::ReductionOp::create(*this, vector::CombiningKind::MAXIMUMF,
                                     vector,
                                     ordered | arith::FastMathFlags::reassoc);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelBuilder::dim(Value memref, int64_t dim) {
  return createOrFold<memref::DimOp>(memref, index(dim));
}

Value KernelBuilder::load(Value memref, ValueRange indices) {
  return memref::LoadOp::create(*this, memref, indices);
}

void KernelBuilder::store(Value value, Value memref, ValueRange indices) {
  memref::StoreOp::create(*this, value, memref, indices);
}

Value KernelBuilder::loadWord(Value memref, ValueRange indices,
                              int64_t numbers) {
  auto type = VectorType::get(numbers, getElementTypeOrSelf(memref));
  Value loaded = vector::LoadOp::create(*this, type, memref, indices);
  auto word = VectorType::get(1, getI32Type());
  Value bits = vector::BitCastOp::create(*this, word, loaded);
  return broadcast(vector::ExtractOp::create(*this, bits, 0));
}

void KernelBuilder::prefetch(Value memref, ValueRange indices, unsigned level,
                             bool isWrite) {
  memref::PrefetchOp::create(*this, memref, indices, isWrite,
                             /*localityHint=*/4 - level, /*isDataCache=*/true);
}

int64_t KernelBuilder::getLineSize(Value memref) {
  constexpr int64_t lineBits = 64 * 8;
  return lineBits / getElementTypeOrSelf(memref).getIntOrFloatBitWidth();
}

Value KernelBuilder::load(Value memref, ArrayRef<Value> indices,
                          Columns columns) {
  VectorType type =
      vectorType(cast<MemRefType>(memref.getType()).getElementType());
  Values all(indices);
  all.push_back(columns.index);
  if (!columns.mask)
    return vector::LoadOp::create(*this, type, memref, all);
  Value zero = arith::ConstantOp::create(*this, getZeroAttr(type));
  return vector::MaskedLoadOp::create(*this, type, memref, all, columns.mask,
                                      zero);
}

void KernelBuilder::store(Value vector, Value memref, ArrayRef<Value> indices,
                          Columns columns) {
  Values all(indices);
  all.push_back(columns.index);
  if (columns.mask)
    vector::MaskedStoreOp::create(*this, memref, all, columns.mask, vector);
  else
    vector::StoreOp::create(*this, vector, memref, all);
}

Value KernelBuilder::scratch(ArrayRef<int64_t> shape, Type element) {
  auto type = MemRefType::get(shape, element ? element : getF32Type());
  return memref::AllocaOp::create(*this, type, getI64IntegerAttr(64));
}
