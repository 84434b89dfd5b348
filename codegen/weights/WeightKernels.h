//===- WeightKernels.h - Machine code that prepares weights -----*- C++ -*-===//
//
// Compiles functions on tensors for the machine that the compiler runs on.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_WEIGHTS_WEIGHTKERNELS_H
#define MOD_CODEGEN_WEIGHTS_WEIGHTKERNELS_H

#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::mod {

/// A kernel of this ordinal is the function of this name.
std::string getKernelName(unsigned ordinal);

/// Compiled kernels. Their source is functions without results that take
/// memrefs of identity layout, hold pure ops on tensors between
/// `bufferization.to_tensor` and `bufferization.materialize_in_destination`,
/// and become functions of bare pointers.
class WeightKernels {
public:
  /// Compiles in a context of its own; `source` is not changed.
  static llvm::Expected<WeightKernels> compile(ModuleOp source);

  /// Runs a kernel; any number of them may run at a time.
  llvm::Error run(unsigned ordinal, ArrayRef<void *> pointers) const;

private:
  std::unique_ptr<ExecutionEngine> engine;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_WEIGHTS_WEIGHTKERNELS_H
