//===- Passes.td - Passes of code generation ---------------*- tablegen -*-===//
//
// What turns programs into machine code: weights, memory, kernels, threads.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_PASSES
#define MOD_CODEGEN_PASSES

include "mlir/Pass/PassBase.td"

def LowerKernelsPass : Pass<"mod-lower-kernels", "::mlir::ModuleOp"> {
  let summary = "turn mod ops on buffers into calls of kernels";
  let description = [{
    Makes every mod op in the buffer form a call of a private function, one per
    distinct op, attributes and operand types, that holds loops over 1-D vectors.
    Work that may run in parallel is one `scf.forall` over tasks.

    Tiles follow from the vectors of the target: their width (`vector-bits`)
    and how many registers there are of it.

    Example:

    ```mlir
    mod.linear %x, %w into(%y) : (memref<1x?x768xf32>, memref<48x768x16xf32>,
                                  memref<1x?x768xf32>) -> ()
    ```

    becomes

    ```mlir
    call @mod.linear.768x768(%x, %w, %y) : (...) -> ()
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "256",
           "bits of one vector: 128, 256 or 512">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

#endif // MOD_CODEGEN_PASSES
