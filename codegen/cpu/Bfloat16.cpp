//===- Bfloat16.cpp - Values that are kept in half the bytes --------------===//
//
// A bf16 is the upper half of an f32. Integer arithmetic on this does without
// the library that conversions call where the CPU has none.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Bfloat16.h"

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

/// Rounds to the nearest, to even where two are as near.
static Value toBfloat16(KernelBuilder &b, Value x) {
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
