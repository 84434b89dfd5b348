//===- ModInterfaces.h - Interfaces of the mod dialect ----------*- C++ -*-===//
//
// What passes may ask of an op without knowing which one it is.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_MODINTERFACES_H
#define MOD_DIALECT_MODINTERFACES_H

#include "mlir/IR/OpDefinition.h"

namespace mlir::mod::detail {
/// Checks that an op is wholly in one of the three forms: functional,
/// destination or buffer.
LogicalResult verifyDestinationOp(Operation *op);
} // namespace mlir::mod::detail

#include "dialect/ModInterfaces.h.inc"

#endif // MOD_DIALECT_MODINTERFACES_H
