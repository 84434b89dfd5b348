//===- Kernels.h - One kernel per op ----------------------------*- C++ -*-===//
//
// Each writes what one thread does, with the op's buffers, and says how it is
// launched.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_KERNELS_H
#define MOD_CODEGEN_NVPTX_KERNELS_H

#include "codegen/nvptx/ThreadBuilder.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::mod {

/// The attribute of an op whose buffers are all aligned to 16 bytes.
inline constexpr llvm::StringLiteral kAlignedAttr = "mod.aligned";

/// The attribute of a product with one row, scaled by its root mean square:
/// what is added to the mean.
inline constexpr llvm::StringLiteral kInverseRMSAttr = "mod.inverse_rms";

/// The attribute of a product with one row that rounds its input to what its
/// weight is of.
inline constexpr llvm::StringLiteral kRoundInputAttr = "mod.round_input";

/// Writes the kernel of an op, or of ops that `mod-group-kernels` put together;
/// fails with an error where there is none. `counts` is where a selection
/// writes how much it selected, or where blocks of an attention count those
/// that are done; `map` is the tensor map of a product's weight, or null.
FailureOr<Geometry> emitGpuKernel(ThreadBuilder &b, ArrayRef<Operation *> ops,
                                  Value counts, Value map);

/// Tells of a kernel that is slower than it would be for another model, and of
/// the size that makes it so; `name` is the faster one.
void remarkSlow(Operation *op, StringRef name, StringRef metric, int64_t size,
                StringRef reason);

/// One element of `rows` rows of `width` columns for each thread.
Geometry emitElements(ThreadBuilder &b, Value rows, int64_t width,
                      function_ref<void(Value row, Value column)> body);
/// One row for each warp.
Geometry emitRows(ThreadBuilder &b, Value rows,
                  function_ref<void(Value row)> body);
/// One of the `heads` of a row for each warp.
Geometry emitHeads(ThreadBuilder &b, Value rows, int64_t heads,
                   function_ref<void(Value row, Value head)> body);

Geometry emitGpuKernel(ThreadBuilder &b, EmbeddingOp op);
Geometry emitGpuKernel(ThreadBuilder &b, PositionsOp op);
Geometry emitGpuKernel(ThreadBuilder &b, GatherOp op);
Geometry emitGpuKernel(ThreadBuilder &b, ScatterOp op);
Geometry emitGpuKernel(ThreadBuilder &b, NoiseOp op);
Geometry emitGpuKernel(ThreadBuilder &b, QuantizeOp op);
/// `norm` makes the heads that are rotated, or written.
Geometry emitGpuKernel(ThreadBuilder &b, RopeOp op, RMSNormOp norm = {});
Geometry emitGpuKernel(ThreadBuilder &b, AppendPanelsOp op,
                       RMSNormOp norm = {});
Geometry emitGpuKernel(ThreadBuilder &b, RMSNormOp op);
Geometry emitGpuKernel(ThreadBuilder &b, InverseRMSOp op);
Geometry emitGpuKernel(ThreadBuilder &b, RouterOp op);
Geometry emitGpuKernel(ThreadBuilder &b, SoftmaxOp op);
Geometry emitGpuKernel(ThreadBuilder &b, MembersOp op);
Geometry emitGpuKernel(ThreadBuilder &b, PoolOp op);
Geometry emitGpuKernel(ThreadBuilder &b, SampleOp op);
Geometry emitGpuKernel(ThreadBuilder &b, SelectOp op, Value count);
Geometry emitGpuKernel(ThreadBuilder &b, LinearOp op,
                       ArrayRef<linalg::LinalgOp> followers, Value map);
Geometry emitGpuKernel(ThreadBuilder &b, PanelAttentionOp op, Value counters);
Geometry emitGpuKernel(ThreadBuilder &b, linalg::LinalgOp op);

/// Errors that say why an op has no kernel.
LogicalResult verifyGpuKernel(Operation *op);

/// What an elementwise op computes at one place.
void emitElement(ThreadBuilder &b, linalg::LinalgOp op, ValueRange place);

/// The weight of an update by its score.
Value emitGate(ThreadBuilder &b, GateAttr gate, Value score);

/// The cosine and the sine of an angle.
std::pair<Value, Value> emitCosSin(ThreadBuilder &b, Value angle);

/// 1 / sqrt(mean(x^2) + eps), from the sum of the squares of `width` elements.
Value emitInverseRMS(ThreadBuilder &b, Value squares, int64_t width,
                     const APFloat &eps);

/// The same of the head of a row that is normalised, by the lanes of a warp.
Value emitHeadInverseRMS(ThreadBuilder &b, RMSNormOp op, Value row, Value head);

/// Dot product of two rows by the lanes of a warp, in each lane.
Value emitDot(ThreadBuilder &b, Value x, ValueRange xRow, Value y,
              ValueRange yRow, int64_t width);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_KERNELS_H
