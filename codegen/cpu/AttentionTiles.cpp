//===- AttentionTiles.cpp - Attention by tiles ----------------------------===//
//
// Scores and sums of values of many queries.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/AttentionTiles.h"

using namespace mlir;
using namespace mlir::mod;

bool AttentionTiles::canDo(CpuTarget target, PanelAttentionOp op) {
  return target.hasTiles && getNumTogether(op.getKeys()) == 2 &&
         getStaticDim(op.getQuery(), 1) != 1;
}

AttentionTiles::AttentionTiles(KernelBuilder &builder, OnlineSoftmax &softmax)
    : registers(builder), b(builder), softmax(softmax) {
  auto makeRest = [&](Value panels) {
    int64_t columns = cast<MemRefType>(panels.getType()).getShape().back();
    return b.scratch({TileRegisters::rows, columns}, b.getBF16Type());
  };
  if (softmax.headDim % TileRegisters::halves)
    keyRest = makeRest(softmax.keys);
  valueRest = makeRest(softmax.values);
}

/// Copies `count` steps of a panel from `first` on to `rest`, and repeats the
/// last one: it meets zeros, while what lies behind a panel may be no numbers.
void AttentionTiles::copyRest(Value panels, Value panel, Value first,
                              Value count, Value rest) {
  auto type = VectorType::get(TileRegisters::halves, b.getBF16Type());
  Value last = b.sub(count, b.index(1));
  b.loop(b.index(0), b.index(TileRegisters::rows), 1, [&](Value i) {
    Value step = b.add(first, b.min(i, last));
    for (int64_t j = 0; j < getStaticDim(rest, 1); j += TileRegisters::halves) {
      Value x = vector::LoadOp::create(
          b, type, panels, Values{softmax.keyHead, panel, step, b.index(j)});
      vector::StoreOp::create(b, x, rest, Values{i, b.index(j)});
    }
  });
}

void AttentionTiles::emitPanel(Value panel) {
  int64_t rest = softmax.headDim % TileRegisters::halves;
  if (rest)
    copyRest(softmax.keys, panel, b.index((softmax.headDim - rest) / 2),
             b.index(rest / 2), keyRest);
}

void AttentionTiles::emitScores(Value row, Value panel, Value key) {
  TileSums sums{b, 2, softmax.keyVectors};
  sums.emitZero();
  for (int64_t dim = 0; dim < softmax.headDim; dim += TileRegisters::halves)
    sums.emitStep(
        [&](int64_t i) {
          return getRows(softmax.queries, row, i, b.index(dim));
        },
        [&](int64_t j) -> TileAddress {
          Value column = b.index(j * TileRegisters::halves);
          if (dim + TileRegisters::halves > softmax.headDim)
            return {keyRest, {b.index(0), column}, 0};
          return {softmax.keys,
                  {softmax.keyHead, panel, b.index(dim / 2), column},
                  2};
        });
  sums.emitStore([&](int64_t i, int64_t j) {
    return getRows(softmax.scores, row, i,
                   b.add(key, j * TileRegisters::words));
  });
}

void AttentionTiles::emitMask(Value row, Value begin, Value end, Value count) {
  int64_t lanes = b.target.getLanes();
  Value lowest = b.splat(OnlineSoftmax::lowest);
  auto hide = [&](Value from, Value to, arith::CmpIPredicate isSeen,
                  Value bound) {
    Value bounds = b.broadcast(b.toI32(bound));
    b.loop(from, to, lanes, [&](Value key) {
      Value seen = arith::CmpIOp::create(b, isSeen, b.iota(key), bounds);
      Value score = b.load(softmax.scores, {row}, Columns{key});
      b.store(arith::SelectOp::create(b, seen, score, lowest), softmax.scores,
              {row}, Columns{key});
    });
  };
  if (begin)
    hide(b.index(0), b.min(begin, count), arith::CmpIPredicate::sge, begin);
  Value last = b.mul(b.div(end, lanes), lanes);
  hide(last, count, arith::CmpIPredicate::slt, end);
  Values maxima = b.loop(
      b.index(0), count, softmax.keyVectors * lanes,
      Values(softmax.keyVectors, lowest), [&](Value key, ValueRange maxima) {
        Values results;
        for (auto [j, maximum] : llvm::enumerate(maxima))
          results.push_back(
              b.maxf(maximum, b.load(softmax.scores, {row},
                                     Columns{b.add(key, int64_t(j) * lanes)})));
        return results;
      });
  Value maximum = maxima[0];
  for (Value other : ArrayRef(maxima).drop_front())
    maximum = b.maxf(maximum, other);
  b.store(maximum, softmax.blockMaxima, {row}, Columns{b.index(0)});
}

/// Makes the sums of rows so far relative to their new maxima.
void AttentionTiles::emitRescale(Value row, Value column) {
  b.loop(row, b.add(row, rows), 1, [&](Value at) {
    Value factor = b.broadcast(b.load(softmax.factors, {at}));
    for (int64_t j = 0; j < softmax.valueVectors; ++j) {
      Columns columns{b.add(column, j * b.target.getLanes())};
      Value sum = b.load(softmax.sums, {at}, columns);
      b.store(b.mulf(sum, factor), softmax.sums, {at}, columns);
    }
  });
}

void AttentionTiles::emitValues(Value row, Value panel, Value first,
                                Value count) {
  Value column = b.mul(panel, softmax.valueVectors * b.target.getLanes());
  emitRescale(row, column);
  TileSums sums{b, 2, softmax.valueVectors};
  auto getSums = [&](int64_t i, int64_t j) {
    return getRows(softmax.sums, row, i,
                   b.add(column, j * TileRegisters::words));
  };
  auto emitStep = [&](Value key, TileSums::Operands values) {
    sums.emitStep(
        [&](int64_t i) { return getRows(softmax.weights, row, i, key); },
        values);
  };
  sums.emitLoad(getSums);
  Value rest = b.rem(count, b.index(TileRegisters::halves)),
        whole = b.sub(count, rest);
  b.loop(b.index(0), whole, TileRegisters::halves, [&](Value key) {
    emitStep(key, [&](int64_t j) -> TileAddress {
      Value step = b.div(b.add(first, key), 2);
      return {
          softmax.values,
          {softmax.keyHead, panel, step, b.index(j * TileRegisters::halves)},
          2};
    });
  });
  b.ifThen(b.less(b.index(0), rest), [&] {
    copyRest(softmax.values, panel, b.div(b.add(first, whole), 2),
             b.ceilDiv(rest, 2), valueRest);
    emitStep(whole, [&](int64_t j) -> TileAddress {
      return {valueRest, {b.index(0), b.index(j * TileRegisters::halves)}, 0};
    });
  });
  sums.emitStore(getSums);
}

TileAddress AttentionTiles::getRows(Value memref, Value row, int64_t i,
                                    Value column) {
  return {memref, {b.add(row, i * TileRegisters::rows), column}, 0};
}
