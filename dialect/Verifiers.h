//===- Verifiers.h - Checks that the rules of ops share ---------*- C++ -*-===//
//
// Dimensions, elements and forms of operands, named in the errors.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_VERIFIERS_H
#define MOD_DIALECT_VERIFIERS_H

#include "dialect/ModOps.h"

namespace mlir::mod::detail {

inline ShapedType shaped(Value value) {
  return cast<ShapedType>(value.getType());
}

/// The value that holds the op's output: its destination or its result.
inline ShapedType getOutputType(Operation *op) {
  if (Value into = cast<DestinationOpInterface>(op).getInto())
    return shaped(into);
  return shaped(op->getResult(0));
}

/// Checks that an op is on tensors or on memrefs, not on both.
inline LogicalResult verifyOneForm(Operation *op) {
  if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<MemRefType>) &&
      llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>))
    return op->emitOpError("mixes tensors and memrefs");
  return success();
}

/// Whether two dimensions may be equal at run time.
inline bool compatible(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

/// Checks that the output holds `element`s in `shape`, whose dimensions may be
/// dynamic.
inline LogicalResult verifyOutput(Operation *op, ArrayRef<int64_t> shape,
                                  Type element) {
  ShapedType output = getOutputType(op);
  if (output.getElementType() == element &&
      output.getRank() == int64_t(shape.size()) &&
      llvm::equal(output.getShape(), shape, compatible))
    return success();
  return op->emitOpError("gives values like ")
         << RankedTensorType::get(shape, element) << ", not " << output;
}

/// Checks that the output is like the operand `x`.
inline LogicalResult verifyOutputLike(Operation *op, Value x) {
  return verifyOutput(op, shaped(x).getShape(), shaped(x).getElementType());
}

/// Checks that the output is one f32 for each token of `x`.
inline LogicalResult verifyScores(Operation *op, Value x) {
  return verifyOutput(op, shaped(x).getShape().take_front(2),
                      Float32Type::get(op->getContext()));
}

/// Checks one dimension of an operand, named in the error.
inline LogicalResult verifyDim(Operation *op, StringRef name, Value value,
                               unsigned dim, int64_t expected) {
  int64_t actual = shaped(value).getDimSize(dim);
  if (compatible(actual, expected))
    return success();
  return op->emitOpError() << name << " has " << actual << " in dimension "
                           << dim << ", expected " << expected;
}

inline int64_t getDim(Value value, unsigned dim) {
  return shaped(value).getDimSize(dim);
}

/// Checks that two operands have the same batch and tokens.
inline LogicalResult verifySameTokens(Operation *op, StringRef name,
                                      Value value, Value like) {
  for (unsigned dim : {0, 1})
    if (failed(verifyDim(op, name, value, dim, getDim(like, dim))))
      return failure();
  return success();
}

/// Checks what tells the position of each query, if anything does.
inline LogicalResult verifyQueryPositions(Operation *op, Value positions,
                                          Value query) {
  if (!positions)
    return success();
  return verifySameTokens(op, "positions", positions, query);
}

/// Checks that a capacity is a count or a ratio that leaves some tokens.
LogicalResult verifyCapacity(Operation *op, Attribute capacity);

/// Checks that a gate weighs each token by its own score.
inline LogicalResult verifyOwnGate(Operation *op, GateAttr gate) {
  if (!gate.isSoftmax())
    return success();
  return op->emitOpError("gates each token by its own score, which '")
         << stringifyGateKind(gate.getKind())
         << "' does not: expected mod.softmax and gate(raw)";
}

/// Checks that two operands have the same elements.
inline LogicalResult verifySameElements(Operation *op, StringRef name,
                                        Value value, Type expected) {
  Type actual = shaped(value).getElementType();
  if (actual == expected)
    return success();
  return op->emitOpError() << name << " has elements of " << actual
                           << ", expected " << expected;
}

/// Checks that a width is that of `heads` heads.
inline LogicalResult verifyHeads(Operation *op, StringRef name, Value value,
                                 int64_t heads) {
  if (getDim(value, 2) % heads)
    return op->emitOpError() << name << " of width " << getDim(value, 2)
                             << " cannot be cut into " << heads << " heads";
  return success();
}

/// Checks queries against keys and values of `kvWidth`.
inline LogicalResult verifyGroups(Operation *op, Value query, int64_t kvWidth,
                                  int64_t heads, int64_t kvHeads) {
  if (heads % kvHeads)
    return op->emitOpError() << heads << " heads cannot share " << kvHeads
                             << " key and value heads evenly";
  if (failed(verifyHeads(op, "query", query, heads)))
    return failure();
  if (kvWidth != getDim(query, 2) / heads * kvHeads)
    return op->emitOpError("key has width ")
           << kvWidth << ", expected " << kvHeads << " heads of "
           << getDim(query, 2) / heads;
  return verifyOutputLike(op, query);
}

} // namespace mlir::mod::detail

#endif // MOD_DIALECT_VERIFIERS_H
