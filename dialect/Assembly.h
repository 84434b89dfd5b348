//===- Assembly.h - Parts of the textual form -------------------*- C++ -*-===//
//
// What ops and attributes print alike: numbers without their type, enums
// without quotes, clauses.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_ASSEMBLY_H
#define MOD_DIALECT_ASSEMBLY_H

#include "dialect/ModOps.h"
#include "mlir/IR/OpImplementation.h"

namespace mlir::mod {

/// A float attribute: `1.0e-5`.
ParseResult parseFloat(AsmParser &parser, FloatAttr &attr);
void printFloat(AsmPrinter &printer, Operation *, FloatAttr attr);

/// A capacity: `0.125` is a ratio, `256` a count.
ParseResult parseCapacity(AsmParser &parser, Attribute &attr);
void printCapacity(AsmPrinter &printer, Operation *, Attribute attr);

/// A gate: `tanh, scale = 0.5, bias = 1.0`; 1 and 0 are left out.
ParseResult parseGate(AsmParser &parser, GateAttr &attr);
void printGate(AsmPrinter &printer, Operation *, GateAttr attr);

ParseResult parseActivation(AsmParser &parser, ActivationAttr &attr);
void printActivation(AsmPrinter &printer, Operation *, ActivationAttr attr);

} // namespace mlir::mod

#endif // MOD_DIALECT_ASSEMBLY_H
