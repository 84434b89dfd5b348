//===- Rotation.cpp - Kernels of rotary position embeddings ---------------===//
//
// Rotated queries, and keys that are rotated on their way into a cache.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// Adding and subtracting it rounds to an integer, which the low bits of the
/// sum hold.
static constexpr double roundingMagic = 12582912.0; // 1.5 * 2^23

/// `coefficients[0] + coefficients[1] x + ...`
static Value emitPolynomial(ThreadBuilder &b, Value x,
                            ArrayRef<double> coefficients) {
  Value result = b.f32(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    result = b.fma(result, x, b.f32(coefficient));
  return result;
}

/// `value`, negated where bit 1 of `quadrant` is set.
static Value emitSign(ThreadBuilder &b, Value value, Value quadrant) {
  Value sign = arith::ShLIOp::create(b, b.both(quadrant, b.i32(2)), b.i32(30));
  Value bits = arith::BitcastOp::create(b, b.getI32Type(), value);
  return arith::BitcastOp::create(b, b.getF32Type(),
                                  arith::XOrIOp::create(b, bits, sign));
}

/// sin and cos of |r| <= pi / 4 (the polynomials of the Cephes library).
static std::pair<Value, Value> emitReducedCosSin(ThreadBuilder &b, Value r) {
  Value square = b.mulf(r, r);
  Value sine = emitPolynomial(
      b, square, {-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4});
  sine = b.fma(b.mulf(sine, square), r, r);
  Value cosine = emitPolynomial(b, square,
                                {1.0, -0.5, 4.166664568298827e-2,
                                 -1.388731625493765e-3, 2.443315711809948e-5});
  return {cosine, sine};
}

std::pair<Value, Value> mod::emitCosSin(ThreadBuilder &b, Value x) {
  // r = x - n pi / 2, with pi / 2 in three parts of few bits.
  Value magic = b.f32(roundingMagic);
  Value shifted = b.addf(b.mulf(x, b.f32(2.0 / M_PI)), magic);
  Value n = b.subf(shifted, magic);
  Value r = b.fma(n, b.f32(-1.5703125), x);
  r = b.fma(n, b.f32(-4.837512969970703125e-4), r);
  r = b.fma(n, b.f32(-7.54978995489188216e-8), r);
  auto [cosine, sine] = emitReducedCosSin(b, r);

  Value quadrant = arith::BitcastOp::create(b, b.getI32Type(), shifted);
  Value even = b.eq(b.both(quadrant, b.i32(1)), b.i32(0));
  Value sineOf = b.select(even, sine, cosine);
  Value cosineOf = b.select(even, cosine, sine);
  return {emitSign(b, cosineOf, b.add(quadrant, b.i32(1))),
          emitSign(b, sineOf, quadrant)};
}

namespace {
/// The frequencies of a rotation, as a constant of the kernels' module.
class Frequencies {
public:
  Frequencies(ThreadBuilder &b, double theta, int64_t headDim);

  /// The cosine and sine for pair `i` of a head at a position.
  std::pair<Value, Value> emitAngle(Value position, Value i) {
    Value scalar = arith::SIToFPOp::create(b, b.getF32Type(), position);
    return emitCosSin(b, b.mulf(scalar, b.load(table, {i})));
  }

private:
  ThreadBuilder &b;
  Value table;
};
} // namespace

Frequencies::Frequencies(ThreadBuilder &b, double theta, int64_t headDim)
    : b(b) {
  SmallVector<float> values;
  for (int64_t i : llvm::seq(headDim / 2))
    values.push_back(std::pow(theta, -2.0 * double(i) / double(headDim)));
  auto type = MemRefType::get({headDim / 2}, b.getF32Type());
  auto content = DenseElementsAttr::get(
      RankedTensorType::get(type.getShape(), type.getElementType()),
      ArrayRef(values));
  auto module =
      b.getInsertionBlock()->getParentOp()->getParentOfType<gpu::GPUModuleOp>();
  std::string name = llvm::formatv("frequencies_{0}_{1:x}", headDim,
                                   llvm::bit_cast<uint64_t>(theta));
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    memref::GlobalOp::create(b, name, b.getStringAttr("private"), type, content,
                             /*constant=*/true, /*alignment=*/IntegerAttr());
  }
  table = memref::GetGlobalOp::create(b, type, name);
}

