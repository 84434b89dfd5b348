// Which kernel attention has, and what is said where it is a slower one.
// RUN: mod-opt %s --split-input-file --mod-lower-to-gpu --canonicalize | FileCheck %s
// RUN: mod-opt %s --split-input-file --mod-lower-to-gpu --remarks-filter=mod-lower-to-gpu -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=REMARK --implicit-check-not=remark:

// Keys in bf16 and many queries: two products of matrices, and a tile that is
// copied while the one before is at work. Whole tiles have no mask.
// CHECK-LABEL: func.func @tensor(
// CHECK: gpu.launch_func @kernels::@panel_attention blocks in (%c1, %c4, %c1) threads in (%c128, %c1, %c1)
func.func @tensor(%arena: memref<262144xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c100 = arith.constant 100 : index
  %c65536 = arith.constant 65536 : index
  %c131072 = arith.constant 131072 : index
  %c196608 = arith.constant 196608 : index
  %q = memref.view %arena[%c0][] : memref<262144xi8> to memref<1x100x128xf32>
  %k = memref.view %arena[%c65536][] : memref<262144xi8> to memref<2x128x32x1xbf16>
  %v = memref.view %arena[%c131072][] : memref<262144xi8> to memref<2x1x128x32xbf16>
  %y = memref.view %arena[%c196608][] : memref<262144xi8> to memref<1x100x128xf32>
  mod.panel_attention %q, %k, %v of(%c100) heads(4) into(%y)
      : memref<1x100x128xf32>, memref<2x128x32x1xbf16>, memref<2x1x128x32xbf16>, memref<1x100x128xf32>
  return
}
// CHECK: gpu.func @panel_attention(
// CHECK-SAME: workgroup({{.*}} : memref<2x64x40xbf16, #gpu.address_space<workgroup>> {llvm.align = 128 : i64}
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: gpu.barrier
// CHECK: nvgpu.device_async_copy
// CHECK: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = false}
// CHECK: nvvm.mma.sync
// CHECK-NOT: arith.select
// CHECK: math.exp2
// CHECK: nvgpu.ldmatrix {{.*}} {numTiles = 4 : i32, transpose = true}
// CHECK: scf.for

// -----

// Heads of ten elements are no chunks of 16 bytes: tiles in f32, 64 queries
// each, and a remark.
// CHECK-LABEL: func.func @tiled(
// CHECK: gpu.launch_func @kernels::@panel_attention blocks in (%c2, %c2, %c1) threads in (%c128, %c1, %c1)
// REMARK: remark: [Missed] TensorAttention
// REMARK-SAME: Function=panel_attention
// REMARK-SAME: Reason="products of tensor cores need heads of a multiple of 8 up to 128, and caches that are aligned"
// REMARK-SAME: head_dim=10
func.func @tiled(%arena: memref<65536xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c100 = arith.constant 100 : index
  %c16384 = arith.constant 16384 : index
  %c32768 = arith.constant 32768 : index
  %c49152 = arith.constant 49152 : index
  %q = memref.view %arena[%c0][] : memref<65536xi8> to memref<1x100x20xf32>
  %k = memref.view %arena[%c16384][] : memref<65536xi8> to memref<2x128x10x1xbf16>
  %v = memref.view %arena[%c32768][] : memref<65536xi8> to memref<2x1x128x10xbf16>
  %y = memref.view %arena[%c49152][] : memref<65536xi8> to memref<1x100x20xf32>
  mod.panel_attention %q, %k, %v of(%c100) heads(2) into(%y)
      : memref<1x100x20xf32>, memref<2x128x10x1xbf16>, memref<2x1x128x10xbf16>, memref<1x100x20xf32>
  return
}
// CHECK: gpu.func @panel_attention(
// CHECK-NOT: nvvm.mma.sync
// CHECK: math.fma

// -----

