// Functions become arithmetic and instructions.
// RUN: mod-opt %s --mod-expand-gpu-math | FileCheck %s

gpu.module @kernels {
  // CHECK-LABEL: gpu.func @functions
  // CHECK-NOT: math.
  // CHECK: llvm.call_intrinsic "llvm.sqrt.f32"
  // CHECK: llvm.call_intrinsic "llvm.fma.f32"
  // CHECK: llvm.call_intrinsic "llvm.exp2.f32"
  gpu.func @functions(%x: f32, %out: memref<6xf32>) kernel {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c3 = arith.constant 3 : index
    %root = math.sqrt %x : f32
    memref.store %root, %out[%c0] : memref<6xf32>
    %power = math.exp %x : f32
    memref.store %power, %out[%c1] : memref<6xf32>
    %tanh = math.tanh %x : f32
    memref.store %tanh, %out[%c2] : memref<6xf32>
    %inverse = math.rsqrt %x : f32
    memref.store %inverse, %out[%c3] : memref<6xf32>
    %power2 = math.exp2 %x : f32
    memref.store %power2, %out[%c0] : memref<6xf32>
    gpu.return
  }
}
