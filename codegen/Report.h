//===- Report.h - The budget report -----------------------------*- C++ -*-===//
//
// What a compiled model costs: FLOPs, weights, arena, caches.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_REPORT_H
#define MOD_CODEGEN_REPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace mlir::mod {

/// The budget of a module in the phase `lowered`, where all sizes are known.
/// All sizes are in bytes; docs/architecture.md lists the fields.
FailureOr<llvm::json::Object> makeReport(ModuleOp module);

/// The report as a table for people.
void printReport(const llvm::json::Object &report, llvm::raw_ostream &os);

} // namespace mlir::mod

#endif // MOD_CODEGEN_REPORT_H
