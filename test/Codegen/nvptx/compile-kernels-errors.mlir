// RUN: mod-opt %s --split-input-file --mod-compile-kernels=chips=sm_80 --verify-diagnostics

module {
  // expected-error @below {{need functions that nothing defines: __nv_expf}}
  gpu.module @kernels {
    llvm.func @__nv_expf(f32) -> f32
    llvm.func @power(%out: !llvm.ptr, %x: f32)
        attributes {gpu.kernel, nvvm.kernel, nvvm.reqntid = array<i32: 1, 1, 1>} {
      %y = llvm.call @__nv_expf(%x) : (f32) -> f32
      llvm.store %y, %out : f32, !llvm.ptr
      llvm.return
    }
  }
}

// -----

module {
  // expected-error @below {{'large' needs 65536 bytes of static shared memory; GPUs have 49152}}
  gpu.module @kernels {
    llvm.mlir.global internal @tile() {addr_space = 3 : i32} : !llvm.array<16384 x f32>
    llvm.func @large(%out: !llvm.ptr, %i: i32, %x: f32)
        attributes {gpu.kernel, nvvm.kernel, nvvm.reqntid = array<i32: 32, 1, 1>} {
      %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
      %place = llvm.getelementptr %tile[%i] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
      llvm.store volatile %x, %place : f32, !llvm.ptr<3>
      llvm.return
    }
  }
}
