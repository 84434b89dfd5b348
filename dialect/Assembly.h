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

/// A capacity: `0.125` is a ratio, `256` a count, `ceil(0.125)` a ratio that is
/// rounded up.
ParseResult parseCapacity(AsmParser &parser, Attribute &attr);
void printCapacity(AsmPrinter &printer, Operation *, Attribute attr);

/// A gate: `tanh, scale = 0.5, bias = 1.0`; 1 and 0 are left out.
ParseResult parseGate(AsmParser &parser, GateAttr &attr);
void printGate(AsmPrinter &printer, Operation *, GateAttr attr);

/// A threshold: `above(0.5)`, `at_least(0.5)`.
ParseResult parseThreshold(AsmParser &parser, ThresholdAttr &attr);
void printThreshold(AsmPrinter &printer, Operation *, ThresholdAttr attr);

/// What mod.select selects: `rest top_k(0.125, ties = all, forced) positive`.
ParseResult parseSelect(AsmParser &parser, UnitAttr &rest, Attribute &capacity,
                        TiesAttr &ties, UnitAttr &forced,
                        ThresholdAttr &threshold);
void printSelect(AsmPrinter &printer, Operation *, UnitAttr rest,
                 Attribute capacity, TiesAttr ties, UnitAttr forced,
                 ThresholdAttr threshold);

ParseResult parseActivation(AsmParser &parser, ActivationAttr &attr);
void printActivation(AsmPrinter &printer, Operation *, ActivationAttr attr);

} // namespace mlir::mod

#endif // MOD_DIALECT_ASSEMBLY_H
