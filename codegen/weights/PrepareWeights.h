//===- PrepareWeights.h - Run @prepare_weights ------------------*- C++ -*-===//
//
// Computes the weights that programs read, when a model is compiled.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_WEIGHTS_PREPAREWEIGHTS_H
#define MOD_CODEGEN_WEIGHTS_PREPAREWEIGHTS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <functional>

namespace mlir::mod {

/// Called after each weight, by one thread at a time, with the bytes that are
/// done and those of all weights.
using WeightsProgress = std::function<void(int64_t done, int64_t total)>;

/// A module of its own with @prepare_weights and the parameters that it takes,
/// which outlives `mod-bind-weights`.
OwningOpRef<ModuleOp> cloneWeights(ModuleOp module);

/// Runs @prepare_weights and leaves its results in `data`, which has the bytes
/// of the data section.
llvm::Error prepareWeights(ModuleOp module, MutableArrayRef<char> data,
                           WeightsProgress progress = {});

/// Writes the safetensors file of a module's weights: the bytes that
/// `getWeightsHeader` gives, then the data. There is no file unless all of it
/// could be written.
llvm::Error writeWeights(ModuleOp module, StringRef path,
                         WeightsProgress progress = {});

} // namespace mlir::mod

#endif // MOD_CODEGEN_WEIGHTS_PREPAREWEIGHTS_H