/// Rotates the pair that the elements `i` and `i + half` of a head are.
static std::pair<Value, Value> emitRotated(ThreadBuilder &b, Value x, Value y,
                                           std::pair<Value, Value> angle) {
  auto [cosine, sine] = angle;
  Value negated = b.subf(b.f32(0.0), sine);
  return {b.fma(x, cosine, b.mulf(y, negated)),
          b.fma(y, cosine, b.mulf(x, sine))};
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, RopeOp op) {
  int64_t headDim = getBound(op.getX(), 2) / int64_t(op.getHeads());
  int64_t half = headDim / 2;
  Frequencies frequencies(b, op.getTheta().convertToDouble(), headDim);
  return emitElements(
      b, b.dim(op.getX(), 1), half * int64_t(op.getHeads()),
      [&](Value row, Value pair) {
        Value zero = b.index(0), i = b.rem(pair, half);
        Value low = b.add(b.mul(b.div(pair, half), headDim), i);
        Value high = b.add(low, b.index(half));
        Value position = b.load(op.getPositions(), {zero, row});
        Value lowAt[] = {zero, row, low}, highAt[] = {zero, row, high};
        auto [x, y] =
            emitRotated(b, b.load(op.getX(), lowAt), b.load(op.getX(), highAt),
                        frequencies.emitAngle(position, i));
        b.store(x, op.getInto(), lowAt);
        b.store(y, op.getInto(), highAt);
      });
}

namespace {
/// Writes elements of keys and values to a cache.
struct CacheWriter {
  ThreadBuilder &b;
  AppendPanelsOp op;
  Value row, head;

  Value token() { return b.add(op.getFirst(), row); }
  Values from(Value column) {
    Value first = b.mul(head, getBound(op.getKeys(), 2));
    return {b.index(0), row, b.add(first, column)};
  }
  void storeKey(Value x, Value column) {
    int64_t panel = getBound(op.getKeys(), 3);
    b.store(x, op.getKeys(),
            {head, b.div(token(), panel), column, b.rem(token(), panel)});
  }
  void copyValue(Value column) {
    int64_t panel = getBound(op.getValues(), 3);
    b.store(b.load(op.getValue(), from(column)), op.getValues(),
            {head, b.div(column, panel), token(), b.rem(column, panel)});
  }
  /// Once for each token.
  void keepPosition(Value item) {
    b.ifThen(b.eq(item, b.index(0)), [&] {
      Value position = b.load(op.getRowPositions(), {b.index(0), row});
      b.store(position, op.getKept(), {token()});
    });
  }
  void rotateKey(Frequencies &frequencies, Value i, Value high) {
    Value position = b.load(op.getPositions(), {b.index(0), row});
    auto [x, y] = emitRotated(b, b.load(op.getKey(), from(i)),
                              b.load(op.getKey(), from(high)),
                              frequencies.emitAngle(position, i));
    storeKey(x, i);
    storeKey(y, high);
  }
};
} // namespace

/// A thread writes a pair of one head's elements, or one element where keys
/// are not rotated.
Geometry mod::emitGpuKernel(ThreadBuilder &b, AppendPanelsOp op) {
  int64_t kvHeads = getBound(op.getKeys(), 0);
  int64_t headDim = getBound(op.getKeys(), 2), half = headDim / 2;
  int64_t items = op.getPositions() ? half : headDim;
  std::optional<Frequencies> frequencies;
  if (op.getPositions())
    frequencies.emplace(b, op.getTheta()->convertToDouble(), headDim);
  return emitElements(
      b, b.dim(op.getKey(), 1), items * kvHeads, [&](Value row, Value item) {
        CacheWriter writer{b, op, row, b.div(item, items)};
        Value i = b.rem(item, items);
        if (op.getKept())
          writer.keepPosition(item);
        writer.copyValue(i);
        if (!frequencies)
          return writer.storeKey(b.load(op.getKey(), writer.from(i)), i);
        Value high = b.add(i, b.index(half));
        writer.copyValue(high);
        writer.rotateKey(*frequencies, i, high);
      });
}
