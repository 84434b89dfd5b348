// RUN: not mod-opt %s --mod-lower-kernels=vector-bits=64 2>&1 | FileCheck %s
// CHECK: error: no vectors have 64 bits; expected 128, 256 or 512

// As many rows are one task as stay in the second level cache beside
// the panels that pass by.
// RUN: mod-opt %s --mod-lower-kernels=vector-bits=256 | FileCheck %s --check-prefix=LARGE
// RUN: mod-opt %s --mod-lower-kernels="vector-bits=256 level2-bytes=32768" \
// RUN:   | FileCheck %s --check-prefix=SMALL
// LARGE: func.func private @mod.linear
// LARGE: %[[ROWS:.*]] = arith.constant 192 : index
// LARGE: arith.divui %{{.*}}, %[[ROWS]]
// SMALL: func.func private @mod.linear
// SMALL: %[[ROWS:.*]] = arith.constant 60 : index
// SMALL: arith.divui %{{.*}}, %[[ROWS]]
func.func @product(%x: memref<1x?x96xf32>, %w: memref<4x96x16xf32>,
                   %y: memref<1x?x64xf32>) {
  mod.linear %x, %w into(%y)
      : (memref<1x?x96xf32>, memref<4x96x16xf32>, memref<1x?x64xf32>) -> ()
  return
}
