//===- Vectorize.cpp - Turn what is left of linalg into vectors -----------===//
//
// Elementwise ops and copies become parallel loops over rows and vectors of
// columns; what is neither becomes plain loops.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/VectorMath.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::mod {
#define GEN_PASS_DEF_VECTORIZEPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
/// Elements of one task: enough to pay for handing it out.
constexpr int64_t taskElements = 16 * 1024;

struct VectorizePass : mod::impl::VectorizePassBase<VectorizePass> {
  using VectorizePassBase::VectorizePassBase;
  void runOnOperation() override;
};
} // namespace

//===----------------------------------------------------------------------===//
// What can be vectorised
//===----------------------------------------------------------------------===//

/// Whether the operand's last dimension is the innermost loop's and nothing
/// else is.
static bool isContiguous(AffineMap map) {
  unsigned last = map.getNumDims() - 1;
  if (map.getNumResults() == 0 || map.getResult(map.getNumResults() - 1) !=
                                      getAffineDimExpr(last, map.getContext()))
    return false;
  return llvm::none_of(map.getResults().drop_back(), [&](AffineExpr result) {
    return result.isFunctionOfDim(last);
  });
}

static bool isUniform(AffineMap map) {
  return !map.isFunctionOfDim(map.getNumDims() - 1);
}

static bool isSimple(AffineMap map) {
  return llvm::all_of(map.getResults(), [](AffineExpr result) {
    return isa<AffineDimExpr, AffineConstantExpr>(result);
  });
}

static bool hasUnitStride(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  return memref && memref.isLastDimUnitStride();
}

/// Why an operand cannot be read or written vector by vector; empty if it can.
static StringRef getReason(OpOperand &operand, AffineMap map) {
  if (!isSimple(map))
    return "an index is computed";
  if (isUniform(map))
    return "";
  if (!isContiguous(map))
    return "columns of an operand are not consecutive";
  if (!hasUnitStride(operand.get().getType()))
    return "columns of an operand are apart";
  return "";
}

