// What products do before and behind their sums.
// RUN: mod-opt %s --split-input-file --mod-group-kernels | FileCheck %s

// One row is rounded, and its norm computed, by the product that reads it.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<1x1x32xf32>
func.func @decode(%x: memref<1x1x32xf32> {mod.role = "tokens"}, %w: memref<64x32xbf16>, %z: memref<1x1x64xf32>) {
  %r = memref.alloc() : memref<1x1xf32>
  mod.inverse_rms %x eps(1.0e-5) into(%r) : (memref<1x1x32xf32>, memref<1x1xf32>) -> ()
  %y = memref.alloc() : memref<1x1x32xbf16>
  mod.quantize %x into(%y) : (memref<1x1x32xf32>, memref<1x1x32xbf16>) -> ()
  // CHECK-NEXT: mod.linear %[[X]], %{{.*}} into(%{{.*}}) {mod.inverse_rms = {{.*}}, mod.round_input}
  mod.linear %y, %w row_scales(%r) into(%z)
      : (memref<1x1x32xbf16>, memref<64x32xbf16>, memref<1x1xf32>, memref<1x1x64xf32>) -> ()
  // CHECK-NEXT: return
  return
}

// -----

// Of many rows, each is rounded once.
// CHECK-LABEL: func.func @prefill(
// CHECK: mod.quantize
// CHECK-NOT: mod.round_input
func.func @prefill(%x: memref<1x8x32xf32> {mod.role = "tokens"}, %w: memref<64x32xbf16>, %z: memref<1x8x64xf32>) {
  %y = memref.alloc() : memref<1x8x32xbf16>
  mod.quantize %x into(%y) : (memref<1x8x32xf32>, memref<1x8x32xbf16>) -> ()
  mod.linear %y, %w into(%z)
      : (memref<1x8x32xbf16>, memref<64x32xbf16>, memref<1x8x64xf32>) -> ()
  return
}

// -----

// What was rounded before it changed stays rounded before.
// CHECK-LABEL: func.func @changed(
// CHECK: mod.quantize
// CHECK-NOT: mod.round_input
func.func @changed(%x: memref<1x1x32xf32> {mod.role = "tokens"}, %w: memref<64x32xbf16>, %z: memref<1x1x64xf32>,
                          %t: memref<1x1xi32>, %e: memref<9x32xf32>) {
  %y = memref.alloc() : memref<1x1x32xbf16>
  mod.quantize %x into(%y) : (memref<1x1x32xf32>, memref<1x1x32xbf16>) -> ()
  mod.embedding %t, %e into(%x) : (memref<1x1xi32>, memref<9x32xf32>, memref<1x1x32xf32>) -> ()
  mod.linear %y, %w into(%z)
      : (memref<1x1x32xbf16>, memref<64x32xbf16>, memref<1x1x64xf32>) -> ()
  return
}

// -----

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// An elementwise op on the result is in one region with the product; the buffer
// that it writes was there before.
// CHECK-LABEL: func.func @decode(
func.func @decode(%x: memref<1x1x32xf32> {mod.role = "tokens"}, %w: memref<64x32xf32>, %h: memref<1x1x64xf32>) -> memref<1x1x64xf32> {
  // CHECK: %[[Z:.*]] = memref.alloc
  // CHECK: %[[SUM:.*]] = memref.alloc
  // CHECK: scf.execute_region no_inline {
  // CHECK-NEXT: mod.linear %{{.*}} into(%[[Z]])
  // CHECK-NEXT: linalg.generic {{.*}} outs(%[[SUM]]
  %z = memref.alloc() : memref<1x1x64xf32>
  mod.linear %x, %w into(%z)
      : (memref<1x1x32xf32>, memref<64x32xf32>, memref<1x1x64xf32>) -> ()
  %sum = memref.alloc() : memref<1x1x64xf32>
  linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%z, %h : memref<1x1x64xf32>, memref<1x1x64xf32>) outs(%sum : memref<1x1x64xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  }
  return %sum : memref<1x1x64xf32>
}

// -----

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// Not where it writes what other outputs are computed from.
// CHECK-LABEL: func.func @decode(
// CHECK-NOT: scf.execute_region
func.func @decode(%x: memref<1x1x32xf32> {mod.role = "tokens"}, %w: memref<32x32xf32>) {
  %z = memref.alloc() : memref<1x1x32xf32>
  mod.linear %x, %w into(%z)
      : (memref<1x1x32xf32>, memref<32x32xf32>, memref<1x1x32xf32>) -> ()
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%z : memref<1x1x32xf32>) outs(%x : memref<1x1x32xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %o : f32
    linalg.yield %s : f32
  }
  return
}

// -----

