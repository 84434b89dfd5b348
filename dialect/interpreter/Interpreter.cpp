//===- Interpreter.cpp - The executable meaning of the ops ------*- C++ -*-===//
//
// Runs blocks op by op.
//
//===----------------------------------------------------------------------===//

#include "dialect/interpreter/Interpreter.h"
#include "dialect/Programs.h"
#include "dialect/interpreter/Evaluator.h"
#include "llvm/ADT/STLExtras.h"
#include <numeric>

using namespace mlir;
using namespace mlir::mod;

InterpreterValue::InterpreterValue(ArrayRef<int64_t> shape)
    : shape(shape), data(ShapedType::getNumElements(shape)) {}

int64_t InterpreterValue::getNumRows() const {
  return ShapedType::getNumElements(ArrayRef(shape).drop_back());
}

double *InterpreterValue::getRow(int64_t index) {
  return data.data() + index * shape.back();
}

const double *InterpreterValue::getRow(int64_t index) const {
  return data.data() + index * shape.back();
}

int64_t Evaluator::getInt(OpFoldResult number) const {
  if (auto value = dyn_cast<Value>(number))
    return get(value).data.front();
  return cast<IntegerAttr>(cast<Attribute>(number)).getInt();
}

SmallVector<int64_t> Evaluator::getInts(ArrayRef<OpFoldResult> numbers) const {
  return llvm::map_to_vector(
      numbers, [&](OpFoldResult number) { return getInt(number); });
}

LogicalResult Evaluator::evaluate(Operation *op) {
  for (auto evaluateOp :
       {evaluateModOp, evaluateRoutingOp, evaluateExpertOp, evaluateProductOp,
        evaluateElementwiseOp, evaluateTensorOp})
    if (std::optional<LogicalResult> known = evaluateOp(*this, op))
      return *known;
  return op->emitError("the interpreter does not know '")
         << op->getName() << "'";
}

FailureOr<SmallVector<InterpreterValue>>
Evaluator::run(Block &block, ArrayRef<InterpreterValue> arguments) {
  for (auto [argument, value] :
       llvm::zip_equal(block.getArguments(), arguments))
    set(argument, value);
  for (Operation &op : block.without_terminator())
    if (failed(evaluate(&op)))
      return failure();
  return llvm::map_to_vector(block.getTerminator()->getOperands(),
                             [&](Value value) { return get(value); });
}

/// Where the program's tokens start in their sequence.
static int64_t getStart(func::FuncOp function,
                        ArrayRef<InterpreterValue> arguments) {
  for (auto [index, argument] : llvm::enumerate(arguments)) {
    auto role = function.getArgAttrOfType<StringAttr>(index, kRoleAttr);
    if (role && role == role::kStart)
      return argument.data.front();
  }
  return 0;
}

FailureOr<SmallVector<InterpreterValue>>
mod::interpret(func::FuncOp function, ArrayRef<InterpreterValue> arguments) {
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return function.emitError("the interpreter runs functions of one block");
  if (function.getNumArguments() != arguments.size())
    return function.emitError("takes ")
           << function.getNumArguments() << " arguments, but is given "
           << arguments.size();
  Evaluator evaluator(getStart(function, arguments));
  return evaluator.run(function.getBody().front(), arguments);
}
