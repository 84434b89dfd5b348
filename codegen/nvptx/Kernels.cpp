//===- Kernels.cpp - Which op has which kernel ----------------------------===//
//
// Checks what kernels cannot do, and finds the kernel of an op.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Kernels.h"
#include "mlir/IR/Remarks.h"
#include "runtime/modrt.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::mod;

static FailureOr<Geometry> emitOne(ThreadBuilder &b, Operation *op,
                                   Value counts) {
  return TypeSwitch<Operation *, FailureOr<Geometry>>(op)
      .Case<EmbeddingOp, PositionsOp, GatherOp, ScatterOp, NoiseOp, QuantizeOp,
            RopeOp, AppendPanelsOp, RMSNormOp, InverseRMSOp, RouterOp,
            SoftmaxOp, MembersOp, PoolOp, SampleOp, linalg::LinalgOp>(
          [&](auto op) { return emitGpuKernel(b, op); })
      .Case<SelectOp, PanelAttentionOp>(
          [&](auto op) { return emitGpuKernel(b, op, counts); })
      .Default([](Operation *op) {
        return op->emitOpError("has no kernel for nvptx");
      });
}

FailureOr<Geometry> mod::emitGpuKernel(ThreadBuilder &b,
                                       ArrayRef<Operation *> ops, Value counts,
                                       Value map) {
  if (auto linear = dyn_cast<LinearOp>(ops.front())) {
    SmallVector<linalg::LinalgOp> followers;
    for (Operation *op : ops.drop_front())
      followers.push_back(cast<linalg::LinalgOp>(op));
    return emitGpuKernel(b, linear, followers, map);
  }
  if (ops.size() == 1)
    return emitOne(b, ops.front(), counts);
  auto norm = cast<RMSNormOp>(ops.front());
  return TypeSwitch<Operation *, FailureOr<Geometry>>(ops.back())
      .Case<RopeOp, AppendPanelsOp>(
          [&](auto op) { return emitGpuKernel(b, op, norm); });
}

void mod::remarkSlow(Operation *op, StringRef name, StringRef metric,
                     int64_t size, StringRef reason) {
  auto kernel = op->getParentOfType<gpu::GPUFuncOp>();
  remark::missed(op->getLoc(), remark::RemarkOpts::name(name)
                                   .category("mod-lower-to-gpu")
                                   .function(kernel.getName()))
      << remark::metric(metric, size) << remark::reason("{0}", reason.str());
}

/// Whether kernels compute with this in memory.
static bool isKnownElement(Type element) {
  return element.isF32() || element.isF64() || element.isBF16() ||
         element.isF16() || element.isInteger(32) || element.isInteger(64);
}

static LogicalResult verifyElements(Operation *op) {
  if (isa<linalg::LinalgOp>(op))
    return success();
  for (Type operand : op->getOperandTypes()) {
    auto type = dyn_cast<ShapedType>(operand);
    if (!type)
      continue;
    if (!isa<MemRefType>(type))
      return op->emitOpError("must be in the buffer form, but has ") << type;
    if (!isKnownElement(type.getElementType()))
      return op->emitOpError("has no kernel for ")
             << type.getElementType() << " for nvptx";
  }
  return success();
}

static LogicalResult verifyLinear(LinearOp op) {
  if (op.isPacked())
    return op.emitOpError("has a packed weight, which nvptx has no kernel for");
  if (op.getScales())
    return op.emitOpError("has integers, which nvptx has no kernel for");
  return success();
}

static LogicalResult verifyLinalg(linalg::LinalgOp op) {
  if (op.getNumParallelLoops() != op.getNumLoops())
    return op->emitOpError("is not elementwise, and has no kernel for nvptx");
  for (OpOperand &operand : op->getOpOperands())
    if (isa<ShapedType>(operand.get().getType()) &&
        !isa<MemRefType>(operand.get().getType()))
      return op->emitOpError("must be on buffers");
  return success();
}

/// Caches of GPUs hold heads row by row.
static LogicalResult verifyRows(Operation *op, Value keys, Value values) {
  if (getBound(keys, 3) == 1 && getBound(values, 1) == 1)
    return success();
  return op->emitOpError("has keys or values in panels; nvptx has kernels for "
                         "panels of one key and of a whole value");
}

/// The caller's numbers are those of modrt_choice.
static LogicalResult verifyChoice(SampleOp op) {
  constexpr int64_t expected = sizeof(modrt_choice) / sizeof(double);
  if (getBound(op.getChoice(), 0) == expected)
    return success();
  return op.emitOpError("is told how to choose by ")
         << op.getChoice().getType() << ", where modrt_choice has " << expected
         << " numbers";
}

LogicalResult mod::verifyGpuKernel(Operation *op) {
  if (failed(verifyElements(op)))
    return failure();
  if (auto linear = dyn_cast<LinearOp>(op))
    return verifyLinear(linear);
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return verifyLinalg(linalgOp);
  if (auto attention = dyn_cast<PanelAttentionOp>(op);
      attention &&
      failed(verifyRows(op, attention.getKeys(), attention.getValues())))
    return failure();
  if (auto sample = dyn_cast<SampleOp>(op);
      sample && failed(verifyChoice(sample)))
    return failure();
  bool isKnown =
      isa<EmbeddingOp, PositionsOp, GatherOp, ScatterOp, NoiseOp, QuantizeOp,
          RopeOp, AppendPanelsOp, RMSNormOp, InverseRMSOp, RouterOp, SoftmaxOp,
          MembersOp, PoolOp, SampleOp, PanelAttentionOp, SelectOp>(op);
  if (!isKnown)
    return op->emitOpError("has no kernel for nvptx");
  if (getBound(op->getOperand(0), 0) != 1)
    return op->emitOpError("has a batch; nvptx has kernels for one sequence");
  return success();
}
