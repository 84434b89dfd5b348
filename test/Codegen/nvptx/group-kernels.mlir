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
