//===- OnlineSoftmax.cpp - Attention, block of keys by block --------------===//
//
// The state that attention keeps per row of scores while blocks of keys pass.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/OnlineSoftmax.h"
#include "codegen/cpu/Bfloat16.h"
#include "codegen/cpu/TileRegisters.h"
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
  return llvm::alignTo(512, getStaticDim(op.getKeys(), 3));
}

/// Numbers between rows of scores or weights: rows a power of two apart would
/// compete for the same sets of the cache.
static int64_t getScoresStride(PanelAttentionOp op, Type element) {
  return OnlineSoftmax::getBlockKeys(op) +
         512 / element.getIntOrFloatBitWidth();
}

static int64_t getSumsWidth(PanelAttentionOp op) {
  return getStaticDim(op.getValues(), 1) * getStaticDim(op.getValues(), 3);
}

/// Whether one instruction multiplies what lies together.
static bool hasPairDot(CpuTarget target, PanelAttentionOp op) {
  return getNumTogether(op.getKeys()) == 2 && target.hasBF16Dot;
}

/// Registers of one operand of a step: pairs that no instruction takes are
/// multiplied one after the other.
static int64_t getOperandRegisters(CpuTarget target, PanelAttentionOp op) {
  return hasPairDot(target, op) ? 1 : getNumTogether(op.getKeys());
}

int64_t OnlineSoftmax::getTileRows(CpuTarget target, PanelAttentionOp op,
                                   int64_t vectors) {
  // What hides a score.
  constexpr int64_t constants = 1;
  return target.getTileRows(vectors, getOperandRegisters(target, op),
                            constants);
}

int64_t OnlineSoftmax::getRowBytes(PanelAttentionOp op) {
  Type f32 = Float32Type::get(op.getContext());
  return 4 * (op.getHeadDim() + getScoresStride(op, f32) + getSumsWidth(op));
}

/// The type of queries and weights as products take them.
static Type getFactorType(KernelBuilder &b, PanelAttentionOp op, bool byTiles) {
  if (byTiles || hasPairDot(b.target, op))
    return b.getBF16Type();
  return b.getF32Type();
}

OnlineSoftmax::OnlineSoftmax(KernelBuilder &builder, PanelAttentionOp op,
                             Value keyHead, int64_t rows, bool byTiles)
    : b(builder), op(op), headDim(op.getHeadDim()),
      keyVectors(getStaticDim(op.getKeys(), 3) / b.target.getLanes()),
      valueVectors(getStaticDim(op.getValues(), 3) / b.target.getLanes()),
      valuePanels(getStaticDim(op.getValues(), 1)), lanes(b.target.getLanes()),
      together(getNumTogether(op.getKeys())), keyHead(keyHead),
      keys(mergePairs(b, op.getKeys())), values(mergePairs(b, op.getValues())),
      sums(b.scratch({rows, getSumsWidth(op)})),
      blockMaxima(b.scratch({rows, lanes})), maxima(b.scratch({rows})),
      totals(b.scratch({rows})), factors(b.scratch({rows})) {
  Type f32 = b.getF32Type(), factor = getFactorType(b, op, byTiles);
  int64_t whole = byTiles ? TileRegisters::halves : 1;
  queries = b.scratch({rows, int64_t(llvm::alignTo(headDim, whole))}, factor);
  scores = b.scratch({rows, getScoresStride(op, f32)});
  weights = factor == f32
                ? scores
                : b.scratch({rows, getScoresStride(op, factor)}, factor);
}

void OnlineSoftmax::emitReset(Value row) {
  b.store(b.f32(lowest), maxima, {row});
  b.store(b.f32(0.0), totals, {row});
  b.forColumns(getSumsWidth(op), [&](Columns columns) {
    b.store(b.splat(0.0), sums, {row}, columns);
  });
}

/// Zeros from the last vector on that is not whole.
void OnlineSoftmax::padQuery(Value row) {
  Value zeros = narrowTo(b, queries, b.splat(0.0));
  for (int64_t i = llvm::alignDown(headDim, lanes);
       i < getStaticDim(queries, 1); i += lanes)
    b.store(zeros, queries, {row}, Columns{b.index(i)});
}

