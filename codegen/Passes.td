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
    and how many registers there are of it. Products of narrow numbers take an
    instruction of x86 where it has one.

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
           "bits of one vector: 128, 256 or 512">,
    Option<"bf16Dot", "bf16-dot", "bool", "false",
           "the CPU multiplies and adds pairs of bf16 (AVX512_BF16)">,
    Option<"byteDot", "byte-dot", "bool", "false",
           "the CPU multiplies and adds fours of i8 (AVX512_VNNI)">,
    Option<"tiles", "tiles", "bool", "false",
           "the CPU multiplies tiles of bf16 and i8 (AMX)">,
    Option<"level2Bytes", "level2-bytes", "int64_t", "0",
           "second level cache of a core; 0 for what is common">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

def OutlineElementwisePass
    : Pass<"mod-outline-elementwise", "::mlir::ModuleOp"> {
  let summary = "one function per distinct elementwise op";
  let description = [{
    Makes every `linalg` op on buffers and every copy a call of a private
    function, of which there is one for each distinct op and its types: what
    layers have in common is compiled once.

    Example:

    ```mlir
    linalg.add ins(%x, %y : memref<1x?x768xf32>, memref<1x?x768xf32>)
               outs(%x : memref<1x?x768xf32>)
    ```

    becomes

    ```mlir
    call @elementwise.add(%x, %y) : (memref<1x?x768xf32>, memref<1x?x768xf32>) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
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

def QuantizeWeightsPass
    : Pass<"mod-quantize-weights", "::mlir::func::FuncOp"> {
  let summary = "make products in narrower floats or in integers";
  let description = [{
    Rewrites each `mod.linear` in f32 whose weight is computed from parameters
    alone; equal weights are made narrow once. Everything else stays in f32:
    norms, softmax, the residual, routers and predictors, embeddings.

    | `dtype` | weight | input |
    |---|---|---|
    | `tf32` | as it is; tensor cores may round it | as it is; tensor cores may round it |
    | `bf16`, `f16` | rounded | as it is; with `narrow-inputs` rounded to the same |
    | `i8` | integers up to 127, one scale for each output | integers up to 127, one scale for each token, as i16; with `narrow-inputs` as i8 |
    | `i4` | integers from -8 to 7, one scale for each 32 inputs of an output, so that the input farthest from 0 is -8 | integers up to 32767, one scale for each token |

    A product in `tf32` is one in f32 with the attribute `mod.tf32`. A remark
    names each weight and each product that stays as it is.

    Example, with `dtype=i8`:

    ```mlir
    %y = mod.linear %x, %w
        : (tensor<1x?x768xf32>, tensor<2048x768xf32>) -> tensor<1x?x2048xf32>
    ```

    becomes

    ```mlir
    %largest = linalg.generic ... ins(%w : tensor<2048x768xf32>)
                                  outs(%zeros : tensor<2048xf32>) ...
    %scales = arith.mulf %largest, %cst : tensor<2048xf32>
    %integers = linalg.generic ... ins(%w, %scales : ...)
                                   outs(%empty : tensor<2048x768xi8>) ...
    %factors = mod.row_scales %x to(127)
        : (tensor<1x?x768xf32>) -> tensor<1x?xf32>
    %input = mod.quantize %x by(%factors)
        : (tensor<1x?x768xf32>, tensor<1x?xf32>) -> tensor<1x?x768xi16>
    %y = mod.linear %input, %integers scales(%scales) row_scales(%factors)
        : (tensor<1x?x768xi16>, tensor<2048x768xi8>, tensor<2048xf32>,
           tensor<1x?xf32>) -> tensor<1x?x2048xf32>
    ```
  }];
  let options = [
    Option<"dtype", "dtype", "std::string", "\"f32\"",
           "type of products: f32, tf32, bf16, f16, i8 or i4">,
    Option<"narrowInputs", "narrow-inputs", "bool", "false",
           "give products inputs as narrow as their weights">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

def PackWeightsPass : Pass<"mod-pack-weights", "::mlir::func::FuncOp"> {
  let summary = "give the weights of products the layout that kernels read";
  let description = [{
    Packs the weight of each `mod.linear` that is computed from parameters
    alone: `panel` outputs side by side, the last panel filled with zeros. Equal
    weights are packed once. A product with `glu` gets panels with as many
    outputs of the second half as of the first. Of bf16 and integers several inputs
    of one output lie together, as one instruction takes them: two of bf16 or
    with inputs of i16, four with inputs of i8; weights whose scales are in
    groups take four bits. Quantised inputs become as wide as their packed
    weight.

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

//===----------------------------------------------------------------------===//
// Memory, threads and the ABI
//===----------------------------------------------------------------------===//

def LowerCachesPass : Pass<"mod-lower-caches", "::mlir::ModuleOp"> {
  let summary = "make KV caches, latches and traces views of the session's memory";
  let description = [{
    Replaces the `!mod.kv_cache` arguments of each bufferized program by two:
    `caches`, the bytes of all caches, and `lengths`, the rows in use of each.
    Every cache has a place of its own on a page boundary, keys before values,
    in panels for the vectors of the target. `mod.cache_append` becomes
    `mod.append_panels` behind the rows in use, `mod.cached_attention` becomes
    `mod.panel_attention` over these. A `mod.temporary_cache` becomes buffers.

    Latches lie behind the caches of their sequence, on a page of their own;
    `mod.latch` becomes loads and stores.

    A `!mod.trace` argument becomes a memref and a flag that says whether the
    caller wants it; `mod.trace_routing` becomes stores that the flag guards.

    Sets the module's `mod.caches` (a table) and `mod.caches_bytes`.

    Example:

    ```mlir
    mod.cache_append %cache, %k, %v : !mod.kv_cache<32x8xf32>,
        memref<1x1x8xf32>, memref<1x1x8xf32>
    ```

    becomes

    ```mlir
    %keys = memref.view %caches[%c0][] : memref<8192xi8> to memref<1x2x8x16xf32>
    %values = memref.view %caches[%c4096][]
        : memref<8192xi8> to memref<1x1x32x8xf32>
    mod.append_panels %k, %v at(%length) into(%keys, %values) : ...
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "256",
           "bits of one vector: 128, 256 or 512">,
    Option<"rows", "rows", "bool", "false",
           "keep the keys and values of a head row by row, as GPUs read them">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"
  ];
}

def PadRowsPass : Pass<"mod-pad-rows", "::mlir::func::FuncOp"> {
  let summary = "move rows apart that would meet in the cache";
  let description = [{
    Makes the rows of a buffer a cache line longer where their bytes are a
    multiple of 256. Products read the same element of as many rows as a tile
    has, one element after the other: at such distances all of these are in at
    most 16 of the 64 sets of the first level cache, at multiples of 2048 in two,
    which hold fewer lines than a tile has rows. Buffers whose users need
    contiguous rows stay as they are.

    Example:

    ```mlir
    %x = memref.alloc(%n) : memref<1x?x2048xf32>
    ```

    becomes

    ```mlir
    %padded = memref.alloc(%n) : memref<1x?x2064xf32>
    %x = memref.subview %padded[0, 0, 0] [1, %n, 2048] [1, 1, 1]
        : memref<1x?x2064xf32> to memref<1x?x2048xf32, strided<[?, 2064, 1]>>
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def PlanArenaPass : Pass<"mod-plan-arena", "::mlir::ModuleOp"> {
  let summary = "give every buffer a fixed place in one arena";
  let description = [{
    Replaces each `memref.alloc` of a program by a view of its `arena` argument,
    so that nothing is allocated while a model runs. A buffer of dynamic size
    takes its upper bound, which follows from the bounds of its operands
    (`ValueBoundsOpInterface`). Buffers that are never alive at the same time
    may share memory: the largest is placed first, each at the lowest offset
    that is free during its life.

    Sets `mod.arena_bytes` of each program, and of the module to the largest.

    Example:

    ```mlir
    %y = memref.alloc(%n) : memref<1x?x768xf32>    // %n is at most 2048
    ```

    becomes

    ```mlir
    %y = memref.view %arena[%c0][%n] : memref<6291456xi8> to memref<1x?x768xf32>
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"
  ];
}

def OutlineParallelPass : Pass<"mod-outline-parallel", "::mlir::ModuleOp"> {
  let summary = "make parallel loops calls of the runtime's pool";
  let description = [{
    Makes the body of each `scf.forall` a function of a context and an index,
    puts the values that it uses into a structure on the stack, and calls the
    pool's `parallel_for` (`modrt_pool` in runtime/modrt.h). Every function that
    needs the pool, itself or for a callee, takes it as its first argument.

    Example:

    ```mlir
    scf.forall (%i) in (%n) { memref.store %x, %y[%i] : memref<?xf32> }
    ```

    becomes

    ```mlir
    llvm.store %captured, %context : !llvm.struct<(...)>, !llvm.ptr
    %parallel_for = llvm.load %pool : !llvm.ptr -> !llvm.ptr
    llvm.call %parallel_for(%pool, %body, %context, %n)
        : !llvm.ptr, (!llvm.ptr, !llvm.ptr, !llvm.ptr, i64) -> ()
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"
  ];
}

def ExportProgramsPass : Pass<"mod-export-programs", "::mlir::ModuleOp"> {
  let summary = "wrap programs behind the runtime's ABI";
  let description = [{
    Adds `void mod_NAME(const modrt_call *)` for each of `forward`, `prefill`
    and `decode`, which feeds each argument from the field of its role, and
    `mod_model`, which returns the constant descriptor of the model
    (runtime/modrt.h).

    Example: a program `@decode(%tokens: memref<1x1xi32> {mod.role = "tokens"})`
    is wrapped as

    ```mlir
    llvm.func internal @mod_decode(%call: !llvm.ptr) {
      %field = llvm.getelementptr %call[0, 5] : ...
      %tokens = llvm.load %field : !llvm.ptr -> !llvm.ptr
      ...
    }
    ```
  }];
  let options = [
    Option<"producer", "producer", "std::string", "\"mod\"",
           "the compiler and its version">,
    Option<"target", "target", "std::string", "\"\"",
           "what the code is generated for">,
    Option<"features", "features", "std::string", "\"\"",
           "CPU features that the code needs, comma separated">,
    Option<"weightsFile", "weights-file", "std::string", "\"\"",
           "file beside the model that holds its weights; appended if empty">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"
  ];
}

#endif // MOD_CODEGEN_PASSES
