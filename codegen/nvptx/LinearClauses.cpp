//===- LinearClauses.cpp - What products do besides sums ------------------===//
//
// Rows to read before the sums; scales, bias, activation, sums with what is in
// memory, rows to write and elementwise ops after them.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/LinearClauses.h"

using namespace mlir;
using namespace mlir::mod;

bool mod::hasManyRows(LinearOp op) {
  return getBound(op.getRows() ? op.getRows() : op.getInput(), 1) != 1;
}

Value GpuLinearClauses::getTokens() {
  return b.dim(op.getRows() ? op.getRows() : op.getInput(), 1);
}

Value GpuLinearClauses::getInputRow(Value token) {
  if (Value rows = op.getRows())
    return b.toIndex(b.load(rows, {b.index(0), token}));
  return token;
}

GpuLinearClauses::Token GpuLinearClauses::loadToken(Value index) {
  Value zero = b.index(0);
  Token token{index, index, {}, {}};
  if (Value indices = op.getIndices())
    token.row = b.toIndex(b.load(indices, {zero, index}));
  if (Value scales = op.getRowScales())
    token.scale = b.load(scales, {zero, index});
  if (Value scores = op.getScores())
    token.gate = emitGate(b, *op.getGate(), b.load(scores, {zero, token.row}));
  return token;
}

Value GpuLinearClauses::scale(const Token &token, Value output, Value sum) {
  if (token.scale)
    sum = b.mulf(sum, token.scale);
  if (Value bias = op.getBias())
    sum = b.addf(sum, b.load(bias, {output}));
  return sum;
}

void GpuLinearClauses::store(const Token &token, Value output, Value sum,
                             Value other) {
  Value zero = b.index(0);
  Value y = scale(token, output, sum);
  if (op.getGlu()) {
    Value second = b.add(output, b.index(op.getNumOutputs()));
    y = b.mulf(b.mulf(y, b.sigmoid(y)), scale(token, second, other));
  }
  if (Value addend = op.getAddend())
    y = b.addf(y, b.load(addend, {zero, token.index, output}));
  Value place[] = {zero, token.row, output};
  if (op.getAccumulate()) {
    Value x = b.load(op.getInto(), place);
    y = token.gate ? b.fma(token.gate, y, x) : b.addf(y, x);
  } else if (token.gate) {
    y = b.mulf(token.gate, y);
  }
  b.store(y, op.getInto(), place);
  for (linalg::LinalgOp follower : followers)
    emitElement(b, follower, place);
}
