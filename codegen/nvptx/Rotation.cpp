//===- Rotation.cpp - Kernels of rotary position embeddings ---------------===//
//
// Rotated queries, and keys that are rotated on their way into a cache. Both
// may be of heads that are normalised first: these have a warp each.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include "dialect/Rotary.h"
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

//===----------------------------------------------------------------------===//
// Angles
//===----------------------------------------------------------------------===//

namespace {
/// The frequencies of a rotation, as a constant of the kernels' module.
class Frequencies {
public:
  Frequencies(ThreadBuilder &b, const RotaryFrequencies &rotary);

  /// The cosine and sine for pair `i` of a head at a position.
  std::pair<Value, Value> emitAngle(Value position, Value i);

private:
  ThreadBuilder &b;
  double magnitude;
  Value table;
};
} // namespace

/// The constant of these numbers; a new one where the module has none.
static memref::GlobalOp getTable(ThreadBuilder &b, DenseElementsAttr numbers) {
  auto module =
      b.getInsertionBlock()->getParentOp()->getParentOfType<gpu::GPUModuleOp>();
  int64_t count = 0;
  for (auto global : module.getOps<memref::GlobalOp>()) {
    if (global.getInitialValueAttr() == numbers)
      return global;
    ++count;
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  auto type = MemRefType::get(numbers.getType().getShape(), b.getF32Type());
  return memref::GlobalOp::create(
      b, llvm::formatv("frequencies_{0}", count).str(),
      b.getStringAttr("private"), type, numbers,
      /*constant=*/true, /*alignment=*/IntegerAttr());
}

Frequencies::Frequencies(ThreadBuilder &b, const RotaryFrequencies &rotary)
    : b(b), magnitude(rotary.magnitude) {
  SmallVector<float> rounded(rotary.frequencies.begin(),
                             rotary.frequencies.end());
  auto type = RankedTensorType::get({int64_t(rounded.size())}, b.getF32Type());
  memref::GlobalOp global =
      getTable(b, DenseElementsAttr::get(type, ArrayRef(rounded)));
  table = memref::GetGlobalOp::create(b, global.getType(), global.getSymName());
}

std::pair<Value, Value> Frequencies::emitAngle(Value position, Value i) {
  Value scalar = arith::SIToFPOp::create(b, b.getF32Type(), position);
  auto [cosine, sine] = emitCosSin(b, b.mulf(scalar, b.load(table, {i})));
  if (magnitude == 1)
    return {cosine, sine};
  Value factor = b.f32(magnitude);
  return {b.mulf(cosine, factor), b.mulf(sine, factor)};
}

/// Rotates the pair that the elements `i` and `i + half` of a head are.
static std::pair<Value, Value> emitRotated(ThreadBuilder &b, Value x, Value y,
                                           std::pair<Value, Value> angle) {
  auto [cosine, sine] = angle;
  Value negated = b.subf(b.f32(0.0), sine);
  return {b.fma(x, cosine, b.mulf(y, negated)),
          b.fma(y, cosine, b.mulf(x, sine))};
}

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

namespace {
/// A head of a row as it is rotated, normalised where there is a `norm`.
struct Head {
  ThreadBuilder &b;
  Value buffer, row, head;
  int64_t width;
  RMSNormOp norm = {};
  Value inverse = {};

  Values at(Value column) {
    return {b.index(0), row, b.add(b.mul(head, width), column)};
  }
  Value load(Value column) {
    Value x = b.load(buffer, at(column));
    if (!norm)
      return x;
    return b.mulf(b.mulf(x, inverse), b.load(norm.getScale(), {column}));
  }
};
} // namespace

/// Runs `body` for each of the `items` of all heads in a buffer of rows. A warp
/// has a head where its norm is needed, else a thread an item.
static Geometry emitHeadItems(ThreadBuilder &b, Value buffer, int64_t heads,
                              int64_t items, RMSNormOp norm,
                              function_ref<void(Head &, Value)> body) {
  int64_t width = getBound(buffer, 2) / heads;
  Value rows = b.dim(buffer, 1);
  if (!norm)
    return emitElements(b, rows, heads * items, [&](Value row, Value item) {
      Head head{b, buffer, row, b.div(item, items), width};
      body(head, b.rem(item, items));
    });
  return emitHeads(b, rows, heads, [&](Value row, Value which) {
    Head head{b, norm.getX(), row, which, width, norm};
    head.inverse = emitHeadInverseRMS(b, norm, row, which);
    b.loop(b.lane(), b.index(items), kWarpThreads,
           [&](Value item) { body(head, item); });
  });
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, RopeOp op, RMSNormOp norm) {
  int64_t heads = op.getHeads(), headDim = getBound(op.getX(), 2) / heads;
  Frequencies frequencies(b,
                          getRotaryFrequencies(op.getTheta().convertToDouble(),
                                               headDim, op.getScalingAttr()));
  return emitHeadItems(
      b, op.getX(), heads, headDim / 2, norm, [&](Head &head, Value i) {
        Value high = b.add(i, b.index(headDim / 2));
        Value position = b.load(op.getPositions(), {b.index(0), head.row});
        auto [x, y] = emitRotated(b, head.load(i), head.load(high),
                                  frequencies.emitAngle(position, i));
        b.store(x, op.getInto(), head.at(i));
        b.store(y, op.getInto(), head.at(high));
      });
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

namespace {
/// Writes elements of keys and values to a cache.
struct CacheWriter {
  ThreadBuilder &b;
  AppendPanelsOp op;
  Head &key;

  Value token() { return b.add(op.getFirst(), key.row); }
  void storeKey(Value x, Value column) {
    int64_t panel = getBound(op.getKeys(), 3);
    b.store(x, op.getKeys(),
            {key.head, b.div(token(), panel), column, b.rem(token(), panel)});
  }
  void copyValue(Value column) {
    int64_t panel = getBound(op.getValues(), 3);
    b.store(b.load(op.getValue(), key.at(column)), op.getValues(),
            {key.head, b.div(column, panel), token(), b.rem(column, panel)});
  }
  /// Once for each token.
  void keepPosition(Value item) {
    Value isFirst = b.both(b.eq(key.head, b.index(0)), b.eq(item, b.index(0)));
    b.ifThen(isFirst, [&] {
      Value position = b.load(op.getRowPositions(), {b.index(0), key.row});
      b.store(position, op.getKept(), {token()});
    });
  }
  void rotateKey(Frequencies &frequencies, Value i, Value high) {
    Value position = b.load(op.getPositions(), {b.index(0), key.row});
    auto [x, y] = emitRotated(b, key.load(i), key.load(high),
                              frequencies.emitAngle(position, i));
    storeKey(x, i);
    storeKey(y, high);
  }
};
} // namespace

/// An item is a pair of a head's elements, or one element where keys are not
/// rotated.
Geometry mod::emitGpuKernel(ThreadBuilder &b, AppendPanelsOp op,
                            RMSNormOp norm) {
  int64_t kvHeads = getBound(op.getKeys(), 0);
  int64_t headDim = getBound(op.getKeys(), 2), half = headDim / 2;
  std::optional<Frequencies> frequencies;
  if (op.getPositions())
    frequencies.emplace(b,
                        getRotaryFrequencies(op.getTheta()->convertToDouble(),
                                             headDim, op.getScalingAttr()));
  auto write = [&](Head &key, Value i) {
    CacheWriter writer{b, op, key};
    if (op.getKept())
      writer.keepPosition(i);
    writer.copyValue(i);
    if (!frequencies)
      return writer.storeKey(key.load(i), i);
    Value high = b.add(i, b.index(half));
    writer.copyValue(high);
    writer.rotateKey(*frequencies, i, high);
  };
  return emitHeadItems(b, op.getKey(), kvHeads, frequencies ? half : headDim,
                       norm, write);
}
