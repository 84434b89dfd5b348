//===- OnlineSoftmax.cpp - Attention, block of keys by block --------------===//
//
// The state that attention keeps per row of scores while blocks of keys pass.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/OnlineSoftmax.h"
#include "codegen/cpu/Bfloat16.h"
#include "codegen/cpu/VectorMath.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// What the prefetchers of a CPU do not look beyond.
static constexpr int64_t pageBytes = 4096;

int64_t OnlineSoftmax::getBlockKeys(PanelAttentionOp op) {
  return llvm::alignTo(256, getStaticDim(op.getKeys(), 3));
}

/// Floats between rows of scores: rows a power of two apart would compete for
/// the same sets of the cache.
static int64_t getScoresStride(PanelAttentionOp op) {
  return OnlineSoftmax::getBlockKeys(op) + 16;
}

static int64_t getSumsWidth(PanelAttentionOp op) {
  return getStaticDim(op.getValues(), 1) * getStaticDim(op.getValues(), 3);
}

int64_t OnlineSoftmax::getRowBytes(PanelAttentionOp op) {
  return 4 * (getStaticDim(op.getKeys(), 2) + getScoresStride(op) +
              getSumsWidth(op));
}

OnlineSoftmax::OnlineSoftmax(KernelBuilder &builder, PanelAttentionOp op,
                             Value keyHead, int64_t rows)
    : b(builder), op(op), headDim(op.getHeadDim()),
      keyVectors(getStaticDim(op.getKeys(), 3) / b.target.getLanes()),
      valueVectors(getStaticDim(op.getValues(), 3) / b.target.getLanes()),
      valuePanels(getStaticDim(op.getValues(), 1)), lanes(b.target.getLanes()),
      keyHead(keyHead), queries(b.scratch({rows, headDim})),
      scores(b.scratch({rows, getScoresStride(op)})),
      sums(b.scratch({rows, getSumsWidth(op)})),
      blockMaxima(b.scratch({rows, lanes})), maxima(b.scratch({rows})),
      totals(b.scratch({rows})), factors(b.scratch({rows})) {}

void OnlineSoftmax::emitReset(Value row) {
  b.store(b.f32(lowest), maxima, {row});
  b.store(b.f32(0.0), totals, {row});
  b.forColumns(getSumsWidth(op), [&](Columns columns) {
    b.store(b.splat(0.0), sums, {row}, columns);
  });
}

void OnlineSoftmax::emitQuery(Value row, Value query, Value column) {
  emitReset(row);
  // log2(e) makes the softmax one of powers of two.
  Value scale = b.splat(M_LOG2E / std::sqrt(double(headDim)));
  b.forColumns(headDim, [&](Columns columns) {
    Columns from{b.add(column, columns.index), columns.mask};
    Value x = b.load(op.getQuery(), {b.index(0), query}, from);
    b.store(b.mulf(x, scale), queries, {row}, columns);
  });
}

void OnlineSoftmax::emitBlock(Value firstRow, Value endRow) {
  b.loop(firstRow, endRow, 1, [&](Value row) {
    b.store(b.splat(lowest), blockMaxima, {row}, Columns{b.index(0)});
  });
}

/// Asks for the line that starts at a column; others are asked for by others.
void OnlineSoftmax::emitPrefetch(Value panels, ArrayRef<Value> row,
                                 Columns columns) {
  constexpr int64_t lineBytes = 64;
  int64_t bytes = *getConstantIntValue(columns.index) * 4;
  if (!isStreaming || bytes % lineBytes)
    return;
  Values indices(row);
  indices.push_back(columns.index);
  memref::PrefetchOp::create(b, panels, indices, /*isWrite=*/false,
                             /*localityHint=*/3, /*isDataCache=*/true);
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Value OnlineSoftmax::getFirstKey(KernelBuilder &b, PanelAttentionOp op,
                                 Value end) {
  if (!op.getWindow())
    return b.index(0);
  return b.sub(end, b.min(end, b.index(*op.getWindow())));
}

Value OnlineSoftmax::getFirstPanelKey(KernelBuilder &b, PanelAttentionOp op,
                                      Value end) {
  if (!op.getWindow())
    return b.index(0);
  int64_t panelKeys = getStaticDim(op.getKeys(), 3);
  return b.mul(b.div(getFirstKey(b, op, end), panelKeys), panelKeys);
}

Values OnlineSoftmax::emitMask(RegisterTile tile, ValueRange scores,
                               Value first, function_ref<Value(int64_t)> end,
                               function_ref<Value(int64_t)> begin) {
  Values keys, masked;
  for (int64_t j = 0; j < tile.vectors; ++j)
    keys.push_back(b.iota(b.add(first, j * lanes)));
  for (int64_t i = 0; i < tile.rows; ++i) {
    Value ends = b.broadcast(b.toI32(end(i))), begins;
    if (op.getWindow())
      begins = b.broadcast(b.toI32(begin(i)));
    for (int64_t j = 0; j < tile.vectors; ++j) {
      Value valid =
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, keys[j], ends);
      if (begins)
        valid = arith::AndIOp::create(
            b, valid,
            arith::CmpIOp::create(b, arith::CmpIPredicate::sge, keys[j],
                                  begins));
      masked.push_back(arith::SelectOp::create(
          b, valid, scores[i * tile.vectors + j], b.splat(lowest)));
    }
  }
  return masked;
}

