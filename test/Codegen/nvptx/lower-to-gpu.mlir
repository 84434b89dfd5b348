// Ops become launches; what only the device knows is read by kernels.
// RUN: mod-opt %s --split-input-file --mod-lower-to-gpu --canonicalize | FileCheck %s

// What the host knows is an argument of the kernel, and makes the grid.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[COUNT:arg[0-9]+]]: index
func.func @forward(%count: index {mod.role = "count"},
                   %arena: memref<8192xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c4096 = arith.constant 4096 : index
  %c6144 = arith.constant 6144 : index
  %n = affine.min affine_map<()[s0] -> (32, s0)>()[%count]
  %x = memref.view %arena[%c0][%n] : memref<8192xi8> to memref<1x?x24xf32>
  %y = memref.view %arena[%c4096][%n] : memref<8192xi8> to memref<1x?xf32>
  %z = memref.view %arena[%c6144][%n] : memref<8192xi8> to memref<1x?xf32>
  // CHECK-DAG: %[[N:.*]] = affine.min
  // CHECK-DAG: %[[X:.*]] = memref.view {{.*}} to memref<768xf32>
  // CHECK-DAG: %[[Y:.*]] = memref.view {{.*}} to memref<32xf32>
  // CHECK: %[[BLOCKS:.*]] = arith.ceildivui %[[N]], %c4
  // CHECK: gpu.launch_func @kernels::@inverse_rms blocks in (%[[BLOCKS]], %c1, %c1)
  // CHECK-SAME: threads in (%c128, %c1, %c1)
  // CHECK-SAME: args(%[[X]] : memref<768xf32>, %[[N]] : index, %[[Y]] : memref<32xf32>)
  mod.inverse_rms %x eps(1.0e-5) into(%y)
      : (memref<1x?x24xf32>, memref<1x?xf32>) -> ()
  // The same op on other buffers has the same kernel.
  // CHECK: gpu.launch_func @kernels::@inverse_rms blocks
  mod.inverse_rms %x eps(1.0e-5) into(%z)
      : (memref<1x?x24xf32>, memref<1x?xf32>) -> ()
  return
}

// -----

// A count that a kernel makes is read by those that need it; their grid is as
// large as may be.
// CHECK-LABEL: func.func @prefill(
func.func @prefill(%tokens: memref<1x32xi32> {mod.role = "tokens"},
                   %arena: memref<8192xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %c256 = arith.constant 256 : index
  %c2048 = arith.constant 2048 : index
  %c6144 = arith.constant 6144 : index
  %scores = memref.view %arena[%c0][] : memref<8192xi8> to memref<1x32xf32>
  %indices = memref.view %arena[%c128][] : memref<8192xi8> to memref<1x8xi32>
  // CHECK: %[[COUNT:.*]] = memref.view %arg1{{.*}} to memref<1xi64>
  // CHECK: gpu.launch_func @kernels::@select blocks in (%c1, %c1, %c1)
  // CHECK-SAME: args({{.*}}, %[[COUNT]] : memref<1xi64>)
  %count = mod.select top_k(0.25) %scores into(%indices)
      : (memref<1x32xf32>, memref<1x8xi32>) -> index
  %some = memref.subview %indices[0, 0] [1, %count] [1, 1]
      : memref<1x8xi32> to memref<1x?xi32, strided<[8, 1]>>
  %x = memref.view %arena[%c256][] : memref<8192xi8> to memref<1x32x16xf32>
  %t = memref.view %arena[%c6144][%count] : memref<8192xi8> to memref<1x?x16xf32>
  // CHECK: gpu.launch_func @kernels::@gather blocks in (%c1, %c1, %c1)
  // CHECK-SAME: %{{[a-z0-9_]+}} : memref<1xi64>
  mod.gather %x at(%some) into(%t)
      : (memref<1x32x16xf32>, memref<1x?xi32, strided<[8, 1]>>, memref<1x?x16xf32>) -> ()
  return
}
// CHECK: gpu.module @kernels
// CHECK: gpu.func @gather(
// CHECK-SAME: %[[NUMBER:[a-z0-9]+]]: memref<1xi64>
// CHECK: memref.load %[[NUMBER]]

// -----

