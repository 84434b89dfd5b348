// RUN: mod-opt %s --mod-lower-kernels=vector-bits=512 | FileCheck %s

// With 32 registers a tile has 12 rows of 2 vectors of 16 lanes. Two steps ask
// for one line of the next panel, and for the four that they will need 16 steps
// on.
// CHECK-LABEL: func.func private @mod.linear.96x64(
// CHECK: %{{.*}}:24 = scf.for {{.*}} step %c2{{(_[0-9]+)?}} 
// CHECK-NOT: store
// CHECK-COUNT-1: memref.prefetch {{.*}}locality<2>
// CHECK-COUNT-4: memref.prefetch {{.*}}locality<3>
// CHECK-NOT: {{store|prefetch}}
// CHECK-COUNT-48: vector.fma %{{.*}} : vector<16xf32>
// CHECK-NOT: vector.fma
// CHECK: scf.yield
func.func @product(%x: memref<1x?x96xf32>, %w: memref<2x96x32xf32>,
                   %y: memref<1x?x64xf32>) {
  mod.linear %x, %w into(%y)
      : (memref<1x?x96xf32>, memref<2x96x32xf32>, memref<1x?x64xf32>) -> ()
  return
}
