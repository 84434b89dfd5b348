//===- ModDialect.h - The mod dialect ---------------------------*- C++ -*-===//
//
// Dialect, attributes and types.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_MODDIALECT_H
#define MOD_DIALECT_MODDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "dialect/ModDialect.h.inc"
#include "dialect/ModEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/ModAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/ModTypes.h.inc"

#endif // MOD_DIALECT_MODDIALECT_H
