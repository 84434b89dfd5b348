// A parallel loop becomes a function of a context and an index, and a call of
// the pool, which every caller passes on.
// RUN: mod-opt %s --mod-outline-parallel | FileCheck %s

// CHECK-LABEL: func.func @kernel(
// CHECK-SAME: %[[POOL:[a-z0-9]+]]: !llvm.ptr {mod.role = "pool"}, %[[X:[a-z0-9]+]]: memref<?xf32>, %[[N:[a-z0-9]+]]: index)
func.func @kernel(%x: memref<?xf32>, %n: index) {
  // The context lies in the frame of the function, not in a loop.
  // CHECK-NEXT: llvm.mlir.constant(1 : i64)
  // CHECK-NEXT: %[[CONTEXT:.*]] = llvm.alloca
  // Constants are not captured.
  // CHECK-NOT: f32 to
  %one = arith.constant 1.0 : f32
  // CHECK: llvm.store %{{.*}}, %[[CONTEXT]]
  // CHECK: %[[TRIPS:.*]] = arith.index_cast %[[N]] : index to i64
  // CHECK: %[[CALLEE:.*]] = llvm.load %[[POOL]] : !llvm.ptr -> !llvm.ptr
  // CHECK: %[[BODY:.*]] = llvm.mlir.addressof @kernel.body
  // CHECK: llvm.call %[[CALLEE]](%[[POOL]], %[[BODY]], %[[CONTEXT]], %[[TRIPS]])
  scf.forall (%i) in (%n) {
    memref.store %one, %x[%i] : memref<?xf32>
  }
  return
}

// CHECK-LABEL: func.func @program(
// CHECK-SAME: %[[POOL:[a-z0-9]+]]: !llvm.ptr {mod.role = "pool"}, %[[X:[a-z0-9]+]]: memref<?xf32>
func.func @program(%x: memref<?xf32>) {
  %c4 = arith.constant 4 : index
  // CHECK: call @kernel(%[[POOL]], %[[X]], %{{.*}})
  call @kernel(%x, %c4) : (memref<?xf32>, index) -> ()
  return
}

// CHECK-LABEL: func.func @sequential(%{{.*}}: memref<?xf32>) {
func.func @sequential(%x: memref<?xf32>) {
  return
}

// CHECK-LABEL: llvm.func internal @kernel.body(
// CHECK-SAME: %[[CONTEXT:[a-z0-9]+]]: !llvm.ptr, %[[I:[a-z0-9]+]]: i64)
// CHECK: llvm.load %[[CONTEXT]]
// CHECK: arith.index_cast %[[I]] : i64 to index
// CHECK: memref.store
