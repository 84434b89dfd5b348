// Which kernel products of many rows have, and what is said where it is a slower
// one.
// RUN: mod-opt %s --split-input-file --mod-lower-to-gpu --canonicalize | FileCheck %s
// RUN: mod-opt %s --split-input-file --mod-lower-to-gpu=warpgroups --canonicalize | FileCheck %s --check-prefix=GROUPS
// RUN: mod-opt %s --split-input-file --mod-lower-to-gpu -o /dev/null --remarks-filter=mod-lower-to-gpu 2>&1 \
// RUN:   | FileCheck %s --check-prefix=REMARK --implicit-check-not=remark:

// Three tiles of 128 rows of 64 bytes, and products of 32 bytes.
// CHECK-LABEL: func.func @f16(
// CHECK: gpu.launch_func @kernels::@linear_64x256 blocks in (%c1, %c2, %c1) threads in (%c256, %c1, %c1)
// CHECK: gpu.func @linear_64x256(
// CHECK-SAME: workgroup({{.*}} : memref<3x128x32xf16, #gpu.address_space<workgroup>> {llvm.align = 512 : i64}
// CHECK: nvgpu.ldmatrix {{.*}} -> vector<4x2xf16>
// CHECK: nvvm.mma.sync {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>{{.*}}vector<2xf16>
// CHECK-NOT: wgmma
//
// By warpgroups, the map of a weight lies behind the weights, of 65600 bytes. One
// thread makes a barrier of each stage and asks for two boxes of 64 rows at a
// time. What was copied of inputs is known to warpgroups before the barrier.
// GROUPS: module attributes {{{.*}}mod.tensor_maps = [{columns = 64 : i64, offset = 64 : i64, rows = 256 : i64}]}
// GROUPS-LABEL: func.func @f16(
// GROUPS-SAME: %[[WEIGHTS:[a-z0-9_]+]]: memref<65728xi8>
// GROUPS: %[[MAP:.*]] = memref.view %[[WEIGHTS]][%c65600][] : memref<65728xi8> to memref<128xi8>
// GROUPS: gpu.launch_func @kernels::@linear_64x256 {{.*}} %[[MAP]] : memref<128xi8>)
// GROUPS: gpu.func @linear_64x256(
// GROUPS-SAME: workgroup({{.*}} : memref<2x128x32xf16, #gpu.address_space<workgroup>> {llvm.align = 512 : i64}, {{.*}} : memref<3x128x32xf16, #gpu.address_space<workgroup>> {llvm.align = 512 : i64}, {{.*}} : memref<3xi64, #gpu.address_space<workgroup>>
// GROUPS: scf.if
// GROUPS-COUNT-3: nvvm.mbarrier.init
// GROUPS: nvvm.fence.mbarrier.init
// GROUPS: nvvm.fence.proxy.acquire <sys>
// GROUPS: nvvm.mbarrier.arrive.expect_tx
// GROUPS-COUNT-2: nvvm.cp.async.bulk.tensor.shared.cluster.global
// GROUPS: nvvm.mbarrier.arrive.expect_tx
// GROUPS-COUNT-2: nvvm.cp.async.bulk.tensor.shared.cluster.global
// GROUPS: nvvm.cp.async.wait.group 0
// GROUPS-NEXT: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
// GROUPS-NEXT: gpu.barrier
// GROUPS-NOT: ldmatrix
// GROUPS: nvvm.mbarrier.arrive.expect_tx
// GROUPS-COUNT-2: nvvm.cp.async.bulk.tensor.shared.cluster.global
// GROUPS: scf.while
// GROUPS: nvvm.mbarrier.try_wait
// GROUPS: nvvm.wgmma.fence.aligned
// GROUPS-COUNT-2: nvvm.wgmma.mma_async {{.*}} <m = 64, n = 128, k = 16>, D[<f32>, <one>], A[<f16>, <one>, <row>], B[<f16>, <one>, <col>]
// GROUPS: nvvm.wgmma.commit.group.sync.aligned
// GROUPS: nvvm.wgmma.wait.group.sync.aligned 0
func.func @f16(%weights: memref<65590xi8> {mod.role = "weights"}, %arena: memref<262144xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c65536 = arith.constant 65536 : index
  %x = memref.view %arena[%c0][] : memref<262144xi8> to memref<1x100x64xf16>
  %w = memref.view %weights[%c64][] : memref<65590xi8> to memref<256x64xf16>
  %y = memref.view %arena[%c65536][] : memref<262144xi8> to memref<1x100x256xf32>
  mod.linear %x, %w into(%y) : (memref<1x100x64xf16>, memref<256x64xf16>, memref<1x100x256xf32>) -> ()
  return
}

