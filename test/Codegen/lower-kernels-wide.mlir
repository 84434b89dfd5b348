// RUN: mod-opt %s --mod-lower-kernels=vector-bits=512 | FileCheck %s

// With 32 registers a tile has 6 rows of 4 vectors of 16 lanes.
// CHECK-LABEL: func.func private @mod.linear.96x64(
// CHECK: %{{.*}}:24 = scf.for
// CHECK-NOT: store
// CHECK-COUNT-4: memref.prefetch
// CHECK-COUNT-96: vector.fma %{{.*}} : vector<16xf32>
// CHECK-NOT: vector.fma
// CHECK: scf.yield
func.func @product(%x: memref<1x?x96xf32>, %w: memref<1x96x64xf32>,
                   %y: memref<1x?x64xf32>) {
  mod.linear %x, %w into(%y)
      : (memref<1x?x96xf32>, memref<1x96x64xf32>, memref<1x?x64xf32>) -> ()
  return
}
