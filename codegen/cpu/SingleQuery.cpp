//===- SingleQuery.cpp - The kernel of attention of one query -------------===//
//
// Each key and value is read once, for all heads that share it. Keys of a long
// cache are shared out among tasks, whose parts are combined in the end.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/OnlineSoftmax.h"
#include "codegen/cpu/VectorMath.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
/// A task is a part of the keys of one head.
struct KeyRange {
  KeyRange(KernelBuilder &builder, PanelAttentionOp op, Value keyHead,
           Value from, Value to, Value end);

  void emit();
  /// The first of the heads that share the keys.
  Value firstHead;
  int64_t group;
  OnlineSoftmax softmax;

private:
  void emitBlock(Value firstKey);
  void emitScores(Value firstKey, Value count);
  /// Calls `body` with the first row and the number of rows of each of the
  /// tiles whose rows have `vectors` vectors.
  void forTiles(int64_t vectors, function_ref<void(int64_t, int64_t)> body);

  KernelBuilder &b;
  PanelAttentionOp op;
  /// Keys of the range, and where those end that the query sees.
  Value from, to, end;
};
} // namespace

KeyRange::KeyRange(KernelBuilder &builder, PanelAttentionOp op, Value keyHead,
                   Value from, Value to, Value end)
    : firstHead(builder.mul(keyHead, op.getHeads() / op.getKvHeads())),
      group(op.getHeads() / op.getKvHeads()),
      softmax(builder, op, keyHead, group), b(builder), op(op), from(from),
      to(to), end(end) {}

void KeyRange::emit() {
  b.loop(b.index(0), b.index(group), 1, [&](Value row) {
    Value column = b.mul(b.add(firstHead, row), op.getHeadDim());
    softmax.emitQuery(row, b.index(0), column);
  });
  b.loop(from, to, OnlineSoftmax::getBlockKeys(op),
         [&](Value key) { emitBlock(key); });
}

void KeyRange::forTiles(int64_t vectors,
                        function_ref<void(int64_t, int64_t)> body) {
  int64_t tiles = llvm::divideCeil(
      group, OnlineSoftmax::getTileRows(b.target, op, vectors));
  int64_t rows = llvm::divideCeil(group, tiles);
  for (int64_t row = 0; row < group; row += rows)
    body(row, std::min(rows, group - row));
}

void KeyRange::emitBlock(Value firstKey) {
  int64_t panelKeys = getStaticDim(op.getKeys(), 3);
  Value count =
      b.min(b.index(OnlineSoftmax::getBlockKeys(op)), b.sub(to, firstKey));
  softmax.emitBlock(b.index(0), b.index(group));
  emitScores(firstKey, count);
  Value scored = b.mul(b.ceilDiv(count, panelKeys), panelKeys);
  b.loop(b.index(0), b.index(group), 1,
         [&](Value row) { softmax.emitWeights(row, scored); });
  b.loop(b.index(0), b.index(softmax.valuePanels), 1, [&](Value panel) {
    forTiles(softmax.valueVectors, [&](int64_t row, int64_t rows) {
      softmax.emitValues(rows, b.index(row), panel, firstKey, count);
    });
  });
}

void KeyRange::emitScores(Value firstKey, Value count) {
  int64_t panelKeys = getStaticDim(op.getKeys(), 3);
  b.loop(b.index(0), count, panelKeys, [&](Value key) {
    Value absolute = b.add(firstKey, key);
    Value panel = b.div(absolute, panelKeys);
    forTiles(softmax.keyVectors, [&](int64_t row, int64_t rows) {
      auto mask = [&](ValueRange scores) {
        return softmax.emitMask(
            {rows, softmax.keyVectors}, scores, absolute,
            [&](int64_t) { return to; },
            [&](int64_t) { return OnlineSoftmax::getFirstKey(b, op, end); });
      };
      softmax.emitScores(rows, b.index(row), panel, key, mask);
    });
  });
}

