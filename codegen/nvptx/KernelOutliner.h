//===- KernelOutliner.h - Kernels and their launches ------------*- C++ -*-===//
//
// Makes an op a kernel, or finds the one that the same op has, and launches it.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_KERNELOUTLINER_H
#define MOD_CODEGEN_NVPTX_KERNELOUTLINER_H

#include "codegen/nvptx/TensorMaps.h"
#include "codegen/nvptx/ThreadBuilder.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::mod {

/// A condition on the device, and what it must be.
struct Guard {
  Value condition;
  bool holds;
};

/// What one kernel does.
struct KernelWork {
  /// One op, or what `mod-group-kernels` put into a region.
  SmallVector<Operation *> ops;
  ArrayRef<Guard> guards;
  /// Where a selection writes how much it selected, or blocks of an attention
  /// count those that are done.
  Value counts = {};
  /// Stores that one thread does at the end.
  SmallVector<Operation *> scalars = {};
};

/// Kernels of one module.
class KernelOutliner {
public:
  explicit KernelOutliner(gpu::GPUModuleOp module)
      : module(module), symbols(module) {}

  /// Launches the kernel of some work where the builder stands.
  LogicalResult outline(OpBuilder &builder, const KernelWork &work);
  /// Launches a kernel of one thread that does what these ops do.
  LogicalResult outlineScalars(OpBuilder &builder, ArrayRef<Operation *> ops,
                               ArrayRef<Guard> guards);
  /// Those that kernels copy weights by.
  const TensorMaps &getTensorMaps() const { return tensorMaps; }

private:
  /// A kernel, and how many blocks it takes.
  struct Kernel {
    gpu::GPUFuncOp func;
    int64_t threads, rowsPerBlock, otherBlocks;
    int64_t rows;         ///< at most
    int64_t rowsArgument; ///< that tells how many there are; -1 for none
  };
  class Body;

  Value addTensorMap(Body &body, Operation *op, Operation *clone);
  FailureOr<Geometry> emit(Body &body, const KernelWork &work,
                           ArrayRef<Operation *> clones, Value counts,
                           Value map);
  FailureOr<const Kernel *> finish(Body &body, StringRef name,
                                   function_ref<FailureOr<Geometry>()> emit);
  gpu::LaunchFuncOp launch(OpBuilder &builder, const Kernel &kernel,
                           ValueRange operands);

  gpu::GPUModuleOp module;
  SymbolTable symbols;
  TensorMaps tensorMaps;
  llvm::StringMap<Kernel> kernels; ///< by their text before they were written
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_KERNELOUTLINER_H
