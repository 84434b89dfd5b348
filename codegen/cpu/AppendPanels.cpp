//===- AppendPanels.cpp - The kernel that writes keys and values ----------===//
//
// Rows of keys become columns of panels, rotated on the way; rows of values
// are cut into panels.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Bfloat16.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/RotaryAngles.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
constexpr int64_t blockRows = 16;

/// Writes one row of keys and of values after the other.
struct RowWriter {
  RowWriter(KernelBuilder &builder, AppendPanelsOp op);

  void emit();

private:
  void emitRow(Value row);
  void emitKey(Value head, Value row, Value token);
  void emitValue(Value head, Value row, Value token);
  Columns shift(Value head, Columns columns) {
    return {b.add(b.mul(head, headDim), columns.index), columns.mask};
  }

  KernelBuilder &b;
  AppendPanelsOp op;
  int64_t kvHeads, headDim, keyPanel, valuePanel;
  std::optional<RotaryAngles> angles;
  /// The key of one head.
  Value key;
};
} // namespace

RowWriter::RowWriter(KernelBuilder &builder, AppendPanelsOp op)
    : b(builder), op(op), kvHeads(getStaticDim(op.getKeys(), 0)),
      headDim(getStaticDim(op.getKeys(), 2)),
      keyPanel(getStaticDim(op.getKeys(), 3)),
      valuePanel(getStaticDim(op.getValues(), 3)) {
  if (op.getPositions())
    angles.emplace(b, op,
                   getRotaryFrequencies(op.getTheta()->convertToDouble(),
                                        headDim, op.getScalingAttr()));
}

void RowWriter::emit() {
  Value rows = b.dim(op.getKey(), 1);
  b.forall(b.ceilDiv(rows, blockRows), [&](Value task) {
    key = b.scratch({headDim});
    if (angles)
      angles->allocate();
    Value first = b.mul(task, blockRows);
    b.loop(first, b.min(b.add(first, blockRows), rows), 1,
           [&](Value row) { emitRow(row); });
  });
}

void RowWriter::emitRow(Value row) {
  if (angles)
    angles->emitAngles(b.load(op.getPositions(), {b.index(0), row}));
  Value token = b.add(op.getFirst(), row);
  b.loop(b.index(0), b.index(kvHeads), 1, [&](Value head) {
    emitKey(head, row, token);
    emitValue(head, row, token);
  });
}

void RowWriter::emitKey(Value head, Value row, Value token) {
  auto load = [&](Columns columns) {
    return b.load(op.getKey(), {b.index(0), row}, shift(head, columns));
  };
  auto store = [&](Value x, Columns columns) { b.store(x, key, {}, columns); };
  if (angles)
    angles->emitHead(load, store);
  else
    b.forColumns(headDim,
                 [&](Columns columns) { store(load(columns), columns); });
  Value panel = b.div(token, keyPanel),
        column = b.rem(token, b.index(keyPanel));
  b.loop(b.index(0), b.index(headDim), 1, [&](Value i) {
    Value x = narrowTo(b, op.getKeys(), b.load(key, {i}));
    b.store(x, op.getKeys(), {head, panel, i, column});
  });
}

void RowWriter::emitValue(Value head, Value row, Value token) {
  int64_t lanes = b.target.getLanes();
  int64_t width = getStaticDim(op.getValues(), 1) * valuePanel;
  for (int64_t first = 0; first < width; first += lanes) {
    Value x = b.splat(0.0);
    if (first < headDim)
      x = b.load(op.getValue(), {b.index(0), row},
                 shift(head, b.columnsAt(first, headDim)));
    b.store(narrowTo(b, op.getValues(), x), op.getValues(),
            {head, b.index(first / valuePanel), token},
            Columns{b.index(first % valuePanel)});
  }
}

void mod::emitKernel(KernelBuilder &b, AppendPanelsOp op) {
  RowWriter(b, op).emit();
}
