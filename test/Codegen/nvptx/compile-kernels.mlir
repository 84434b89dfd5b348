// Kernels become PTX of each chip, and the LLVM IR that it was selected from.
// RUN: mod-opt %s --mod-compile-kernels=chips=sm_80 | FileCheck %s
// RUN: mod-opt %s --mod-compile-kernels=chips=sm_80,sm_90 \
// RUN:   | grep -o 'target sm_[0-9]*' | FileCheck %s --check-prefix=CHIPS

// CHIPS: target sm_80
// CHIPS-NEXT: target sm_90

// CHECK: mod.images = [{chip = "sm_80", data = "{{.*}}", kind = "llvm"}
// CHECK-SAME: {chip = "sm_80", data = "{{.*}}.visible .entry fill({{.*}}.reqntid 64{{.*}}st.{{(global.)?(b|f)}}32{{.*}}", kind = "ptx"}
// CHECK-SAME: mod.kernels = [{name = "fill", threads = 64 : i64}]
module {
  gpu.module @kernels {
    llvm.func @fill(%out: !llvm.ptr, %value: f32)
        attributes {gpu.kernel, nvvm.kernel, nvvm.reqntid = array<i32: 64, 1, 1>} {
      %thread = nvvm.read.ptx.sreg.tid.x : i32
      %place = llvm.getelementptr %out[%thread] : (!llvm.ptr, i32) -> !llvm.ptr, f32
      llvm.store %value, %place : f32, !llvm.ptr
      llvm.return
    }
  }
}
