//===- ExpandGpuMath.cpp - Functions of numbers as arithmetic ---*- C++ -*-===//
//
// Leaves no function that NVIDIA's library would have to provide.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::mod {
#define GEN_PASS_DEF_EXPANDGPUMATHPASS
#include "codegen/nvptx/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

/// An op that the GPU has an instruction for.
template <typename From>
struct ToIntrinsic : OpRewritePattern<From> {
  ToIntrinsic(MLIRContext *context, StringRef name)
      : OpRewritePattern<From>(context), name(name) {}
  LogicalResult matchAndRewrite(From op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return rewriter.notifyMatchFailure(op, "is not one number in f32");
    rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(
        op, op.getType(), rewriter.getStringAttr(name), op->getOperands());
    return success();
  }
  StringRef name;
};

/// 1 / sqrt(x)
struct ExpandRsqrt : OpRewritePattern<math::RsqrtOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::RsqrtOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return rewriter.notifyMatchFailure(op, "is not one number in f32");
    Value root = math::SqrtOp::create(rewriter, op.getLoc(), op.getOperand());
    Value one = arith::ConstantOp::create(rewriter, op.getLoc(),
                                          rewriter.getF32FloatAttr(1.0));
    rewriter.replaceOpWithNewOp<arith::DivFOp>(op, one, root);
    return success();
  }
};

struct ExpandGpuMathPass : mod::impl::ExpandGpuMathPassBase<ExpandGpuMathPass> {
  void runOnOperation() override;
};

} // namespace

void ExpandGpuMathPass::runOnOperation() {
  RewritePatternSet patterns(&getContext());
  populateMathPolynomialApproximationPatterns(patterns);
  patterns.add<ExpandRsqrt>(&getContext());
  patterns.add<ToIntrinsic<math::SqrtOp>>(&getContext(), "llvm.sqrt.f32");
  patterns.add<ToIntrinsic<math::FmaOp>>(&getContext(), "llvm.fma.f32");
  patterns.add<ToIntrinsic<math::Exp2Op>>(&getContext(), "llvm.exp2.f32");
  patterns.add<ToIntrinsic<math::AbsFOp>>(&getContext(), "llvm.fabs.f32");
  patterns.add<ToIntrinsic<math::FloorOp>>(&getContext(), "llvm.floor.f32");
  patterns.add<ToIntrinsic<math::CeilOp>>(&getContext(), "llvm.ceil.f32");
  patterns.add<ToIntrinsic<math::RoundEvenOp>>(&getContext(),
                                               "llvm.roundeven.f32");
  patterns.add<ToIntrinsic<math::CopySignOp>>(&getContext(),
                                              "llvm.copysign.f32");
  math::populateExpansionPatterns(patterns,
                                  {"powf", "sinh", "cosh", "tan", "clampf"});
  if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
    return signalPassFailure();
  WalkResult result = getOperation().walk([](Operation *op) {
    if (!isa_and_present<math::MathDialect>(op->getDialect()) ||
        op->getNumOperands() == 0)
      return WalkResult::advance();
    return WalkResult(op->emitOpError("has no code for nvptx"));
  });
  if (result.wasInterrupted())
    signalPassFailure();
}