// Heads that only a rotation or a cache reads are normalised there.
// CHECK-LABEL: func.func @decode(
// CHECK: scf.execute_region no_inline {
// CHECK-NEXT: mod.rms_norm %{{.*}} heads(2) into(%[[Q:.*]]) :
// CHECK-NEXT: mod.rope %[[Q]]
// CHECK: arith.addi
// CHECK: scf.execute_region no_inline {
// CHECK-NEXT: mod.rms_norm %{{.*}} heads(1) into(%[[K:.*]]) :
// CHECK-NEXT: mod.append_panels %[[K]]
func.func @decode(%x: memref<1x1x32xf32> {mod.role = "tokens"}, %scale: memref<8xf32>, %p: memref<1x1xi32>,
                  %start: index, %keys: memref<1x16x8x1xf32>, %values: memref<1x1x16x8xf32>) -> memref<1x1x16xf32> {
  %c1 = arith.constant 1 : index
  %q = memref.subview %x[0, 0, 0] [1, 1, 16] [1, 1, 1] : memref<1x1x32xf32> to memref<1x1x16xf32, strided<[32, 32, 1]>>
  %k = memref.subview %x[0, 0, 16] [1, 1, 8] [1, 1, 1]
      : memref<1x1x32xf32> to memref<1x1x8xf32, strided<[32, 32, 1], offset: 16>>
  %v = memref.subview %x[0, 0, 24] [1, 1, 8] [1, 1, 1]
      : memref<1x1x32xf32> to memref<1x1x8xf32, strided<[32, 32, 1], offset: 24>>
  %qn = memref.alloc() : memref<1x1x16xf32>
  mod.rms_norm %q, %scale eps(1.0e-5) heads(2) into(%qn)
      : (memref<1x1x16xf32, strided<[32, 32, 1]>>, memref<8xf32>, memref<1x1x16xf32>) -> ()
  %qr = memref.alloc() : memref<1x1x16xf32>
  mod.rope %qn at(%p) heads(2) theta(1.0e4) into(%qr)
      : (memref<1x1x16xf32>, memref<1x1xi32>, memref<1x1x16xf32>) -> ()
  %kn = memref.alloc() : memref<1x1x8xf32>
  mod.rms_norm %k, %scale eps(1.0e-5) heads(1) into(%kn)
      : (memref<1x1x8xf32, strided<[32, 32, 1], offset: 16>>, memref<8xf32>, memref<1x1x8xf32>) -> ()
  %next = arith.addi %start, %c1 : index
  mod.append_panels %kn, %v at(%next) rotated(%p theta(1.0e4)) into(%keys, %values)
      : memref<1x1x8xf32>, memref<1x1x8xf32, strided<[32, 32, 1], offset: 24>>, memref<1x16x8x1xf32>,
        memref<1x1x16x8xf32>, memref<1x1xi32>
  return %qr : memref<1x1x16xf32>
}

// -----

// Not where they are read elsewhere, where the norm is of whole rows, or where
// it is of something that changes before.
// CHECK-LABEL: func.func @decode(
// CHECK-NOT: scf.execute_region
func.func @decode(%x: memref<1x1x16xf32> {mod.role = "tokens"}, %scale: memref<8xf32>, %all: memref<16xf32>,
                  %p: memref<1x1xi32>, %e: memref<9x16xf32>, %y: memref<1x1x16xf32>) -> memref<1x1x16xf32> {
  %twice = memref.alloc() : memref<1x1x16xf32>
  mod.rms_norm %x, %scale eps(1.0e-5) heads(2) into(%twice)
      : (memref<1x1x16xf32>, memref<8xf32>, memref<1x1x16xf32>) -> ()
  mod.rope %twice at(%p) heads(2) theta(1.0e4) into(%y) : (memref<1x1x16xf32>, memref<1x1xi32>, memref<1x1x16xf32>) -> ()
  %row = memref.alloc() : memref<1x1x16xf32>
  mod.rms_norm %x, %all eps(1.0e-5) into(%row) : (memref<1x1x16xf32>, memref<16xf32>, memref<1x1x16xf32>) -> ()
  mod.rope %row at(%p) heads(2) theta(1.0e4) into(%y) : (memref<1x1x16xf32>, memref<1x1xi32>, memref<1x1x16xf32>) -> ()
  %early = memref.alloc() : memref<1x1x16xf32>
  mod.rms_norm %x, %scale eps(1.0e-5) heads(2) into(%early)
      : (memref<1x1x16xf32>, memref<8xf32>, memref<1x1x16xf32>) -> ()
  mod.embedding %p, %e into(%x) : (memref<1x1xi32>, memref<9x16xf32>, memref<1x1x16xf32>) -> ()
  mod.rope %early at(%p) heads(2) theta(1.0e4) into(%y) : (memref<1x1x16xf32>, memref<1x1xi32>, memref<1x1x16xf32>) -> ()
  return %twice : memref<1x1x16xf32>
}
