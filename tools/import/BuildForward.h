//===- BuildForward.h - The forward pass of a model -------------*- C++ -*-===//
//
// From configuration and checkpoint to `@forward`.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_BUILDFORWARD_H
#define MOD_TOOLS_IMPORT_BUILDFORWARD_H

#include "mlir/IR/BuiltinOps.h"

namespace mlir::mod {

class Checkpoint;
struct Config;

/// Fills a module with `@forward` and its parameters. The checkpoint must hold
/// just the tensors that the forward pass uses; one that is missing, surplus
/// or has another shape or type is an error.
LogicalResult buildForward(const Config &config, const Checkpoint &checkpoint,
                           ModuleOp module);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_BUILDFORWARD_H
