//===- ModOps.h - Operations of the mod dialect -----------------*- C++ -*-===//
//
// The ops, and small questions about them that passes share.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_MODOPS_H
#define MOD_DIALECT_MODOPS_H

#include "dialect/ModDialect.h"
#include "dialect/ModInterfaces.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

#define GET_OP_CLASSES
#include "dialect/ModOps.h.inc"

namespace mlir::mod {

/// The number of tokens that a block of this capacity (a ratio or a count)
/// selects of `tokens`: `max(1, floor(ratio * tokens))` or
/// `min(count, tokens)`.
int64_t getCapacityCount(Attribute capacity, int64_t tokens);

/// The numbers of `mod.append_panels`' panels that lie together: 2 where they
/// are in pairs, else 1.
int64_t getNumTogether(Value panels);

} // namespace mlir::mod

#endif // MOD_DIALECT_MODOPS_H
