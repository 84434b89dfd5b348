// RUN: mod-opt %s --mod-compile-kernels=chips=sm_75 --verify-diagnostics

module {
  // expected-error @below {{cannot be compiled for 'sm_75'; expected sm_80 or later}}
  gpu.module @kernels {
    llvm.func @nothing() attributes {gpu.kernel, nvvm.kernel, nvvm.reqntid = array<i32: 1, 1, 1>} {
      llvm.return
    }
  }
}
