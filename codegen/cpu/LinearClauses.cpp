//===- LinearClauses.cpp - What products do besides sums ------------------===//
//
// Rows to read before the sums; scales, bias, activation, sums with what is in
// memory, and rows to write after them.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/LinearClauses.h"
#include "codegen/cpu/Kernels.h"
#include "codegen/cpu/VectorMath.h"

using namespace mlir;
using namespace mlir::mod;

Value LinearClauses::getTokens() {
  return b.dim(op.getRows() ? op.getRows() : op.getInput(), 1);
}

Value LinearClauses::getInputRow(Value token) {
  if (Value rows = op.getRows())
    return b.toIndex(b.load(rows, {b.index(0), token}));
  return token;
}

Value LinearClauses::getOutputRow(Value token) {
  if (Value indices = op.getIndices())
    return b.toIndex(b.load(indices, {b.index(0), token}));
  return token;
}

LinearClauses::Token LinearClauses::loadToken(Value index) {
  Value zero = b.index(0);
  Token token{index, getOutputRow(index)};
  if (Value scales = op.getRowScales())
    token.scale = b.broadcast(b.load(scales, {zero, index}));
  if (Value scores = op.getScores())
    token.gate = emitGate(b, *op.getGate(),
                          b.broadcast(b.load(scores, {zero, token.row})));
  return token;
}

LinearClauses::Outputs::Half LinearClauses::loadHalf(Columns columns) {
  Outputs::Half half;
  // Scales of groups are in the sums.
  if (Value scales = op.getScales(); scales && !op.isFourBit())
    half.scale = b.load(scales, {}, columns);
  if (Value bias = op.getBias())
    half.bias = b.load(bias, {}, columns);
  return half;
}

LinearClauses::Outputs LinearClauses::loadOutputs(Columns columns) {
  Outputs outputs{columns, loadHalf(columns), {}};
  if (op.getGlu())
    outputs.otherHalf =
        loadHalf({b.add(columns.index, op.getNumOutputs()), columns.mask});
  return outputs;
}

Value LinearClauses::scale(const Token &token, const Outputs::Half &half,
                           Value sums) {
  if (half.scale)
    sums = b.mulf(sums, half.scale);
  if (token.scale && half.bias)
    return b.fma(sums, token.scale, half.bias);
  if (token.scale)
    return b.mulf(sums, token.scale);
  return half.bias ? b.addf(sums, half.bias) : sums;
}

void LinearClauses::store(const Token &token, const Outputs &outputs,
                          Value sums, Value otherSums) {
  Value zero = b.index(0);
  Value y = scale(token, outputs.half, sums);
  if (op.getGlu())
    y = b.mulf(b.mulf(y, emitSigmoid(b, y)),
               scale(token, outputs.otherHalf, otherSums));
  if (Value addend = op.getAddend())
    y = b.addf(y, b.load(addend, {zero, token.index}, outputs.columns));
  if (op.getAccumulate()) {
    Value x = b.load(op.getInto(), {zero, token.row}, outputs.columns);
    y = token.gate ? b.fma(token.gate, y, x) : b.addf(y, x);
  } else if (token.gate) {
    y = b.mulf(token.gate, y);
  }
  b.store(y, op.getInto(), {zero, token.row}, outputs.columns);
}
