//===- Attention.cpp - Which kernel attention has -------------------------===//
//
// By the number of queries, what caches hold, and the width of a head.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Attention.h"
#include "codegen/nvptx/Passes.h"
#include "mlir/IR/Remarks.h"
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

Value AttentionHead::getScale() {
  return b.f32(M_LOG2E / std::sqrt(double(headDim)));
}

/// Tells of a kernel that is slower than it would be for another model.
static void remarkSlow(PanelAttentionOp op, StringRef name, StringRef reason) {
  auto kernel = op->getParentOfType<gpu::GPUFuncOp>();
  remark::missed(op.getLoc(), remark::RemarkOpts::name(name)
                                  .category("mod-lower-to-gpu")
                                  .function(kernel.getName()))
      << remark::metric("head_dim", op.getHeadDim())
      << remark::reason("{0}", reason.str());
}

Geometry mod::emitGpuKernel(ThreadBuilder &b, PanelAttentionOp op,
                            Value counters) {
  if (getBound(op.getQuery(), 1) == 1)
    return emitSingleQueryAttention(b, op, counters);
  if (canUseTensorCores(op))
    return emitTensorAttention(b, op);
  if (AttentionHead(b, op).isNarrow())
    remarkSlow(op, "TensorAttention",
               "products of bf16 need heads of a multiple of 8 up to 128, and "
               "caches that are aligned");
  if (canTileAttention(op))
    return emitTiledAttention(b, op);
  remarkSlow(op, "TiledAttention",
             "tiles of so wide heads do not fit into shared memory: each query "
             "reads its keys alone");
  return emitSingleQueryAttention(b, op, /*counters=*/Value());
}
