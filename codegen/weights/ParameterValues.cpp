//===- ParameterValues.cpp - Values known before a program runs -*- C++ -*-===//
//
// A memoized walk from a value up to what it is computed from.
//
//===----------------------------------------------------------------------===//

#include "codegen/weights/ParameterValues.h"
#include "codegen/Safetensors.h"
#include "dialect/ModDialect.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::mod;

SmallVector<Value> mod::getDependencies(Operation *op) {
  SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  SmallVector<Value> dependencies(op->getOperands());
  llvm::append_range(dependencies, captured);
  return dependencies;
}

/// Whether a file of weights can hold a value of this type.
static bool isStorable(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() &&
         !getSafetensorsDtype(tensor.getElementType()).empty();
}

bool ParameterValues::contains(Value value) {
  return classify(value) == Kind::parameter;
}

bool ParameterValues::isWithin(Operation *op) {
  for (; op; op = op->getParentOp())
    if (contains(op))
      return true;
  return false;
}

ParameterValues::Kind ParameterValues::classify(Value value) {
  Operation *op = value.getDefiningOp();
  return op ? classify(op) : Kind::other;
}

ParameterValues::Kind ParameterValues::classify(Operation *op) {
  if (auto it = kinds.find(op); it != kinds.end())
    return it->second;
  Kind kind = compute(op);
  kinds[op] = kind;
  return kind;
}

ParameterValues::Kind ParameterValues::compute(Operation *op) {
  if (op->getNumResults() == 0 || !isPure(op) ||
      isa_and_present<ModDialect>(op->getDialect()))
    return Kind::other;
  Kind kind =
      isa<ml_program::GlobalLoadConstOp>(op) ? Kind::parameter : Kind::constant;
  for (Value value : getDependencies(op)) {
    Kind dependency = classify(value);
    if (dependency == Kind::other)
      return Kind::other;
    if (dependency == Kind::parameter)
      kind = Kind::parameter;
  }
  if (kind == Kind::parameter &&
      !llvm::all_of(op->getResultTypes(), isStorable))
    return Kind::other;
  return kind;
}
