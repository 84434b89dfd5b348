//===- Passes.h - Passes from mod to mod ------------------------*- C++ -*-===//
//
// What makes a model static, derives its programs and fuses their ops.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_PASSES_H
#define MOD_PASSES_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir::mod {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace mlir::mod

#endif // MOD_PASSES_PASSES_H
