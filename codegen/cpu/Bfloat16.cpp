//===- Bfloat16.cpp - Values that are kept in half the bytes --------------===//
//
// A bf16 is the upper half of an f32. Integer arithmetic on this does without
// the library that conversions call where the CPU has none.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Bfloat16.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace mlir::mod;

/// The type of `like` with other elements.
static Type withElement(Type like, Type element) {
  if (auto vector = dyn_cast<VectorType>(like))
    return vector.clone(element);
  return element;
}

static Value constant(KernelBuilder &b, Type type, int64_t value) {
  TypedAttr attr = b.getI32IntegerAttr(value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return arith::ConstantOp::create(b, attr);
}

Value mod::widen(KernelBuilder &b, Value x) {
  Type type = x.getType();
  if (!getElementTypeOrSelf(type).isBF16())
    return x;
  Type halves = withElement(type, b.getI16Type());
  Type words = withElement(type, b.getI32Type());
  Value bits = arith::BitcastOp::create(b, halves, x);
  bits = arith::ExtUIOp::create(b, words, bits);
  bits = arith::ShLIOp::create(b, bits, constant(b, words, 16));
  return arith::BitcastOp::create(b, withElement(type, b.getF32Type()), bits);
}

/// A bf16 is the upper half of an f32.
Values mod::splitPairs(KernelBuilder &b, Value pairs) {
  Value words = vector::BitCastOp::create(b, b.ints(), pairs);
  Value first = arith::ShLIOp::create(b, words, b.splatInt(16));
  Value second = arith::AndIOp::create(b, words, b.splatInt(0xFFFF0000));
  return {arith::BitcastOp::create(b, b.floats(), first),
          arith::BitcastOp::create(b, b.floats(), second)};
}

/// An instruction of AVX512_BF16.
static Value callBfloat16(KernelBuilder &b, StringRef name, Type result,
                          ValueRange arguments) {
  auto full = b.getStringAttr("llvm.x86.avx512bf16." + name + ".512");
  return LLVM::CallIntrinsicOp::create(b, result, full, arguments).getResult(0);
}

Value mod::dotPairs(KernelBuilder &b, Value x, Value y, Value sum) {
  return callBfloat16(b, "dpbf16ps", sum.getType(), {sum, x, y});
}

/// Half of the lowest bit that stays, or just below where that bit is even,
/// carries into it.
static Value toBfloat16(KernelBuilder &b, Value x) {
  if (b.target.hasBF16Rounding() && x.getType() == b.floats())
    return callBfloat16(b, "cvtneps2bf16", b.vectorType(b.getBF16Type()), x);
  Type words = withElement(x.getType(), b.getI32Type());
  Value bits = arith::BitcastOp::create(b, words, x);
  Value shift = constant(b, words, 16);
  Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, shift),
                                    constant(b, words, 1));
  Value up = arith::AddIOp::create(b, odd, constant(b, words, 0x7fff));
  bits = arith::ShRUIOp::create(b, arith::AddIOp::create(b, bits, up), shift);
  Value half =
      arith::TruncIOp::create(b, withElement(words, b.getI16Type()), bits);
  return arith::BitcastOp::create(b, withElement(words, b.getBF16Type()), half);
}

Value mod::narrowTo(KernelBuilder &b, Value memref, Value x) {
  Type element = getElementTypeOrSelf(memref.getType());
  return element.isBF16() ? toBfloat16(b, x) : x;
}