/// The factors that make what `split` summed up relative to the maximum of all.
static Value emitFactor(KernelBuilder &b, PanelAttentionOp op, Value head,
                        Value split, Value maximum) {
  Value own = b.load(op.getPartials(), {head, split, b.index(op.getHeadDim())});
  return emitExp2(b, b.broadcast(b.subf(own, maximum)));
}

/// Adds up what the parts of one head came to.
static void emitCombine(KernelBuilder &b, PanelAttentionOp op, Value head) {
  Value partials = op.getPartials(), zero = b.index(0);
  Value splits = b.index(getStaticDim(partials, 1));
  int64_t headDim = op.getHeadDim();
  Value maximum =
      b.loop(zero, splits, 1, {b.f32(OnlineSoftmax::lowest)},
             [&](Value split, ValueRange maximum) {
               Value own = b.load(partials, {head, split, b.index(headDim)});
               return Values{b.maxf(maximum[0], own)};
             })[0];
  auto addUp = [&](function_ref<Value(Value)> load) {
    return b.loop(zero, splits, 1, {b.splat(0.0)},
                  [&](Value split, ValueRange sum) {
                    Value factor = emitFactor(b, op, head, split, maximum);
                    return Values{b.fma(factor, load(split), sum[0])};
                  })[0];
  };
  Value total = addUp([&](Value split) {
    return b.broadcast(b.load(partials, {head, split, b.index(headDim + 1)}));
  });
  Value factor = b.divf(b.splat(1.0), total);
  Value first = b.mul(head, headDim);
  b.forColumns(headDim, [&](Columns columns) {
    Value sum = addUp(
        [&](Value split) { return b.load(partials, {head, split}, columns); });
    Columns to{b.add(first, columns.index), columns.mask};
    b.store(b.mulf(sum, factor), op.getInto(), {zero, zero}, to);
  });
}

/// Parts of equal length, whole panels, of which the last may be empty.
static void emitSplit(KernelBuilder &b, PanelAttentionOp op) {
  int64_t panelKeys = getStaticDim(op.getKeys(), 3);
  int64_t splits = getStaticDim(op.getPartials(), 1);
  Value end = OnlineSoftmax::getEnd(b, op, b.index(0));
  Value begin = OnlineSoftmax::getFirstPanelKey(b, op, end);
  Value count = op.getWindow() ? b.sub(end, begin) : end;
  Value length = b.mul(b.ceilDiv(count, splits * panelKeys), panelKeys);
  b.forall(b.index(op.getKvHeads() * splits), [&](Value task) {
    Value split = b.rem(task, b.index(splits));
    Value from = b.mul(split, length);
    if (op.getWindow())
      from = b.add(from, begin);
    from = b.min(from, end);
    Value to = b.min(b.add(from, length), end);
    KeyRange keys(b, op, b.div(task, splits), from, to, end);
    keys.emit();
    b.loop(b.index(0), b.index(keys.group), 1, [&](Value row) {
      keys.softmax.emitPartial(row, b.add(keys.firstHead, row), split);
    });
  });
  b.loop(b.index(0), b.index(op.getHeads()), 1,
         [&](Value head) { emitCombine(b, op, head); });
}

void mod::emitSingleQuery(KernelBuilder &b, PanelAttentionOp op) {
  if (op.getPartials())
    return emitSplit(b, op);
  Value end = OnlineSoftmax::getEnd(b, op, b.index(0));
  b.forall(b.index(op.getKvHeads()), [&](Value keyHead) {
    Value begin = OnlineSoftmax::getFirstPanelKey(b, op, end);
    KeyRange keys(b, op, keyHead, begin, end, end);
    keys.emit();
    b.loop(b.index(0), b.index(keys.group), 1, [&](Value row) {
      Value column = b.mul(b.add(keys.firstHead, row), op.getHeadDim());
      keys.softmax.emitResult(row, b.index(0), column);
    });
  });
}
