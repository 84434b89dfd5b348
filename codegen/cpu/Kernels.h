//===- Kernels.h - The kernels of mod ops -----------------------*- C++ -*-===//
//
// One function per op that writes its loops; one file per family.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_KERNELS_H
#define MOD_CODEGEN_CPU_KERNELS_H

#include "codegen/cpu/KernelBuilder.h"
#include "dialect/ModOps.h"

namespace mlir::mod {

// Each writes the loops that do what `op`, in the buffer form with a batch of
// one, does, at the builder's insertion point.
void emitKernel(KernelBuilder &builder, LinearOp op);
void emitKernel(KernelBuilder &builder, RowScalesOp op);
void emitKernel(KernelBuilder &builder, QuantizeOp op);
void emitKernel(KernelBuilder &builder, AppendPanelsOp op);
void emitKernel(KernelBuilder &builder, PanelAttentionOp op);
void emitKernel(KernelBuilder &builder, RMSNormOp op);
void emitKernel(KernelBuilder &builder, InverseRMSOp op);
void emitKernel(KernelBuilder &builder, RopeOp op);
void emitKernel(KernelBuilder &builder, EmbeddingOp op);
void emitKernel(KernelBuilder &builder, PositionsOp op);
void emitKernel(KernelBuilder &builder, RouterOp op);
void emitKernel(KernelBuilder &builder, PredictorOp op);
void emitKernel(KernelBuilder &builder, GatherOp op);
void emitKernel(KernelBuilder &builder, ScatterOp op);
void emitKernel(KernelBuilder &builder, SoftmaxOp op);
void emitKernel(KernelBuilder &builder, MembersOp op);
void emitKernel(KernelBuilder &builder, PoolOp op);
void emitKernel(KernelBuilder &builder, NoiseOp op);
void emitKernel(KernelBuilder &builder, SharesOp op);
/// Replaces the count.
void emitKernel(KernelBuilder &builder, SelectOp op);

/// The form of attention where there is one query.
void emitSingleQuery(KernelBuilder &builder, PanelAttentionOp op);

/// The dot product of two rows of `width` columns.
Value emitDot(KernelBuilder &builder, Value a, ArrayRef<Value> aRow, Value b,
              ArrayRef<Value> bRow, int64_t width);

/// The weights that vectors of scores give.
Value emitGate(KernelBuilder &builder, GateAttr gate, Value scores);

/// Panels of keys or values, the pairs of which are among the columns.
Value mergePairs(KernelBuilder &builder, Value panels);

/// The static size of a dimension.
int64_t getStaticDim(Value shaped, unsigned dim);

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_KERNELS_H