// Heads that no tile has room for: a block for each query.
// CHECK-LABEL: func.func @wide(
// CHECK: gpu.launch_func @kernels::@panel_attention blocks in (%c2, %c1, %c1)
// REMARK: remark: [Missed] TiledAttention
// REMARK-SAME: Reason="tiles of so wide heads do not fit into shared memory: each query reads its keys alone"
func.func @wide(%arena: memref<65536xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c16384 = arith.constant 16384 : index
  %c32768 = arith.constant 32768 : index
  %c49152 = arith.constant 49152 : index
  %q = memref.view %arena[%c0][] : memref<65536xi8> to memref<1x2x512xf32>
  %k = memref.view %arena[%c16384][] : memref<65536xi8> to memref<1x8x512x1xf32>
  %v = memref.view %arena[%c32768][] : memref<65536xi8> to memref<1x1x8x512xf32>
  %y = memref.view %arena[%c49152][] : memref<65536xi8> to memref<1x2x512xf32>
  mod.panel_attention %q, %k, %v of(%c2) heads(1) into(%y)
      : memref<1x2x512xf32>, memref<1x8x512x1xf32>, memref<1x1x8x512xf32>, memref<1x2x512xf32>
  return
}

// -----

// One query: blocks for the heads that share keys and for each part of these.
// They count those that are done, from zero; what they wrote is there for the
// last of them.
// CHECK-LABEL: func.func @parts(
// CHECK: gpu.launch_func @kernels::@fill blocks in (%c1, %c1, %c1)
// CHECK-SAME: args(%{{.*}} : memref<8xi32>)
// CHECK: gpu.launch_func @kernels::@panel_attention blocks in (%c1, %c8, %c1) threads in (%c128, %c1, %c1)
// CHECK-SAME: memref<8xi32>)
func.func @parts(%arena: memref<524288xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c200 = arith.constant 200 : index
  %c4096 = arith.constant 4096 : index
  %c131072 = arith.constant 131072 : index
  %c262144 = arith.constant 262144 : index
  %c393216 = arith.constant 393216 : index
  %q = memref.view %arena[%c0][] : memref<524288xi8> to memref<1x1x256xf32>
  %k = memref.view %arena[%c131072][] : memref<524288xi8> to memref<2x256x32x1xf32>
  %v = memref.view %arena[%c262144][] : memref<524288xi8> to memref<2x1x256x32xf32>
  %p = memref.view %arena[%c393216][] : memref<524288xi8> to memref<8x4x34xf32>
  %y = memref.view %arena[%c4096][] : memref<524288xi8> to memref<1x1x256xf32>
  mod.panel_attention %q, %k, %v of(%c200) heads(8) partials(%p) into(%y)
      : memref<1x1x256xf32>, memref<2x256x32x1xf32>, memref<2x1x256x32xf32>, memref<1x1x256xf32>, memref<8x4x34xf32>
  return
}
// CHECK: gpu.func @panel_attention(
// CHECK: vector.load {{.*}} : memref<2x256x32x1xf32{{.*}}>, vector<4xf32>
// CHECK: gpu.barrier
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: llvm.atomicrmw add {{.*}} syncscope("device") monotonic
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: gpu.barrier

// -----

// What a window hides is neither read nor counted: of 128 keys of two heads with
// 32 elements in bf16 the last 24, which four queries see, beside a row to read
// and one to write.
// CHECK-LABEL: func.func @window(
// CHECK: gpu.launch_func @kernels::@panel_attention {{.*}} {mod.cost = array<i64: 7168, 6144, 12288>}
func.func @window(%arena: memref<1024xi8> {mod.role = "arena"}, %caches: memref<32768xi8> {mod.role = "caches"}) {
  %c0 = arith.constant 0 : index
  %c100 = arith.constant 100 : index
  %c512 = arith.constant 512 : index
  %c16384 = arith.constant 16384 : index
  %q = memref.view %arena[%c0][] : memref<1024xi8> to memref<1x1x128xf32>
  %k = memref.view %caches[%c0][] : memref<32768xi8> to memref<2x128x32x1xbf16>
  %v = memref.view %caches[%c16384][] : memref<32768xi8> to memref<2x1x128x32xbf16>
  %y = memref.view %arena[%c512][] : memref<1024xi8> to memref<1x1x128xf32>
  mod.panel_attention %q, %k, %v of(%c100) heads(4) window(24) into(%y)
      : memref<1x1x128xf32>, memref<2x128x32x1xbf16>, memref<2x1x128x32xbf16>, memref<1x1x128xf32>
  return
}