void OnlineSoftmax::emitQuery(Value row, Value query, Value column) {
  emitReset(row);
  // log2(e) makes the softmax one of powers of two.
  Value scale = b.splat(M_LOG2E / std::sqrt(double(headDim)));
  if (getStaticDim(queries, 1) > headDim)
    padQuery(row);
  b.forColumns(headDim, [&](Columns columns) {
    Columns from{b.add(column, columns.index), columns.mask};
    Value x = b.load(op.getQuery(), {b.index(0), query}, from);
    b.store(narrowTo(b, queries, b.mulf(x, scale)), queries, {row}, columns);
  });
}

void OnlineSoftmax::emitBlock(Value firstRow, Value endRow) {
  b.loop(firstRow, endRow, 1, [&](Value row) {
    b.store(b.splat(lowest), blockMaxima, {row}, Columns{b.index(0)});
  });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

namespace {
/// Rows on the stack with one panel of a cache. A step is of as many numbers as
/// lie together.
struct PanelMultiplier : Multiplier {
  PanelMultiplier(KernelBuilder &builder, Value rows, Value firstRow,
                  Value panels, Values panel, int64_t together)
      : Multiplier(builder), rows(rows), firstRow(firstRow), panels(panels),
        panel(std::move(panel)), together(together),
        hasDot(getElementTypeOrSelf(rows).isBF16()) {}

  Values loadA(int64_t i, Value step) override;
  Values loadB(int64_t j, Value step) override;
  Value multiplyAdd(ValueRange x, ValueRange y, Value sum) override;

  /// Asks for the same steps of the panel `ahead`, `aheadSteps` later.
  void lookAhead(Value step, int64_t) override;

  /// The panel to ask memory for meanwhile, and how many steps further on.
  Values ahead;
  int64_t aheadSteps = 0;
  /// The step of the panel that goes with the first of the rows.
  Value firstStep = b.index(0);

private:
  int64_t getVectorNumbers() { return together * b.target.getLanes(); }
  Value loadNumber(int64_t i, Value number) {
    return b.broadcast(b.load(rows, {b.add(firstRow, i), number}));
  }
  Value loadPair(int64_t i, Value step);

  Value rows, firstRow, panels;
  Values panel;
  int64_t together;
  bool hasDot;
};
} // namespace

/// A pair as one word in every lane.
Value PanelMultiplier::loadPair(int64_t i, Value step) {
  Value words =
      b.loadWord(rows, {b.add(firstRow, i), b.mul(step, 2)}, /*numbers=*/2);
  return vector::BitCastOp::create(
      b, VectorType::get(getVectorNumbers(), b.getBF16Type()), words);
}

Values PanelMultiplier::loadA(int64_t i, Value step) {
  if (hasDot)
    return {loadPair(i, step)};
  Values numbers;
  Value first = b.mul(step, together);
  for (int64_t k = 0; k < together; ++k)
    numbers.push_back(loadNumber(i, b.add(first, k)));
  return numbers;
}

Values PanelMultiplier::loadB(int64_t j, Value step) {
  auto type = VectorType::get(getVectorNumbers(),
                              getElementTypeOrSelf(panels.getType()));
  Values indices(panel);
  indices.append({b.add(firstStep, step), b.index(j * getVectorNumbers())});
  Value numbers = vector::LoadOp::create(b, type, panels, indices);
  if (hasDot)
    return {numbers};
  return together == 2 ? splitPairs(b, numbers) : Values{widen(b, numbers)};
}

Value PanelMultiplier::multiplyAdd(ValueRange x, ValueRange y, Value sum) {
  if (hasDot)
    return dotPairs(b, x[0], y[0], sum);
  for (auto [a, c] : llvm::zip_equal(x, y))
    sum = b.fma(a, c, sum);
  return sum;
}

void PanelMultiplier::lookAhead(Value step, int64_t) {
  int64_t columns = cast<MemRefType>(panels.getType()).getShape().back();
  Value later = b.add(b.add(firstStep, step), aheadSteps);
  for (int64_t column = 0; column < columns; column += b.getLineSize(panels)) {
    Values indices(ahead);
    indices.append({later, b.index(column)});
    b.prefetch(panels, indices);
  }
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Value OnlineSoftmax::getEnd(KernelBuilder &b, PanelAttentionOp op,
                            Value query) {
  if (Value positions = op.getPositions())
    return b.add(b.toIndex(b.load(positions, {b.index(0), query})), 1);
  Value before = b.sub(op.getCount(), b.dim(op.getQuery(), 1));
  return b.add(b.add(before, query), 1);
}

/// How many of the ascending positions of the keys before `end` are beyond the
/// window of the last of them. Halving steps find it.
static Value countHidden(KernelBuilder &b, PanelAttentionOp op, Value end) {
  Value kept = op.getKept(), one = b.index(1);
  auto load = [&](Value end) { return b.load(kept, {b.sub(end, one)}); };
  Value bound = arith::SubIOp::create(b, load(end), b.i32(op.getMostBehind()));
  int64_t bits = llvm::Log2_64_Ceil(getStaticDim(kept, 0) + 1);
  Value most = b.index(int64_t(1) << bits);
  return b.loop(
      b.index(0), b.index(bits), 1, {b.index(0), most},
      [&](Value, ValueRange carried) {
        Value half = b.div(carried[1], 2);
        Value next = b.add(carried[0], half);
        Value isThere = b.less(next, b.add(end, 1));
        Value isHidden = arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                               load(b.min(next, end)), bound);
        Value goes = arith::AndIOp::create(b, isThere, isHidden);
        return Values{arith::SelectOp::create(b, goes, next, carried[0]), half};
      })[0];
}

Value OnlineSoftmax::getFirstKey(KernelBuilder &b, PanelAttentionOp op,
                                 Value end) {
  if (!op.getWindow())
    return b.index(0);
  if (op.getKept())
    return countHidden(b, op, end);
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
  RegisterTile tile = RegisterTile::get(b.target, rows, keyVectors,
                                        getOperandRegisters(b.target, op));
  // A head is short: CPUs foresee the end of a loop of few iterations. Copies
  // of plain x86-64 leave no room for several steps.
  if (b.target.vectorBits > 128)
    tile.unroll = llvm::alignTo(4, tile.split);
  PanelMultiplier multiplier(b, queries, row, keys, {keyHead, panel}, together);
  multiplier.ahead = {
      keyHead, b.min(b.add(panel, 1), b.index(getStaticDim(keys, 1) - 1))};
  Values products =
      emitProducts(b, tile, b.index(0), b.index(headDim / together),
                   Values(tile.size(), b.splat(0.0)), multiplier);
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
  bool isNarrow = getElementTypeOrSelf(weights).isBF16();
  Values totals = b.loop(
      b.index(0), count, keyVectors * lanes, Values(keyVectors, b.splat(0.0)),
      [&](Value key, ValueRange totals) {
        Values results;
        for (int64_t j = 0; j < keyVectors; ++j) {
          Columns columns{b.add(key, j * lanes)};
          Value score = b.load(scores, {row}, columns);
          Value weight = emitExp2(b, score, base, isNarrow);
          b.store(narrowTo(b, weights, weight), weights, {row}, columns);
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
  RegisterTile tile = RegisterTile::get(b.target, rows, valueVectors,
                                        getOperandRegisters(b.target, op));
  Value column = b.mul(panel, valueVectors * lanes);
  PanelMultiplier multiplier(b, weights, row, values, {keyHead, panel},
                             together);
  multiplier.firstStep = b.div(first, together);
  multiplier.ahead = {keyHead, panel};
  multiplier.aheadSteps = pageBytes / (4 * valueVectors * lanes);
  Values inits;
  for (int64_t i = 0; i < rows; ++i) {
    Value factor = b.broadcast(b.load(factors, {b.add(row, i)}));
    for (int64_t j = 0; j < valueVectors; ++j) {
      Value sum =
          b.load(sums, {b.add(row, i)}, Columns{b.add(column, j * lanes)});
      inits.push_back(b.mulf(sum, factor));
    }
  }
  // The key that makes the last pair whole has no weight.
  Values results = emitProducts(b, tile, b.index(0), b.ceilDiv(count, together),
                                inits, multiplier);
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
