//===- Quantize.cpp - Kernels of tokens in narrower types -----------------===//
//
// The factor of each row, and its numbers rounded; both by vectors of f32.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Bfloat16.h"
#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>

using namespace mlir;
using namespace mlir::mod;

/// Rows of one task: enough work to be worth handing to a thread.
static constexpr int64_t blockRows = 16;

/// Runs `body` with each token and its row of `x`.
static void forTokens(KernelBuilder &b, Value x, Value rows,
                      function_ref<void(Value, Value)> body) {
  b.forallItems(b.dim(rows ? rows : x, 1), blockRows, [&](Value token) {
    body(token, rows ? b.toIndex(b.load(rows, {b.index(0), token})) : token);
  });
}

void mod::emitKernel(KernelBuilder &b, RowScalesOp op) {
  int64_t width = getStaticDim(op.getX(), 2);
  Value factor = b.f32(1.0f / float(op.getLimit()));
  forTokens(b, op.getX(), op.getRows(), [&](Value token, Value row) {
    Values largest = b.forColumns(
        width, b.splat(0.0), [&](Columns columns, ValueRange carried) {
          Value x = b.load(op.getX(), {b.index(0), row}, columns);
          Value magnitude = math::AbsFOp::create(b, x);
          return Values{b.maxf(carried[0], magnitude)};
        });
    b.store(b.mulf(b.maximum(largest[0]), factor), op.getInto(),
            {b.index(0), token});
  });
}

namespace {
/// Writes the rows of one `mod.quantize`.
struct Quantizer {
  KernelBuilder &b;
  QuantizeOp op;
  Type element = cast<ShapedType>(op.getInto().getType()).getElementType();

  void emitRow(Value token, Value row);

private:
  Value getFactor(Value token);
  Value round(Value x, Value factor);
  Value roundToInteger(Value x, Value factor);
  void emitTail(Value token, Value row, Value factor, int64_t first);
};
} // namespace

/// 1 / scale, or 0 where that is not a number.
Value Quantizer::getFactor(Value token) {
  if (!op.getScales())
    return {};
  Value scale = b.load(op.getScales(), {b.index(0), token});
  Value normal =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, scale,
                            b.f32(std::numeric_limits<float>::min()));
  Value inverse = b.divf(b.f32(1.0), scale);
  return b.broadcast(arith::SelectOp::create(b, normal, inverse, b.f32(0.0)));
}

/// Adding 1.5 * 2^23 rounds to an integer, which is then the lowest bits. What
/// bytes are larger by in memory is added by the way.
Value Quantizer::roundToInteger(Value x, Value factor) {
  Value shifted = b.addf(b.mulf(x, factor), b.splat(12582912.0));
  Value bits = arith::BitcastOp::create(b, b.ints(), shifted);
  int32_t zero = 0x4B400000;
  if (element.isInteger(8))
    zero -= b.target.getByteOffset();
  Value integer = arith::SubIOp::create(b, bits, b.splatInt(zero));
  return arith::TruncIOp::create(b, b.vectorType(element), integer);
}

Value Quantizer::round(Value x, Value factor) {
  return element.isBF16() ? narrowTo(b, op.getInto(), x)
                          : roundToInteger(x, factor);
}

/// The columns from `first` on: the rest of the input, then zeros.
void Quantizer::emitTail(Value token, Value row, Value factor, int64_t first) {
  int64_t inputs = getStaticDim(op.getX(), 2);
  int64_t width = getStaticDim(op.getInto(), 2);
  for (int64_t at = first; at < width; at += b.target.getLanes()) {
    Value x = at < inputs ? b.load(op.getX(), {b.index(0), row},
                                   b.columnsAt(at, inputs))
                          : b.splat(0.0);
    b.store(round(x, factor), op.getInto(), {b.index(0), token},
            b.columnsAt(at, width));
  }
}

void Quantizer::emitRow(Value token, Value row) {
  int64_t lanes = b.target.getLanes();
  int64_t whole = getStaticDim(op.getX(), 2) / lanes * lanes;
  Value factor = getFactor(token);
  b.loop(b.index(0), b.index(whole), lanes, [&](Value column) {
    Value x = b.load(op.getX(), {b.index(0), row}, Columns{column});
    b.store(round(x, factor), op.getInto(), {b.index(0), token},
            Columns{column});
  });
  emitTail(token, row, factor, whole);
}

void mod::emitKernel(KernelBuilder &b, QuantizeOp op) {
  forTokens(b, op.getX(), op.getRows(), [&](Value token, Value row) {
    Quantizer{b, op}.emitRow(token, row);
  });
}