void OnlineSoftmax::emitScores(int64_t rows, Value row, Value panel, Value key,
                               Mask mask) {
  RegisterTile tile = RegisterTile::get(b.target, rows, keyVectors);
  Value next =
      b.min(b.add(panel, 1), b.index(getStaticDim(op.getKeys(), 1) - 1));
  Values products = emitProducts(
      b, tile, b.index(0), b.index(headDim), Values(tile.size(), b.splat(0.0)),
      [&](int64_t i, Value d) { return b.load(queries, {b.add(row, i), d}); },
      [&](int64_t j, Value d) {
        Columns columns{b.index(j * lanes)};
        emitPrefetch(op.getKeys(), {keyHead, next, d}, columns);
        return widen(b, b.load(op.getKeys(), {keyHead, panel, d}, columns));
      });
  products = mask(products);
  for (int64_t i = 0; i < rows; ++i) {
    Value at = b.add(row, i);
    Value maximum = b.load(blockMaxima, {at}, Columns{b.index(0)});
    for (int64_t j = 0; j < keyVectors; ++j) {
      Value score = products[i * keyVectors + j];
      maximum = b.maxf(maximum, score);
      b.store(score, scores, {at}, Columns{b.add(key, j * lanes)});
    }
    b.store(maximum, blockMaxima, {at}, Columns{b.index(0)});
  }
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

void OnlineSoftmax::emitWeights(Value row, Value count) {
  Value maximum = b.load(maxima, {row});
  Value lanewise = b.load(blockMaxima, {row}, Columns{b.index(0)});
  Exp2Base base = Exp2Base::get(b, b.maxf(maximum, b.maximum(lanewise)));
  Values totals = b.loop(b.index(0), count, keyVectors * lanes,
                         Values(keyVectors, b.splat(0.0)),
                         [&](Value key, ValueRange totals) {
                           Values results;
                           for (int64_t j = 0; j < keyVectors; ++j) {
                             Columns columns{b.add(key, j * lanes)};
                             Value score = b.load(scores, {row}, columns);
                             Value weight = emitExp2(b, score, base);
                             b.store(weight, scores, {row}, columns);
                             results.push_back(b.addf(totals[j], weight));
                           }
                           return results;
                         });
  Value total = totals[0];
  for (Value other : ArrayRef(totals).drop_front())
    total = b.addf(total, other);
  emitRescale(row, maximum, base.exponent, b.sum(total));
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

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void OnlineSoftmax::emitValues(int64_t rows, Value row, Value panel,
                               Value first, Value count) {
  RegisterTile tile = RegisterTile::get(b.target, rows, valueVectors);
  Value column = b.mul(panel, valueVectors * lanes);
  int64_t ahead = pageBytes / (4 * valueVectors * lanes);
  Values inits;
  for (int64_t i = 0; i < rows; ++i) {
    Value factor = b.broadcast(b.load(factors, {b.add(row, i)}));
    for (int64_t j = 0; j < valueVectors; ++j) {
      Value sum =
          b.load(sums, {b.add(row, i)}, Columns{b.add(column, j * lanes)});
      inits.push_back(b.mulf(sum, factor));
    }
  }
  Values results = emitProducts(
      b, tile, b.index(0), count, inits,
      [&](int64_t i, Value key) {
        return b.load(scores, {b.add(row, i), key});
      },
      [&](int64_t j, Value key) {
        Value token = b.add(first, key);
        Columns columns{b.index(j * lanes)};
        emitPrefetch(op.getValues(), {keyHead, panel, b.add(token, ahead)},
                     columns);
        return widen(b,
                     b.load(op.getValues(), {keyHead, panel, token}, columns));
      });
  for (auto [number, result] : llvm::enumerate(results))
    b.store(result, sums, {b.add(row, number / valueVectors)},
            Columns{b.add(column, number % valueVectors * lanes)});
}

void OnlineSoftmax::emitResult(Value row, Value query, Value column) {
  Value total = b.load(totals, {row});
  Value factor = b.broadcast(b.divf(b.f32(1.0), total));
  b.forColumns(headDim, [&](Columns columns) {
    Value sum = b.load(sums, {row}, columns);
    Columns to{b.add(column, columns.index), columns.mask};
    b.store(b.mulf(sum, factor), op.getInto(), {b.index(0), query}, to);
  });
}

void OnlineSoftmax::emitPartial(Value row, Value head, Value split) {
  Value partials = op.getPartials();
  b.forColumns(headDim, [&](Columns columns) {
    b.store(b.load(sums, {row}, columns), partials, {head, split}, columns);
  });
  b.store(b.load(maxima, {row}), partials, {head, split, b.index(headDim)});
  b.store(b.load(totals, {row}), partials, {head, split, b.index(headDim + 1)});
}
