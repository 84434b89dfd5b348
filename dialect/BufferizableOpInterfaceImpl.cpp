//===- BufferizableOpInterfaceImpl.cpp - Bufferization ----------*- C++ -*-===//
//
// From the functional and the destination form to the buffer form.
//
//===----------------------------------------------------------------------===//

#include "dialect/BufferizableOpInterfaceImpl.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace mlir::mod;

/// The operand whose buffer the op writes and gives as its result, if any.
static OpOperand *getWritten(Operation *op) {
  if (auto scatter = dyn_cast<ScatterOp>(op))
    return &scatter.getXMutable();
  if (auto destination = dyn_cast<DestinationOpInterface>(op))
    return destination.getIntoOperand();
  return nullptr;
}

/// Whether the op keeps some of what its destination holds.
static bool readsWritten(Operation *op) {
  auto linear = dyn_cast<LinearOp>(op);
  return isa<ScatterOp>(op) || (linear && linear.keepsRows());
}

/// The result that is a tensor, if any; select has a number beside it.
static Value getTensorResult(Operation *op) {
  if (op->getNumResults() == 0 || !isa<TensorType>(op->getResult(0).getType()))
    return {};
  return op->getResult(0);
}

/// Allocates the result of an op that was not given a destination.
static FailureOr<Value> allocateResult(RewriterBase &rewriter,
                                       DestinationOpInterface op,
                                       ArrayRef<Value> buffers,
                                       const BufferizationOptions &options) {
  auto type = cast<RankedTensorType>(getTensorResult(op).getType());
  SmallVector<Value> sizes;
  for (auto [dim, size] : llvm::enumerate(type.getShape()))
    if (ShapedType::isDynamic(size))
      sizes.push_back(memref::DimOp::create(rewriter, op.getLoc(),
                                            buffers[op.getSizeOperand(dim)],
                                            op.getSizeDim(dim)));
  auto buffer = MemRefType::get(type.getShape(), type.getElementType());
  return options.createAlloc(rewriter, op.getLoc(), buffer, sizes);
}

/// The buffers of the operands that are tensors, the others as they are.
static FailureOr<SmallVector<Value>>
getBuffers(RewriterBase &rewriter, Operation *op,
           const BufferizationOptions &options,
           const BufferizationState &state) {
  SmallVector<Value> buffers;
  for (Value operand : op->getOperands()) {
    if (!isa<TensorType>(operand.getType())) {
      buffers.push_back(operand);
      continue;
    }
    FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
    if (failed(buffer))
      return failure();
    buffers.push_back(*buffer);
  }
  return buffers;
}

/// Creates `op` in the buffer form: on `buffers`, without its tensor result.
static Operation *createOnBuffers(RewriterBase &rewriter, Operation *op,
                                  ValueRange buffers) {
  SmallVector<Type> types;
  llvm::copy_if(op->getResultTypes(), std::back_inserter(types),
                [](Type type) { return !isa<TensorType>(type); });
  return rewriter.insert(Operation::create(
      op->getLoc(), op->getName(), types, buffers,
      op->getDiscardableAttrDictionary(), op->getPropertiesStorage(),
      /*successors=*/{}, /*numRegions=*/0));
}

namespace {
/// All ops in one model: they differ only in what they write.
template <typename OpTy>
struct BufferModel
    : BufferizableOpInterface::ExternalModel<BufferModel<OpTy>, OpTy> {
  bool bufferizesToAllocation(Operation *op, Value) const {
    return !getWritten(op);
  }

  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &) const {
    return &operand != getWritten(op) || readsWritten(op);
  }

  bool bufferizesToMemoryWrite(Operation *op, OpOperand &operand,
                               const AnalysisState &) const {
    return &operand == getWritten(op);
  }

  AliasingValueList getAliasingValues(Operation *op, OpOperand &operand,
                                      const AnalysisState &) const {
    if (&operand != getWritten(op))
      return {};
    return {{getTensorResult(op), BufferRelation::Equivalent}};
  }

  FailureOr<BufferLikeType>
  getBufferType(Operation *op, Value value, const BufferizationOptions &options,
                const BufferizationState &state,
                SmallVector<Value> &invocationStack) const {
    if (OpOperand *written = getWritten(op))
      return bufferization::getBufferType(written->get(), options, state,
                                          invocationStack);
    return cast<BufferLikeType>(getMemRefTypeWithStaticIdentityLayout(
        cast<TensorType>(value.getType())));
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    FailureOr<SmallVector<Value>> buffers =
        getBuffers(rewriter, op, options, state);
    if (failed(buffers))
      return failure();

    SmallVector<Value> results;
    if (OpOperand *written = getWritten(op)) {
      results.push_back((*buffers)[written->getOperandNumber()]);
    } else if (getTensorResult(op)) {
      auto destination = cast<DestinationOpInterface>(op);
      FailureOr<Value> result =
          allocateResult(rewriter, destination, *buffers, options);
      if (failed(result))
        return failure();
      // Makes the op's operand segments those of the buffer form.
      destination.getIntoMutable().assign(*result);
      buffers->push_back(*result);
      results.push_back(*result);
    }

    Operation *newOp = createOnBuffers(rewriter, op, *buffers);
    llvm::append_range(results, newOp->getResults());
    replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};

/// Routed blocks and experts have no buffer form: they say what, not how.
template <typename OpTy>
struct UnfusedModel
    : BufferizableOpInterface::ExternalModel<UnfusedModel<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }
  LogicalResult verifyAnalysis(Operation *op, const AnalysisState &) const {
    return op->emitOpError("must be lowered by ")
           << (isa<RoutedOp>(op) ? "mod-fuse-routing" : "mod-fuse-experts")
           << " before bufferization";
  }
};
} // namespace

template <typename... OpTys>
static void attachBufferModels(MLIRContext *context) {
  (OpTys::template attachInterface<BufferModel<OpTys>>(*context), ...);
}

void mod::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ModDialect *) {
    attachBufferModels<
        EmbeddingOp, PositionsOp, RMSNormOp, InverseRMSOp, LinearOp,
        RowScalesOp, QuantizeOp, RopeOp, AttentionOp, RouterOp, PredictorOp,
        SelectOp, GatherOp, ScatterOp, SoftmaxOp, MembersOp, PoolOp, NoiseOp,
        SharesOp, CacheAppendOp, CachedAttentionOp, LatchOp, TraceRoutingOp>(
        context);
    RoutedOp::attachInterface<UnfusedModel<RoutedOp>>(*context);
    ExpertsOp::attachInterface<UnfusedModel<ExpertsOp>>(*context);
    // Bufferization creates ops of these.
    context->loadDialect<memref::MemRefDialect>();
  });
}
