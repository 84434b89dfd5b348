// RUN: mod-opt %s --mod-expand-gpu-math --verify-diagnostics

gpu.module @kernels {
  gpu.func @functions(%x: f64, %out: memref<1xf64>) kernel {
    %c0 = arith.constant 0 : index
    // expected-error @below {{'math.erf' op has no code for nvptx}}
    %y = math.erf %x : f64
    memref.store %y, %out[%c0] : memref<1xf64>
    gpu.return
  }
}
