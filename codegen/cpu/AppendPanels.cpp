//===- AppendPanels.cpp - The kernel that writes keys and values ----------===//
//
// Rows of keys become columns of panels, rotated on the way; rows of values
// are cut into panels.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Bfloat16.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/RotaryAngles.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::mod;

Value mod::mergePairs(KernelBuilder &b, Value panels) {
  if (getNumTogether(panels) == 1)
    return panels;
  return memref::CollapseShapeOp::create(
      b, panels, SmallVector<ReassociationIndices>{{0}, {1}, {2}, {3, 4}});
}

namespace {
/// Writes blocks of rows of keys and of values, head by head: rows of a block
/// meet in the same lines of panels, which stay in the first level cache.
struct RowWriter {
  RowWriter(KernelBuilder &builder, AppendPanelsOp op);

  void emit();

private:
  void emitBlock(Value endRow);
  void emitRow(Value head, Value row);
  void emitKey(Value head, Value row, Value token);
  Value loadValue(Value head, Value row, int64_t first);
  void emitValue(Value head, Value row, Value token);
  void emitPair(Value head, Value row, Value token);
  void emitSecond(Value head, Value row, Value token);
  /// Runs `body` for each vector of a row of values, padding included.
  void forValueColumns(function_ref<void(int64_t first)> body) {
    int64_t width = getStaticDim(op.getValues(), 1) * valuePanel;
    for (int64_t first = 0; first < width; first += b.target.getLanes())
      body(first);
  }
  Columns shift(Value head, Columns columns) {
    return {b.add(b.mul(head, headDim), columns.index), columns.mask};
  }

  KernelBuilder &b;
  AppendPanelsOp op;
  int64_t kvHeads, headDim, keyPanel, valuePanel;
  /// Numbers that lie together.
  int64_t together;
  /// The panels, pairs among their columns.
  Value keys, values;
  Value rows;
  std::optional<RotaryAngles> angles;
  /// The first row of the block, and the key of one head.
  Value firstRow, key;
};
} // namespace

RowWriter::RowWriter(KernelBuilder &builder, AppendPanelsOp op)
    : b(builder), op(op), kvHeads(getStaticDim(op.getKeys(), 0)),
      headDim(getStaticDim(op.getKey(), 2) / kvHeads),
      keyPanel(getStaticDim(op.getKeys(), 3)),
      valuePanel(getStaticDim(op.getValues(), 3)),
      together(getNumTogether(op.getKeys())), keys(mergePairs(b, op.getKeys())),
      values(mergePairs(b, op.getValues())), rows(b.dim(op.getKey(), 1)) {
  if (op.getPositions())
    angles.emplace(b, op,
                   getRotaryFrequencies(op.getTheta()->convertToDouble(),
                                        headDim, op.getScalingAttr()));
}

/// Blocks have as many rows as a panel has keys: threads seldom meet in one.
void RowWriter::emit() {
  b.forall(b.ceilDiv(rows, keyPanel), [&](Value task) {
    key = b.scratch({headDim}, getElementTypeOrSelf(op.getKeys()));
    if (angles)
      angles->allocate(keyPanel);
    firstRow = b.mul(task, keyPanel);
    emitBlock(b.min(b.add(firstRow, keyPanel), rows));
  });
}

void RowWriter::emitBlock(Value endRow) {
  auto forRows = [&](function_ref<void(Value row)> body) {
    b.loop(firstRow, endRow, 1, body);
  };
  forRows([&](Value row) {
    Values at{b.index(0), row};
    if (angles)
      angles->emitAngles(b.sub(row, firstRow), b.load(op.getPositions(), at));
    if (op.getKept())
      b.store(b.load(op.getRowPositions(), at), op.getKept(),
              {b.add(op.getFirst(), row)});
  });
  b.loop(b.index(0), b.index(kvHeads), 1,
         [&](Value head) { forRows([&](Value row) { emitRow(head, row); }); });
}

void RowWriter::emitRow(Value head, Value row) {
  Value token = b.add(op.getFirst(), row);
  emitKey(head, row, token);
  if (together == 1)
    return emitValue(head, row, token);
  b.ifElse(
      b.less(b.rem(token, b.index(2)), b.index(1)),
      [&] { emitPair(head, row, token); },
      [&] {
        b.ifThen(b.less(row, b.index(1)),
                 [&] { emitSecond(head, row, token); });
      });
}

void RowWriter::emitKey(Value head, Value row, Value token) {
  auto load = [&](Columns columns) {
    return b.load(op.getKey(), {b.index(0), row}, shift(head, columns));
  };
  auto store = [&](Value x, Columns columns) {
    b.store(narrowTo(b, key, x), key, {}, columns);
  };
  if (angles)
    angles->emitHead(b.sub(row, firstRow), load, store);
  else
    b.forColumns(headDim,
                 [&](Columns columns) { store(load(columns), columns); });
  Value panel = b.div(token, keyPanel),
        column = b.rem(token, b.index(keyPanel));
  Type element = getElementTypeOrSelf(op.getKeys());
  auto type = VectorType::get(together, element);
  b.loop(b.index(0), b.index(headDim / together), 1, [&](Value i) {
    Value x = vector::LoadOp::create(b, type, key, b.mul(i, together));
    vector::StoreOp::create(b, x, keys,
                            Values{head, panel, i, b.mul(column, together)});
  });
}

/// A vector of the value of a row, zeros behind the last column.
Value RowWriter::loadValue(Value head, Value row, int64_t first) {
  if (first >= headDim)
    return b.splat(0.0);
  return b.load(op.getValue(), {b.index(0), row},
                shift(head, b.columnsAt(first, headDim)));
}

void RowWriter::emitValue(Value head, Value row, Value token) {
  forValueColumns([&](int64_t first) {
    b.store(narrowTo(b, values, loadValue(head, row, first)), values,
            {head, b.index(first / valuePanel), token},
            Columns{b.index(first % valuePanel)});
  });
}

/// Writes the value of a token that is the first of its pair, and that of the
/// next or zeros.
void RowWriter::emitPair(Value head, Value row, Value token) {
  Value next = b.min(b.add(row, 1), b.sub(rows, b.index(1)));
  Value hasNext = b.less(row, next);
  forValueColumns([&](int64_t first) {
    Value second = arith::SelectOp::create(
        b, hasNext, loadValue(head, next, first), b.splat(0.0));
    Value pairs = vector::InterleaveOp::create(
        b, narrowTo(b, values, loadValue(head, row, first)),
        narrowTo(b, values, second));
    b.store(pairs, values, {head, b.index(first / valuePanel), b.div(token, 2)},
            Columns{b.index(first % valuePanel * 2)});
  });
}

/// Writes the value of a token beside one that an append before has written.
void RowWriter::emitSecond(Value head, Value row, Value token) {
  b.loop(b.index(0), b.index(headDim), 1, [&](Value i) {
    Value column = b.add(b.mul(head, headDim), i);
    Value x = b.load(op.getValue(), {b.index(0), row, column});
    Value second = b.add(b.mul(b.rem(i, b.index(valuePanel)), 2), 1);
    b.store(narrowTo(b, values, x), values,
            {head, b.div(i, valuePanel), b.div(token, 2), second});
  });
}

void mod::emitKernel(KernelBuilder &b, AppendPanelsOp op) {
  RowWriter(b, op).emit();
}
