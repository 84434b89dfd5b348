// RUN: mod-opt %s --mod-outline-elementwise | FileCheck %s
// RUN: mod-opt %s --mod-outline-elementwise --remarks-filter=mod-outline-elementwise \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// Equal ops on equal types are one function, whatever their buffers; a value
// that the body takes from outside is an argument, a constant is not.

!row = memref<1x?x8xf32>
!part = memref<1x?x8xf32, strided<[128, 16, 1]>>

// CHECK-LABEL: func.func @layers
// CHECK-SAME: %[[X:.*]]: memref<1x?x8xf32>, %[[Y:.*]]: memref<1x?x8xf32>, %[[P:.*]]: memref<1x?x8xf32, strided<[128, 16, 1]>>, %[[S:.*]]: f32
// CHECK-NOT: linalg
// CHECK: call @elementwise.add(%[[X]], %[[Y]]) :
// CHECK-NEXT: call @elementwise.add(%[[Y]], %[[X]]) :
// CHECK-NEXT: call @elementwise.add_0(%[[P]], %[[X]]) :
// CHECK-NEXT: call @elementwise.map(%[[X]], %[[Y]], %[[S]]) :
// CHECK-NEXT: call @elementwise.copy(%[[X]], %[[P]]) :
// CHECK-NEXT: call @elementwise.copy(%[[Y]], %[[P]]) :
// CHECK-NEXT: return
// REMARK: [Passed] Outlined{{.*}} functions=4, ops=6
func.func @layers(%x: !row, %y: !row, %p: !part, %s: f32) {
  %two = arith.constant 2.0 : f32
  linalg.add ins(%x, %y : !row, !row) outs(%x : !row)
  linalg.add ins(%y, %x : !row, !row) outs(%y : !row)
  linalg.add ins(%p, %x : !part, !row) outs(%p : !part)
  linalg.map ins(%x : !row) outs(%y : !row)
    (%in: f32, %out: f32) {
      %a = arith.mulf %in, %s : f32
      %b = arith.addf %a, %two : f32
      linalg.yield %b : f32
    }
  memref.copy %x, %p : !row to !part
  memref.copy %y, %p : !row to !part
  return
}

// CHECK: func.func private @elementwise.add(%[[A:.*]]: memref<1x?x8xf32>, %[[B:.*]]: memref<1x?x8xf32>)
// CHECK: linalg.add ins(%[[A]], %[[B]] {{.*}} outs(%[[A]]
// CHECK: func.func private @elementwise.map(%{{.*}}: memref<1x?x8xf32>, %{{.*}}: memref<1x?x8xf32>, %[[F:.*]]: f32)
// CHECK: arith.constant 2.0
// CHECK: arith.mulf %{{.*}}, %[[F]]