// -----

// A matrix that is none of the weights has no map.
// GROUPS-NOT: mod.tensor_maps
// GROUPS-LABEL: func.func @not_a_weight(
// GROUPS-NOT: wgmma.mma_async
func.func @not_a_weight(%arena: memref<262144xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c16384 = arith.constant 16384 : index
  %c65536 = arith.constant 65536 : index
  %x = memref.view %arena[%c0][] : memref<262144xi8> to memref<1x100x64xf16>
  %w = memref.view %arena[%c16384][] : memref<262144xi8> to memref<256x64xf16>
  %y = memref.view %arena[%c65536][] : memref<262144xi8> to memref<1x100x256xf32>
  mod.linear %x, %w into(%y) : (memref<1x100x64xf16>, memref<256x64xf16>, memref<1x100x256xf32>) -> ()
  return
}

// -----

// f32 is rounded as it comes from shared memory; warpgroups could not.
// CHECK-LABEL: func.func @tf32(
// CHECK: gpu.func @linear_64x256(
// CHECK-SAME: workgroup({{.*}} : memref<3x128x16xf32, #gpu.address_space<workgroup>> {llvm.align = 512 : i64}
// CHECK: nvgpu.ldmatrix {{.*}} -> vector<4x1xf32>
// CHECK: nvvm.convert.float.to.tf32 {{.*}} {rnd = #nvvm.fp_rnd_mode<rna>}
// CHECK: nvvm.mma.sync {{.*}}<tf32>{{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 8>
// GROUPS-LABEL: func.func @tf32(
// GROUPS-NOT: wgmma.mma_async
func.func @tf32(%arena: memref<262144xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c32768 = arith.constant 32768 : index
  %c131072 = arith.constant 131072 : index
  %x = memref.view %arena[%c0][] : memref<262144xi8> to memref<1x100x64xf32>
  %w = memref.view %arena[%c32768][] : memref<262144xi8> to memref<256x64xf32>
  %y = memref.view %arena[%c131072][] : memref<262144xi8> to memref<1x100x256xf32>
  mod.linear %x, %w into(%y) {mod.tf32} : (memref<1x100x64xf32>, memref<256x64xf32>, memref<1x100x256xf32>) -> ()
  return
}

// -----

// Without being asked for it f32 stays exact, and nothing is missed.
// CHECK-LABEL: func.func @f32(
// CHECK: gpu.func @linear_64x256(
// CHECK-NOT: mma
// CHECK-LABEL: func.func @odd(
func.func @f32(%arena: memref<262144xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c32768 = arith.constant 32768 : index
  %c131072 = arith.constant 131072 : index
  %x = memref.view %arena[%c0][] : memref<262144xi8> to memref<1x100x64xf32>
  %w = memref.view %arena[%c32768][] : memref<262144xi8> to memref<256x64xf32>
  %y = memref.view %arena[%c131072][] : memref<262144xi8> to memref<1x100x256xf32>
  mod.linear %x, %w into(%y) : (memref<1x100x64xf32>, memref<256x64xf32>, memref<1x100x256xf32>) -> ()
  return
}

// -----

// Rows of 60 inputs are no multiple of 16 bytes.
// CHECK-NOT: mma
// REMARK: remark: [Missed] TensorLinear
// REMARK-SAME: Function=linear_60x256
// REMARK-SAME: Reason="tensor cores need rows of inputs of a multiple of 16 bytes, and buffers that are aligned"
// REMARK-SAME: inputs=60
func.func @odd(%arena: memref<262144xi8> {mod.role = "arena"}) {
  %c0 = arith.constant 0 : index
  %c16384 = arith.constant 16384 : index
  %c65536 = arith.constant 65536 : index
  %x = memref.view %arena[%c0][] : memref<262144xi8> to memref<1x100x60xbf16>
  %w = memref.view %arena[%c16384][] : memref<262144xi8> to memref<256x60xbf16>
  %y = memref.view %arena[%c65536][] : memref<262144xi8> to memref<1x100x256xf32>
  mod.linear %x, %w into(%y) : (memref<1x100x60xbf16>, memref<256x60xbf16>, memref<1x100x256xf32>) -> ()
  return
}
