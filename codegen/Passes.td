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

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def LoadParamsPass : Pass<"mod-load-params", "::mlir::ModuleOp"> {
  let summary = "give the parameters their values";
  let description = [{
    Gives each external `ml_program.global` the data of the tensor of its name
    in a checkpoint, as a resource over the mapped file: nothing is copied. The
    checkpoint is a safetensors file, an index of several, or a directory.

    A missing tensor, one of another type, one that the module does not know,
    and a file that contradicts itself are errors.

    Example, with `file=model.safetensors`:

    ```mlir
    ml_program.global private @norm.weight(#extern) : tensor<768xf32>
    ```

    becomes

    ```mlir
    ml_program.global private @norm.weight(
        dense_resource<norm.weight> : tensor<768xf32>) : tensor<768xf32>
    ```
  }];
  let options = [
    Option<"file", "file", "std::string", /*default=*/"",
           "a safetensors file, an index json, or a directory with either">
  ];
}

def VectorizePass : Pass<"mod-vectorize"> {
  let summary = "turn elementwise linalg ops on buffers into vectors";
  let description = [{
    Activations, sums, fills and copies become one `scf.forall` over blocks of
    rows, each row a loop over 1-D vectors with a masked rest. Transcendental
    functions become polynomials, since calls of libm would be made lane by
    lane. Ops that are not elementwise or whose operands do not lie row by row
    become plain loops; a remark of category `vectorize` says why.

    Example:

    ```mlir
    linalg.add ins(%x, %y : memref<1x?x768xf32>, memref<1x?x768xf32>)
               outs(%x : memref<1x?x768xf32>)
    ```

    becomes

    ```mlir
    scf.forall (%task) in (%tasks) {
      scf.for %row = ... {
        scf.for %column = %c0 to %c768 step %c8 {
          %a = vector.load %x[%c0, %row, %column] : ...
          %b = vector.load %y[%c0, %row, %column] : ...
          %c = arith.addf %a, %b : vector<8xf32>
          vector.store %c, %x[%c0, %row, %column] : ...
        }
      }
    }
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "256",
           "bits of one vector: 128, 256 or 512">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

#endif // MOD_CODEGEN_PASSES
