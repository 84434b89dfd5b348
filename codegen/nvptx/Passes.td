//===- Passes.td - Code generation for NVIDIA GPUs ---------*- tablegen -*-===//
//
// What turns programs over buffers into launches of kernels, and kernels into
// PTX.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_NVPTX_PASSES
#define MOD_NVPTX_PASSES

include "mlir/Pass/PassBase.td"

def GroupKernelsPass : Pass<"mod-group-kernels", "::mlir::ModuleOp"> {
  let summary = "find small ops that kernels of others do";
  let description = [{
    A launch takes longer than the small ops of a decode step. So a product with
    one row rounds its input itself, which is then `mod.round_input`, and
    computes the `mod.inverse_rms` that scales it. An elementwise op on the
    result of a product goes into a region with it, and becomes a part of its
    kernel: buffers are placed afterwards, and know that both are at work at one
    time. So does a `mod.rms_norm` of heads that are then rotated or written to a
    cache, and read by nothing else.

    Example:

    ```mlir
    mod.quantize %x into(%y) : (memref<1x1x192xf32>, memref<1x1x192xbf16>) -> ()
    mod.linear %y, %w into(%z)
        : (memref<1x1x192xbf16>, memref<64x192xbf16>, memref<1x1x64xf32>) -> ()
    ```

    becomes

    ```mlir
    mod.linear %x, %w into(%z) {mod.round_input}
        : (memref<1x1x192xf32>, memref<64x192xbf16>, memref<1x1x64xf32>) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
}

def StageMemoryPass : Pass<"mod-stage-memory", "::mlir::ModuleOp"> {
  let summary = "give what the caller passes a place on the device";
  let description = [{
    Tokens, logits, lengths of caches and the trace are memory of the host. Each
    gets a place behind the arena, which lies on the device as do weights and
    caches: it is copied there before the program's work, or back behind it. So
    has the place of a token in programs that are given no number of them: these
    ask for the same launches and copies each time, which can be captured. They
    also choose the next token as the caller says, so that the logits stay where
    they are unless it wants them.

    Example:

    ```mlir
    mod.embedding %tokens, %table into(%x)
        : (memref<1x1xi32>, memref<256x192xf32>, memref<1x1x192xf32>) -> ()
    ```

    becomes

    ```mlir
    %staged = memref.view %arena[%c4096][] : memref<4352xi8> to memref<1x1xi32>
    gpu.memcpy %staged, %tokens : memref<1x1xi32>, memref<1x1xi32>
    mod.embedding %staged, %table into(%x)
        : (memref<1x1xi32>, memref<256x192xf32>, memref<1x1x192xf32>) -> ()
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::gpu::GPUDialect", "::mlir::memref::MemRefDialect",
    "::mlir::mod::ModDialect", "::mlir::scf::SCFDialect"
  ];
}

def LowerToGpuPass : Pass<"mod-lower-to-gpu", "::mlir::ModuleOp"> {
  let summary = "turn ops on buffers into launches of kernels";
  let description = [{
    Makes every `mod` and `linalg` op a `gpu.launch_func` of a kernel in
    `@kernels`, one per distinct op, attributes and sizes. The host decides
    nothing that a kernel computed: numbers that lie on the device, as the
    counts of selected tokens and the lengths of caches, are read by the kernels
    that need them. A branch on such a number becomes a condition of the kernels
    in it. Grids are as large as what is static, or what the host knows, makes
    them; blocks without work end.

    What `mod-group-kernels` put into a region is one kernel. A kernel takes flat
    buffers, and the sizes that the host knows. Scalar code between ops that
    reads or writes memory becomes kernels of one thread.

    With `warpgroups`, products of weights that tensor cores do with many rows are
    made by `wgmma`, which only sm_90a has, and the weight comes by TMA:
    `mod.tensor_maps` of the module is a table of such weights, and their kernels
    take one buffer more, the tensor map behind the weights.

    Example:

    ```mlir
    mod.inverse_rms %x eps(1.0e-5) into(%r)
        : (memref<1x1x192xf32>, memref<1x1xf32>) -> ()
    ```

    becomes

    ```mlir
    gpu.launch_func @kernels::@inverse_rms blocks in (%c1, %c1, %c1)
        threads in (%c128, %c1, %c1)
        args(%x : memref<192xf32>, %r : memref<1xf32>)
    ```
  }];
  let options = [
    Option<"warpgroups", "warpgroups", "bool", "false",
           "make products of bf16 and f16 by wgmma">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::nvgpu::NVGPUDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"
  ];
}

def ExpandGpuMathPass : Pass<"mod-expand-gpu-math", "::mlir::gpu::GPUModuleOp"> {
  let summary = "make functions of numbers arithmetic";
  let description = [{
    Exponentials, tanh and the like become polynomials: the library that
    NVIDIA's compiler takes them from is not needed. What has no such form is an
    error that names the op.

    Example: `math.exp %x : f32` becomes products, sums and shifts.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"
  ];
}

def CompileKernelsPass : Pass<"mod-compile-kernels", "::mlir::ModuleOp"> {
  let summary = "compile kernels to PTX";
  let description = [{
    Replaces the `gpu.module` in the LLVM dialect by attributes of the module:
    `mod.kernels`, a table of their names and threads, and `mod.images`, the
    code: PTX for each chip, and the LLVM IR that PTX was selected from, which an
    emulator runs. With `ptxas`, also the machine code of each chip.

    A function that nothing defines and more than 48 KiB of static shared memory
    are errors; registers that `ptxas` spills are a warning.
  }];
  let options = [
    ListOption<"chips", "chips", "std::string", "sm_80, sm_90, ...">,
    Option<"ptxas", "ptxas", "std::string", "\"\"",
           "NVIDIA's assembler; empty for none">
  ];
  let dependentDialects = ["::mlir::gpu::GPUDialect"];
}

def LowerLaunchesPass : Pass<"mod-lower-launches", "::mlir::ModuleOp"> {
  let summary = "make launches and copies calls of the runtime's device";
  let description = [{
    Gives each program the device (`modrt_device` in runtime/modrt.h) as an
    argument. A launch becomes a call with the number of its kernel in
    `mod.kernels`, its grid and its arguments; a `gpu.memcpy` an upload or a
    download.

    Example:

    ```mlir
    gpu.launch_func @kernels::@positions blocks in (%c1, %c1, %c1)
        threads in (%c256, %c1, %c1) args(%x : memref<1xi32>)
    ```

    becomes

    ```mlir
    llvm.store %address, %slot : i64, !llvm.ptr
    llvm.call %launch(%device, %kernel, %x, %y, %arguments, %count)
        : !llvm.ptr, (!llvm.ptr, i64, i64, i64, !llvm.ptr, i64) -> ()
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect"
  ];
}

#endif // MOD_NVPTX_PASSES
