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

def PackWeightsPass : Pass<"mod-pack-weights", "::mlir::func::FuncOp"> {
  let summary = "give the weights of products the layout that kernels read";
  let description = [{
    Packs the weight of each `mod.linear` that is computed from parameters
    alone: `panel` outputs side by side, the last panel filled with zeros. Equal
    weights are packed once.

    Example, with `panel=16`:

    ```mlir
    %y = mod.linear %x, %w
        : (tensor<1x?x768xf32>, tensor<2040x768xf32>) -> tensor<1x?x2040xf32>
    ```

    becomes

    ```mlir
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<128x768x16xf32>
    %packed = linalg.pack %w padding_value(%zero : f32) inner_dims_pos = [0]
        inner_tiles = [16] into %empty
        : tensor<2040x768xf32> -> tensor<128x768x16xf32>
    %y = mod.linear %x, %packed
        : (tensor<1x?x768xf32>, tensor<128x768x16xf32>) -> tensor<1x?x2040xf32>
    ```
  }];
  let options = [
    Option<"panel", "panel", "unsigned", /*default=*/"16",
           "outputs side by side in memory">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

def HoistWeightsPass : Pass<"mod-hoist-weights", "::mlir::ModuleOp"> {
  let summary = "compute what depends on parameters alone once";
  let description = [{
    Moves every largest value that programs compute from parameters alone into
    `@prepare_weights`, which the compiler runs, and lets the programs load it
    from a *prepared* global. Equal values, of one program or of several, are one.

    The function is the table of weights: its arguments name the parameters, its
    results the weights and their places in the file. All lie behind each other
    without holes, in an order in which every one whose size allows it is
    aligned to 64 bytes. The module gets `mod.weights = {bytes, offset, hash}`:
    the size of the safetensors file, where its data begin, and the hash of what
    is before (FNV-1a, 64 bits).

    Example:

    ```mlir
    %w = ml_program.global_load_const @w : tensor<256x768xbf16>
    %e = arith.extf %w : tensor<256x768xbf16> to tensor<256x768xf32>
    %p = linalg.pack %e ... -> tensor<16x768x16xf32>
    ```

    becomes

    ```mlir
    %p = ml_program.global_load_const @prepared.w.packed : tensor<16x768x16xf32>
    ```

    with

    ```mlir
    ml_program.global private @prepared.w.packed(#extern)
        {mod.offset = 0 : i64} : tensor<16x768x16xf32>
    func.func @prepare_weights(
        %w: tensor<256x768xbf16> {mod.parameter = "w"})
        -> (tensor<16x768x16xf32> {mod.offset = 0 : i64, mod.weight = "w.packed"})
    ```
  }];
  let dependentDialects = [
    "::mlir::func::FuncDialect", "::mlir::ml_program::MLProgramDialect"
  ];
}

def PrepareWeightsPass : Pass<"mod-prepare-weights", "::mlir::ModuleOp"> {
  let summary = "run @prepare_weights and write what it computes";
  let description = [{
    Compiles `@prepare_weights` for the machine that the compiler runs on, runs
    it over the parameters' data, and writes the safetensors file of weights.
    The module stays as it is. Each distinct computation is compiled once:
    layers are alike. A parameter without data is an error.
  }];
  let options = [
    Option<"output", "output", "std::string", /*default=*/"",
           "the safetensors file to write">
  ];
  let dependentDialects = [
    "::mlir::bufferization::BufferizationDialect",
    "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect"
  ];
}

def BindWeightsPass : Pass<"mod-bind-weights", "::mlir::ModuleOp"> {
  let summary = "make prepared weights views of one block of memory";
  let description = [{
    Gives each program an argument for the data section of the file of weights
    and makes each load of a prepared global a view of it that nothing may
    write to. Globals and `@prepare_weights` are no longer needed and erased.

    Example:

    ```mlir
    %p = ml_program.global_load_const @prepared.w : tensor<16x768x16xf32>
    ```

    becomes

    ```mlir
    %view = memref.view %weights[%offset][]
        : memref<786432xi8> to memref<16x768x16xf32>
    %p = bufferization.to_tensor %view restrict
        : memref<16x768x16xf32> to tensor<16x768x16xf32>
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect",
    "::mlir::memref::MemRefDialect"
  ];
}

#endif // MOD_CODEGEN_PASSES
