// Launches and copies become calls of the device's functions.
// RUN: mod-opt %s --mod-lower-launches | FileCheck %s

module attributes {gpu.container_module, mod.kernels = [
    {name = "other", threads = 32 : i64}, {name = "fill", threads = 64 : i64}]} {
  gpu.module @kernels {
    llvm.func @fill(%out: !llvm.ptr, %n: i64) attributes {gpu.kernel, nvvm.kernel}
  }
  // CHECK-LABEL: func.func @decode(
  // CHECK-SAME: %[[DEVICE:arg[0-9]+]]: !llvm.ptr {mod.role = "device"})
  func.func @decode(%tokens: memref<1x1xi32> {mod.role = "tokens"},
                    %n: index {mod.role = "start"},
                    %arena: memref<4096xi8> {mod.role = "arena"}) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c3 = arith.constant 3 : index
    %c64 = arith.constant 64 : index
    %x = memref.view %arena[%c0][] : memref<4096xi8> to memref<1x1xi32>
    // An upload has number 1.
    // CHECK: %[[SLOT:.*]] = llvm.getelementptr %[[DEVICE]][1]
    // CHECK: %[[UPLOAD:.*]] = llvm.load %[[SLOT]]
    // CHECK: llvm.call %[[UPLOAD]](%[[DEVICE]], %{{.*}}, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, !llvm.ptr, i64) -> ()
    gpu.memcpy %x, %tokens : memref<1x1xi32>, memref<1x1xi32>
    %y = memref.view %arena[%c64][] : memref<4096xi8> to memref<64xf32>
    // CHECK: %[[KERNEL:.*]] = llvm.mlir.constant(1 : i64)
    // CHECK: llvm.mlir.constant(2 : i64)
    // CHECK: %[[LAUNCH:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
    // CHECK: llvm.call %[[LAUNCH]](%[[DEVICE]], %[[KERNEL]], %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i64, i64, i64, !llvm.ptr, i64) -> ()
    gpu.launch_func @kernels::@fill blocks in (%c3, %c1, %c1)
        threads in (%c64, %c1, %c1) args(%y : memref<64xf32>, %n : index)
    // CHECK: llvm.getelementptr %[[DEVICE]][2]
    gpu.memcpy %tokens, %x : memref<1x1xi32>, memref<1x1xi32>
    return
  }
}
// CHECK-NOT: gpu.module
