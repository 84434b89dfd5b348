//===- Attention.cpp - Which kernel attention has -------------------------===//
//
// By the number of queries, what caches hold, and the width of a head.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Attention.h"
#include "codegen/nvptx/Passes.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

Value AttentionHead::countSeen(Value row) {
  Value one = b.index(1);
  if (Value positions = op.getPositions()) {
    // There is a first one in memory, even where no token takes part.
    Value query = b.select(b.lt(row, rows), row, b.index(0));
    return b.add(b.toIndex(b.load(positions, {b.index(0), query})), one);
  }
  return b.add(b.sub(op.getCount(), rows), b.add(row, one));
}

Value AttentionHead::countKeys() {
  return op.getPositions() ? countSeen(b.sub(rows, b.index(1))) : op.getCount();
}

/// How many of the ascending positions of the first `seen` keys are beyond the
/// window of the last of them. Halving steps find it.
static Value countHidden(ThreadBuilder &b, PanelAttentionOp op, Value seen) {
  Value kept = op.getKept(), one = b.index(1);
  auto load = [&](Value end) { return b.load(kept, {b.sub(end, one)}); };
  Value position = load(seen), hidden = b.index(0);
  Value most = b.i32(op.getMostBehind());
  int64_t half = llvm::bit_floor(uint64_t(getBound(kept, 0)));
  for (; half > 0; half /= 2) {
    Value next = b.add(hidden, b.index(half));
    Value last = b.add(load(b.min(next, seen)), most);
    Value isHidden = b.both(b.lt(next, b.add(seen, one)), b.lt(last, position));
    hidden = b.select(isHidden, next, hidden);
  }
  return hidden;
}

Value AttentionHead::getFirstKey(Value seen) {
  if (!op.getWindow())
    return b.index(0);
  if (op.getKept())
    return countHidden(b, op, seen);
  return b.sub(seen, b.min(seen, b.index(*op.getWindow())));
}

Value AttentionHead::isSeen(Value key, Value first, Value seen) {
  Value isBefore = b.lt(key, seen);
  if (!op.getWindow())
    return isBefore;
  return b.both(isBefore, b.lt(first, b.add(key, b.index(1))));
}

Value AttentionHead::getScale() {
  return b.f32(M_LOG2E / std::sqrt(double(headDim)));
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, PanelAttentionOp op,
                            Value counters) {
  if (getBound(op.getQuery(), 1) == 1)
    return emitSingleQueryAttention(b, op, counters);
  if (canUseTensorCores(op))
    return emitTensorAttention(b, op);
  if (!AttentionHead(b, op).getElement().isF32())
    remarkSlow(
        op, "TensorAttention", "head_dim", op.getHeadDim(),
        "products of tensor cores need heads of a multiple of 8 up to 128, "
        "and caches that are aligned");
  if (canTileAttention(op))
    return emitTiledAttention(b, op);
  remarkSlow(op, "TiledAttention", "head_dim", op.getHeadDim(),
             "tiles of so wide heads do not fit into shared memory: each query "
             "reads its keys alone");
  return emitSingleQueryAttention(b, op, /*counters=*/Value());
}