// A branch on a score: its kernels begin with the condition, and the length of
// a cache is counted up behind them.
// CHECK-LABEL: func.func @decode(
// CHECK-NOT: scf.if
func.func @decode(%start: index {mod.role = "start"},
                  %arena: memref<4096xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %c256 = arith.constant 256 : index
  %zero = arith.constant 0.0 : f32
  %scores = memref.view %arena[%c0][] : memref<4096xi8> to memref<1x1xf32>
  %lengths = memref.view %arena[%c64][] : memref<4096xi8> to memref<2xi64>
  %x = memref.view %arena[%c128][] : memref<4096xi8> to memref<1x1x24xf32>
  %y = memref.view %arena[%c256][] : memref<4096xi8> to memref<1x1xf32>
  %score = memref.load %scores[%c0, %c0] : memref<1x1xf32>
  %takes = arith.cmpf ogt, %score, %zero : f32
  scf.if %takes {
    %length = memref.load %lengths[%c1] : memref<2xi64>
    %one = arith.constant 1 : i64
    %next = arith.addi %length, %one : i64
    memref.store %next, %lengths[%c1] : memref<2xi64>
    // CHECK: gpu.launch_func @kernels::@inverse_rms
    mod.inverse_rms %x eps(1.0e-5) into(%y)
        : (memref<1x1x24xf32>, memref<1x1xf32>) -> ()
    // CHECK: gpu.launch_func @kernels::@scalars blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1)
  }
  return
}
// CHECK: gpu.func @inverse_rms(
// CHECK: %[[SCORE:.*]] = memref.load
// CHECK: %[[TAKES:.*]] = arith.cmpf ogt, %[[SCORE]]
// CHECK: scf.if %[[TAKES]]
// CHECK: gpu.func @scalars(
// CHECK: memref.store

// -----

// A group is one kernel, and the length of a cache is counted up by one thread
// of it.
// CHECK-LABEL: func.func @decode(
// CHECK: gpu.launch_func @kernels::@linear_24x8
// CHECK-NOT: gpu.launch_func
func.func @decode(%start: index {mod.role = "start"}, %weights: memref<1024xi8> {mod.role = "weights"},
                  %arena: memref<4096xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %c256 = arith.constant 256 : index
  %c512 = arith.constant 512 : index
  %one = arith.constant 1 : i64
  %w = memref.view %weights[%c0][] : memref<1024xi8> to memref<8x24xf32>
  %lengths = memref.view %arena[%c64][] : memref<4096xi8> to memref<2xi64>
  %x = memref.view %arena[%c128][] : memref<4096xi8> to memref<1x1x24xf32>
  %y = memref.view %arena[%c256][] : memref<4096xi8> to memref<1x1x8xf32>
  %z = memref.view %arena[%c512][] : memref<4096xi8> to memref<1x1x8xf32>
  %length = memref.load %lengths[%c0] : memref<2xi64>
  %next = arith.addi %length, %one : i64
  memref.store %next, %lengths[%c0] : memref<2xi64>
  scf.execute_region no_inline {
    mod.linear %x, %w into(%y) : (memref<1x1x24xf32>, memref<8x24xf32>, memref<1x1x8xf32>) -> ()
    linalg.map { arith.negf } ins(%y : memref<1x1x8xf32>) outs(%z : memref<1x1x8xf32>)
    scf.yield
  }
  return
}
// CHECK: gpu.func @linear_24x8(
// CHECK: arith.negf
// CHECK: %[[THREAD:.*]] = arith.cmpi eq, %thread_id_x, %c0
// CHECK: scf.if
// CHECK-NEXT: memref.store %{{.*}} : memref<1xi64

// -----

// Not by a kernel that works on what it is computed from.
// CHECK-LABEL: func.func @decode(
// CHECK: gpu.launch_func @kernels::@linear_24x1
// CHECK: gpu.launch_func @kernels::@scalars
func.func @decode(%start: index {mod.role = "start"}, %weights: memref<1024xi8> {mod.role = "weights"},
                  %arena: memref<4096xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  %c256 = arith.constant 256 : index
  %w = memref.view %weights[%c0][] : memref<1024xi8> to memref<1x24xf32>
  %t = memref.view %arena[%c64][] : memref<4096xi8> to memref<2xf32>
  %x = memref.view %arena[%c128][] : memref<4096xi8> to memref<1x1x24xf32>
  %y = memref.view %arena[%c256][] : memref<4096xi8> to memref<1x1x1xf32>
  mod.linear %x, %w into(%y) : (memref<1x1x24xf32>, memref<1x24xf32>, memref<1x1x1xf32>) -> ()
  %score = memref.load %y[%c0, %c0, %c0] : memref<1x1x1xf32>
  memref.store %score, %t[%c0] : memref<2xf32>
  return
}
