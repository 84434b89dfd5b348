//===- ProductVerifiers.cpp - The rules of products -------------*- C++ -*-===//
//
// Layouts of weights, clauses of mod.linear, and quantisation.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModOps.h"
#include "dialect/Verifiers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::mod;
using namespace mlir::mod::detail;

/// Checks the panels of a packed weight against the number of outputs.
static LogicalResult verifyPanels(LinearOp op) {
  int64_t outputs = op.getNumSums(), panel = op.getPanel();
  int64_t panels = llvm::divideCeil(outputs, panel);
  if (op.getGlu() && panel % 2)
    return op.emitOpError("packed weight has panels of ")
           << panel << ", expected an even number for 'glu'";
  if (getDim(op.getWeight(), 0) == panels)
    return success();
  return op.emitOpError("packed weight has ")
         << getDim(op.getWeight(), 0) << " panels of " << panel << ", expected "
         << panels << " for " << outputs << " outputs";
}

/// Checks the weight's layout.
static LogicalResult verifyWeight(LinearOp op) {
  Value weight = op.getWeight();
  if (op.isFourBit() && (shaped(weight).getRank() != 4 ||
                         failed(verifyDim(op, "weight", weight, 2, 4))))
    return op.emitOpError("i32 is for weights packed in four bits, not ")
           << weight.getType();
  int64_t inputs = llvm::divideCeil(op.getNumInputs(), op.getInputsTogether());
  inputs += op.hasOutputSums();
  if (failed(verifyDim(op, "weight", weight, 1, inputs)))
    return failure();
  return op.isPacked() ? verifyPanels(op) : success();
}

/// The shape that the scales of a weight have.
static SmallVector<int64_t> getScalesShape(LinearOp op, int64_t sums) {
  int64_t groups = llvm::divideCeil(op.getNumInputs(), LinearOp::kGroup);
  if (op.isFourBit())
    return {getDim(op.getWeight(), 0), groups, op.getPanel()};
  if (shaped(op.getScales()).getRank() == 2 && !op.isPacked())
    return {sums, groups};
  return {sums};
}

static LogicalResult verifyScales(LinearOp op, int64_t sums) {
  bool isInteger = isa<IntegerType>(shaped(op.getWeight()).getElementType());
  if (isInteger != bool(op.getScales()))
    return op.emitOpError("takes scales if and only if its weight is integers");
  if (!isInteger)
    return success();
  ShapedType scales = shaped(op.getScales());
  SmallVector<int64_t> shape = getScalesShape(op, sums);
  if (scales.getShape() == ArrayRef(shape))
    return success();
  return op.emitOpError("scales are ")
         << scales << ", expected "
         << RankedTensorType::get(shape, scales.getElementType());
}

/// Checks that clauses that write into a destination have one.
static LogicalResult verifyDestinationClauses(LinearOp op) {
  if (!op.getInto() && (op.getGate() || op.keepsRows()))
    return op.emitOpError() << (op.getGate()      ? "'gate'"
                                : op.getIndices() ? "'at'"
                                                  : "'accumulate'")
                            << " needs 'into'";
  if (op.getGate() && failed(verifyOwnGate(op, *op.getGate())))
    return failure();
  if (op.getIndices())
    return verifySameTokens(op, "indices", op.getIndices(),
                            op.getRows() ? op.getRows() : op.getInput());
  return success();
}

/// Checks the operands of clauses that have a row per token.
static LogicalResult verifyTokenClauses(LinearOp op, Value tokens) {
  if (op.getRows() &&
      failed(verifyDim(op, "rows", op.getRows(), 0, getDim(op.getInput(), 0))))
    return failure();
  if (op.getRowScales() &&
      failed(verifySameTokens(op, "row_scales", op.getRowScales(), tokens)))
    return failure();
  if (op.getScores() &&
      failed(verifySameTokens(op, "scores", op.getScores(), op.getInto())))
    return failure();
  if (Value addend = op.getAddend())
    if (failed(verifySameTokens(op, "addend", addend, tokens)) ||
        failed(verifyDim(op, "addend", addend, 2, op.getNumOutputs())))
      return failure();
  return success();
}

LogicalResult LinearOp::verify() {
  Value tokens = getRows() ? getRows() : getInput();
  if (failed(verifyDestinationClauses(*this)) || failed(verifyWeight(*this)) ||
      failed(verifyTokenClauses(*this, tokens)))
    return failure();
  int64_t sums = isPacked() ? getNumSums() : getDim(getWeight(), 0);
  if (getGlu() && sums % 2)
    return emitOpError("weight has ")
           << sums << " outputs, expected an even number for 'glu'";
  if ((getBias() && failed(verifyDim(*this, "bias", getBias(), 0, sums))) ||
      failed(verifyScales(*this, sums)))
    return failure();
  int64_t written = getDim(getIndices() ? getInto() : tokens, 1);
  // Of a narrow input, or if asked for, f32.
  Type element = shaped(getInput()).getElementType();
  if (element != getOutputType(*this).getElementType())
    element = Float32Type::get(getContext());
  return verifyOutput(
      *this, {getDim(getInput(), 0), written, getGlu() ? sums / 2 : sums},
      element);
}

/// Checks the rows of an op that computes with some rows of `x` alone.
static LogicalResult verifyRows(Operation *op, Value rows, Value x) {
  return rows ? verifyDim(op, "rows", rows, 0, getDim(x, 0)) : success();
}

LogicalResult RowScalesOp::verify() {
  if (failed(verifyRows(*this, getRows(), getX())))
    return failure();
  return verifyScores(*this, getRows() ? getRows() : getX());
}

LogicalResult QuantizeOp::verify() {
  ShapedType output = getOutputType(*this);
  Value tokens = getRows() ? getRows() : getX();
  if (isa<IntegerType>(output.getElementType()) != bool(getScales()))
    return emitOpError("takes scales if and only if it gives integers");
  if (failed(verifyRows(*this, getRows(), getX())) ||
      (getScales() &&
       failed(verifySameTokens(*this, "scales", getScales(), tokens))))
    return failure();
  int64_t width = std::max(output.getShape().back(), getDim(getX(), 2));
  return verifyOutput(*this, {getDim(tokens, 0), getDim(tokens, 1), width},
                      output.getElementType());
}
