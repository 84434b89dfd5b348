//===- KernelCosts.h - What kernels move and compute ------------*- C++ -*-===//
//
// Bytes and FLOPs of launches, and the time that chips need for them at least.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_KERNELCOSTS_H
#define MOD_CODEGEN_NVPTX_KERNELCOSTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/JSON.h"

namespace mlir::mod {

/// Of one launch, with as many tokens as there may be.
struct KernelCost {
  int64_t bytes = 0;        ///< each buffer crosses the bus once
  int64_t minimumBytes = 0; ///< of weights and caches alone
  int64_t flops = 0;        ///< of products; a multiply-add counts as two

  /// What the ops that become one kernel cost.
  static KernelCost compute(ArrayRef<Operation *> ops);
  /// What a launch says that it costs.
  static KernelCost get(Operation *launch);
  void attach(Operation *launch) const;
  void add(const KernelCost &other);
};

/// The attribute of a launch in a branch that the device decides on.
inline constexpr llvm::StringLiteral kGuardedAttr = "mod.guarded";

/// What a program of one token does on a GPU: its kernels, those of a layer,
/// bytes and the time on chips. docs/architecture.md lists the fields.
llvm::json::Object reportKernels(func::FuncOp program);

/// The same as lines for people.
void printKernels(const llvm::json::Object &report, llvm::raw_ostream &os);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_KERNELCOSTS_H
