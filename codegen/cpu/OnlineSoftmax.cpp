//===- OnlineSoftmax.cpp - Attention block of keys by block of keys -------===//
//
// The state that attention keeps per row of scores while blocks of keys pass.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/OnlineSoftmax.h"
#include "codegen/cpu/VectorMath.h"

using namespace mlir;
using namespace mlir::mod;

/// Less than any score, and finite: differences of it are no NaN.
static constexpr double lowest = -1.0e30;

OnlineSoftmax::OnlineSoftmax(KernelBuilder &builder, AttentionOp op,
                             Value keyHead, int64_t rows)
    : b(builder), op(op), headDim(op.getHeadDim()),
      keyColumn(b.mul(keyHead, headDim)), scores(b.scratch({rows, blockKeys})),
      lanes(b.target.getLanes()), sums(b.scratch({rows, headDim})),
      maxima(b.scratch({rows})), totals(b.scratch({rows})),
      factors(b.scratch({rows})) {
  emitReset(rows);
}

void OnlineSoftmax::emitReset(int64_t rows) {
  b.loop(b.index(0), b.index(rows), 1, [&](Value row) {
    b.store(b.f32(lowest), maxima, {row});
    b.store(b.f32(0.0), totals, {row});
    b.forColumns(headDim, [&](Columns columns) {
      b.store(b.splat(0.0), sums, {row}, columns);
    });
  });
}

/// The scores of a row, those from `limit` on as low as can be, and their
/// maximum.
std::pair<Values, Value> OnlineSoftmax::emitMasked(Value row, Value limit) {
  Value end = b.broadcast(b.toI32(limit)), maximum = b.splat(lowest);
  Values masked;
  for (int64_t key = 0; key < blockKeys; key += lanes) {
    Value score = b.load(scores, {row}, Columns{b.index(key)});
    Value valid = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                        b.iota(b.index(key)), end);
    masked.push_back(arith::SelectOp::create(b, valid, score, b.splat(lowest)));
    maximum = b.maxf(maximum, masked.back());
  }
  return {masked, b.maximum(maximum)};
}

void OnlineSoftmax::emitWeights(Value row, Value limit) {
  auto [weights, blockMaximum] = emitMasked(row, limit);
  Value maximum = b.load(maxima, {row});
  Value newMaximum = b.maxf(maximum, blockMaximum);
  Value shift = b.broadcast(newMaximum), total = b.splat(0.0);
  for (auto [number, weight] : llvm::enumerate(weights)) {
    weight = emitExp2(b, b.subf(weight, shift));
    total = b.addf(total, weight);
    b.store(weight, scores, {row}, Columns{b.index(number * lanes)});
  }
  emitRescale(row, maximum, newMaximum, b.sum(total));
}

/// Makes what was summed up relative to the old maximum relative to the new.
void OnlineSoftmax::emitRescale(Value row, Value maximum, Value newMaximum,
                                Value total) {
  Value factors = emitExp2(b, b.broadcast(b.subf(maximum, newMaximum)));
  Value factor = vector::ExtractOp::create(b, factors, 0);
  Value oldTotal = b.load(totals, {row});
  b.store(newMaximum, maxima, {row});
  b.store(factor, this->factors, {row});
  b.store(b.addf(b.mulf(oldTotal, factor), total), totals, {row});
}

void OnlineSoftmax::emitValues(Value row, RegisterTile tile, Keys keys) {
  int64_t width = tile.vectors * lanes, whole = headDim / width * width;
  auto emitAt = [&](Value first, int64_t valid) {
    SmallVector<Columns> columns;
    for (int64_t j = 0; j < valid; j += lanes) {
      columns.push_back(b.columnsAt(j, valid));
      columns.back().index = b.add(first, j);
    }
    emitValueColumns(row, tile.rows, keys, columns);
  };
  if (whole)
    b.loop(b.index(0), b.index(whole), width,
           [&](Value first) { emitAt(first, width); });
  if (whole < headDim)
    emitAt(b.index(whole), headDim - whole);
}

void OnlineSoftmax::emitValueColumns(Value row, int64_t rows, Keys keys,
                                     ArrayRef<Columns> columns) {
  RegisterTile tile{rows, int64_t(columns.size())};
  Values tileRows, inits;
  for (int64_t i = 0; i < rows; ++i) {
    tileRows.push_back(b.add(row, i));
    Value factor = b.broadcast(b.load(factors, {tileRows[i]}));
    for (Columns column : columns)
      inits.push_back(b.mulf(b.load(sums, {tileRows[i]}, column), factor));
  }
  Values results = emitProducts(
      b, tile, b.index(0), keys.count, inits,
      [&](int64_t i, Value key) { return b.load(scores, {tileRows[i], key}); },
      [&](int64_t j, Value key) {
        Columns from{b.add(keyColumn, columns[j].index), columns[j].mask};
        Value keyRow = b.add(keys.first, key);
        return b.load(op.getValue(), {b.index(0), keyRow}, from);
      });
  for (auto [number, result] : llvm::enumerate(results))
    b.store(result, sums, {tileRows[number / tile.vectors]},
            columns[number % tile.vectors]);
}

void OnlineSoftmax::emitResult(Value row, Value into, Value query,
                               Value column) {
  Value total = b.load(totals, {row});
  Value factor = b.broadcast(b.divf(b.f32(1.0), total));
  b.forColumns(headDim, [&](Columns columns) {
    Value sum = b.load(sums, {row}, columns);
    Columns to{b.add(column, columns.index), columns.mask};
    b.store(b.mulf(sum, factor), into, {b.index(0), query}, to);
  });
}
