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

LinearClauses::Token LinearClauses::loadToken(Value index) {
  Value zero = b.index(0);
  Token token{index, index};
  if (Value indices = op.getIndices())
    token.row = b.toIndex(b.load(indices, {zero, index}));
  if (Value scales = op.getRowScales())
    token.scale = b.broadcast(b.load(scales, {zero, index}));
  if (Value scores = op.getScores())
    token.gate = emitGate(b, *op.getGate(),
                          b.broadcast(b.load(scores, {zero, token.row})));
  return token;
}

LinearClauses::Outputs LinearClauses::loadOutputs(Columns columns) {
  Outputs outputs{columns};
  Value bias = op.getBias();
  if (!bias)
    return outputs;
  outputs.bias = b.load(bias, {}, columns);
  if (op.getGlu()) {
    Columns others{b.add(columns.index, op.getNumOutputs()), columns.mask};
    outputs.otherBias = b.load(bias, {}, others);
  }
  return outputs;
}

Value LinearClauses::scale(const Token &token, Value sums, Value bias) {
  if (token.scale && bias)
    return b.fma(sums, token.scale, bias);
  if (token.scale)
    return b.mulf(sums, token.scale);
  return bias ? b.addf(sums, bias) : sums;
}

void LinearClauses::store(const Token &token, const Outputs &outputs,
                          Value sums, Value otherSums) {
  Value zero = b.index(0);
  Value y = scale(token, sums, outputs.bias);
  if (op.getGlu())
    y = b.mulf(b.mulf(y, emitSigmoid(b, y)),
               scale(token, otherSums, outputs.otherBias));
  if (Value addend = op.getAddend())
    y = b.addf(y, b.load(addend, {zero, token.index}, outputs.columns));
  if (op.getAccumulate()) {
    Value x = b.load(op.getInto(), {zero, token.row}, outputs.columns);
    y = token.gate ? b.fma(token.gate, y, x) : b.addf(y, x);
  }
  b.store(y, op.getInto(), {zero, token.row}, outputs.columns);
}
