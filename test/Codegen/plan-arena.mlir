// Buffers of programs become views of one arena at static offsets; buffers
// that are never alive together share memory.
// RUN: mod-opt %s --mod-plan-arena | FileCheck %s

func.func private @use(memref<1x?x8xf32>, memref<1x?x8xf32>)

// Three buffers of 32 x 8 floats (1024 bytes): %a dies before %c is made.
// CHECK: module attributes {mod.arena_bytes = 2048 : i64}
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[ARENA:[a-z0-9]+]]: memref<2048xi8> {mod.role = "arena"})
func.func @forward(%tokens: memref<1x32xi32> {mod.role = "tokens"},
                   %count: index {mod.role = "count"}) {
  %n = affine.min affine_map<()[s0] -> (s0, 32)>()[%count]
  // CHECK-NOT: memref.alloc
  // CHECK: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK: %[[A:.*]] = memref.view %[[ARENA]][%[[ZERO]]][%{{.*}}] : memref<2048xi8> to memref<1x?x8xf32>
  %a = memref.alloc(%n) : memref<1x?x8xf32>
  // CHECK: %[[NEXT:.*]] = arith.constant 1024 : index
  // CHECK: %[[B:.*]] = memref.view %[[ARENA]][%[[NEXT]]]
  %b = memref.alloc(%n) : memref<1x?x8xf32>
  // CHECK: call @use(%[[A]], %[[B]])
  call @use(%a, %b) : (memref<1x?x8xf32>, memref<1x?x8xf32>) -> ()
  // CHECK: %[[AGAIN:.*]] = arith.constant 0 : index
  // CHECK: %[[C:.*]] = memref.view %[[ARENA]][%[[AGAIN]]]
  %c = memref.alloc(%n) : memref<1x?x8xf32>
  // CHECK: call @use(%[[B]], %[[C]])
  call @use(%b, %c) : (memref<1x?x8xf32>, memref<1x?x8xf32>) -> ()
  return
}

// A buffer that leaves a branch lives as long as the branch's result.
// CHECK-LABEL: func.func @branch(
// CHECK-SAME: memref<192xi8>
func.func @branch(%tokens: memref<1x1xi32> {mod.role = "tokens"}, %b: i1) {
  %r = scf.if %b -> memref<8xf32> {
    // CHECK: memref.view %[[ARENA2:[a-z0-9]+]][%c0]
    %x = memref.alloc() : memref<8xf32>
    scf.yield %x : memref<8xf32>
  } else {
    // CHECK: memref.view %[[ARENA2]][%c64]
    %x = memref.alloc() : memref<8xf32>
    scf.yield %x : memref<8xf32>
  }
  // CHECK: memref.view %[[ARENA2]][%c128]
  %y = memref.alloc() : memref<8xf32>
  memref.copy %r, %y : memref<8xf32> to memref<8xf32>
  return
}

// Functions that are no programs keep their buffers.
// CHECK-LABEL: func.func @helper
func.func @helper() {
  // CHECK: memref.alloc
  %x = memref.alloc() : memref<8xf32>
  memref.dealloc %x : memref<8xf32>
  return
}