/// Why an op cannot be vectorised; empty if it can.
static StringRef getReason(linalg::LinalgOp op) {
  if (op.getNumLoops() == 0)
    return "it has no loop";
  if (op.getNumParallelLoops() != op.getNumLoops())
    return "it reduces";
  for (Operation &inner : op.getBlock()->without_terminator())
    if (!OpTrait::hasElementwiseMappableTraits(&inner) &&
        !isa<arith::ConstantOp>(inner))
      return "its body is not elementwise";
  for (OpOperand &init : op.getDpsInitsMutable())
    if (!op.getMatchingIndexingMap(&init).isIdentity())
      return "its output is permuted";
  for (OpOperand &operand : op->getOpOperands()) {
    StringRef reason = getReason(operand, op.getMatchingIndexingMap(&operand));
    if (!reason.empty())
      return reason;
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Vectorisation
//===----------------------------------------------------------------------===//

namespace {
/// Writes the loops of one elementwise op.
struct Elementwise {
  KernelBuilder &b;
  linalg::LinalgOp op;

  void emit();

private:
  void emitRow(Value row, ArrayRef<Value> bounds);
  void emitColumns(ArrayRef<Value> loops, Columns columns);
  Value read(OpOperand &operand, ArrayRef<Value> loops, Columns columns);
  Values getIndices(AffineMap map, ArrayRef<Value> loops);
  void emitBody(Operation &inner, IRMapping &mapping);
  Value vectorize(Value value, IRMapping &mapping);
};
} // namespace

void Elementwise::emit() {
  Value into = op.getDpsInits().front();
  Values bounds;
  for (int64_t dim = 0; dim < int64_t(op.getNumLoops()); ++dim)
    bounds.push_back(b.dim(into, dim));
  Value rows = b.index(1);
  for (Value bound : ArrayRef(bounds).drop_back())
    rows = b.mul(rows, bound);
  int64_t width = cast<MemRefType>(into.getType()).getShape().back();
  if (ShapedType::isDynamic(width))
    width = 1024;
  int64_t block =
      std::max<int64_t>(1, taskElements / std::max<int64_t>(1, width));
  b.forallItems(rows, block, [&](Value row) { emitRow(row, bounds); });
}

/// Number `row` of the rows, counted in the order of the loops.
void Elementwise::emitRow(Value row, ArrayRef<Value> bounds) {
  Values loops;
  for (Value bound : llvm::reverse(bounds.drop_back())) {
    loops.insert(loops.begin(), b.rem(row, bound));
    row = b.div(row, bound);
  }
  b.forColumns(bounds.back(), [&](Columns columns) {
    Values all(loops);
    all.push_back(columns.index);
    emitColumns(all, columns);
  });
}

void Elementwise::emitColumns(ArrayRef<Value> loops, Columns columns) {
  IRMapping mapping;
  for (OpOperand &operand : op->getOpOperands())
    if (BlockArgument argument = op.getMatchingBlockArgument(&operand);
        argument && !argument.use_empty())
      mapping.map(argument, read(operand, loops, columns));
  for (Operation &inner : op.getBlock()->without_terminator())
    emitBody(inner, mapping);
  Operation *yield = op.getBlock()->getTerminator();
  for (auto [into, value] :
       llvm::zip_equal(op.getDpsInits(), yield->getOperands()))
    b.store(vectorize(value, mapping), into, loops.drop_back(), columns);
}

Values Elementwise::getIndices(AffineMap map, ArrayRef<Value> loops) {
  return llvm::map_to_vector(map.getResults(), [&](AffineExpr result) {
    if (auto dim = dyn_cast<AffineDimExpr>(result))
      return loops[dim.getPosition()];
    return b.index(cast<AffineConstantExpr>(result).getValue());
  });
}

Value Elementwise::read(OpOperand &operand, ArrayRef<Value> loops,
                        Columns columns) {
  Value value = operand.get();
  if (!isa<MemRefType>(value.getType()))
    return b.broadcast(value);
  AffineMap map = op.getMatchingIndexingMap(&operand);
  Values indices = getIndices(map, loops);
  if (isUniform(map))
    return b.broadcast(b.load(value, indices));
  return b.load(value, ArrayRef(indices).drop_back(), columns);
}

/// The vector of a scalar of the body: what it was mapped to, or a splat of
/// what comes from outside.
Value Elementwise::vectorize(Value value, IRMapping &mapping) {
  if (Value mapped = mapping.lookupOrNull(value))
    return mapped;
  return b.broadcast(value);
}

void Elementwise::emitBody(Operation &inner, IRMapping &mapping) {
  if (isa<arith::ConstantOp>(inner)) {
    mapping.map(inner.getResult(0), b.broadcast(b.clone(inner)->getResult(0)));
    return;
  }
  if (isa<math::ExpOp>(inner) && inner.getResult(0).getType().isF32()) {
    Value x = vectorize(inner.getOperand(0), mapping);
    mapping.map(inner.getResult(0), emitExp(b, x));
    return;
  }
  for (Value operand : inner.getOperands())
    mapping.map(operand, vectorize(operand, mapping));
  for (Value result : b.clone(inner, mapping)->getResults())
    result.setType(b.vectorType(result.getType()));
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// `memref.copy` of rows that are not adjacent would call a library.
static void rewriteCopies(Operation *root) {
  IRRewriter rewriter(root->getContext());
  root->walk([&](memref::CopyOp copy) {
    rewriter.setInsertionPoint(copy);
    linalg::makeMemRefCopyOp(rewriter, copy.getLoc(), copy.getSource(),
                             copy.getTarget());
    rewriter.eraseOp(copy);
  });
}

static LogicalResult lowerToLoops(linalg::LinalgOp op, StringRef reason,
                                  RewriterBase &rewriter) {
  remark::missed(
      op.getLoc(),
      remark::RemarkOpts::name("NotVectorized").category("vectorize"))
      << remark::metric("op", op->getName().getStringRef())
      << remark::metric("form", "loops") << remark::reason("{0}", reason);
  if (failed(linalg::linalgOpToLoops(rewriter, op)))
    return op.emitOpError("has no loops");
  rewriter.eraseOp(op);
  return success();
}

static LogicalResult lower(linalg::LinalgOp op, CpuTarget target) {
  IRRewriter rewriter(op.getContext());
  rewriter.setInsertionPoint(op);
  if (!op.hasPureBufferSemantics())
    return op.emitOpError("must be on buffers");
  if (StringRef reason = getReason(op); !reason.empty())
    return lowerToLoops(op, reason, rewriter);
  KernelBuilder builder(op.getLoc(), rewriter, target);
  Elementwise{builder, op}.emit();
  rewriter.eraseOp(op);
  return success();
}

void VectorizePass::runOnOperation() {
  Operation *root = getOperation();
  if (!CpuTarget::isSupported(vectorBits)) {
    root->emitError("no vectors have ")
        << vectorBits.getValue() << " bits; expected 128, 256 or 512";
    return signalPassFailure();
  }
  rewriteCopies(root);
  SmallVector<linalg::LinalgOp> ops;
  root->walk([&](linalg::LinalgOp op) { ops.push_back(op); });
  for (linalg::LinalgOp op : ops)
    if (failed(lower(op, CpuTarget::get(vectorBits))))
      return signalPassFailure();
  RewritePatternSet patterns(&getContext());
  populateMathPolynomialApproximationPatterns(patterns);
  if (failed(applyPatternsGreedily(root, std::move(patterns))))
    signalPassFailure();
}
