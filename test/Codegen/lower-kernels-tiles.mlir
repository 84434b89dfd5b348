// RUN: mod-opt %s --mod-lower-kernels="vector-bits=512 bf16-dot byte-dot tiles" | FileCheck %s

// Two tiles of rows meet two of outputs; three words beyond the last whole
// tile of inputs are left to vectors.
// CHECK-LABEL: func.func private @mod.linear.38x32(
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// CHECK: scf.for
// CHECK-COUNT-3: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
// CHECK: scf.for {{.*}} = %c16{{.*}} to %c19
// CHECK: llvm.call_intrinsic "llvm.x86.tilerelease"
func.func @halves(%x: memref<1x?x38xbf16>, %w: memref<1x19x32x2xbf16>,
                  %y: memref<1x?x32xf32>) {
  mod.linear %x, %w into(%y)
      : (memref<1x?x38xbf16>, memref<1x19x32x2xbf16>, memref<1x?x32xf32>) -> ()
  return
}

// Both sides have signs.
// CHECK-LABEL: func.func private @mod.linear.64x64(
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbssd"
func.func @bytes(%x: memref<1x?x64xi8>, %w: memref<2x17x32x4xi8>,
                 %s: memref<64xf32>, %r: memref<1x?xf32>,
                 %y: memref<1x?x64xf32>) {
  mod.linear %x, %w scales(%s) row_scales(%r) into(%y)
      : (memref<1x?x64xi8>, memref<2x17x32x4xi8>, memref<64xf32>,
         memref<1x?xf32>, memref<1x?x64xf32>) -> ()
  return
}

// One row takes no tiles.
// CHECK-LABEL: func.func private @mod.linear.128x64(
// CHECK-NOT: tile
// CHECK: return
func.func @row(%x: memref<1x1x128xbf16>, %w: memref<2x64x32x2xbf16>,
               %y: memref<1x1x64xf32>) {
  mod.linear %x, %w into(%y)
      : (memref<1x1x128xbf16>, memref<2x64x32x2xbf16>, memref<1x1x64xf32>) -> ()
  return
}

// Scores of 32 queries with a panel of 32 keys, 32 of the 40 elements of a head
// at a time, the last ones from a copy; then values, 32 keys at a time.
// CHECK-LABEL: func.func private @mod.panel_attention.2x40(
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
// CHECK: scf.for
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK: scf.if
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tilestored64"
// CHECK: llvm.call_intrinsic "llvm.x86.tilerelease"
func.func @attention(%q: memref<1x?x80xf32>, %k: memref<1x8x20x32x2xbf16>,
                     %v: memref<1x3x128x16x2xbf16>, %n: index,
                     %y: memref<1x?x80xf32>) {
  mod.panel_attention %q, %k, %v of(%n) heads(2) into(%y)
      : memref<1x?x80xf32>, memref<1x8x20x32x2xbf16>,
        memref<1x3x128x16x2xbf16>, memref<1x?x80xf32>
  return
}
