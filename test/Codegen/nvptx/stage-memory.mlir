// What the caller passes has a place behind the arena, on the device.
// RUN: mod-opt %s --mod-plan-arena --mod-stage-memory | FileCheck %s

func.func private @use(memref<1x32xi32>, memref<1x32x8xf32>, memref<2xi64>)

// CHECK: module attributes {mod.arena_bytes = 2048 : i64}
// CHECK-LABEL: func.func @prefill(
// CHECK-SAME: %[[TOKENS:arg[0-9]+]]: memref<1x32xi32>
// CHECK-SAME: %[[COUNT:arg[0-9]+]]: index {mod.role = "count"}
// CHECK-SAME: %[[FROM:arg[0-9]+]]: index {mod.role = "from"}
// CHECK-SAME: %[[LOGITS:arg[0-9]+]]: memref<1x32x8xf32>
// CHECK-SAME: %[[LENGTHS:arg[0-9]+]]: memref<2xi64>
// CHECK-SAME: %[[TRACE:arg[0-9]+]]: memref<1x4x32xf32>
// CHECK-SAME: %[[WANTED:arg[0-9]+]]: i1
// CHECK-SAME: %[[ARENA:arg[0-9]+]]: memref<2048xi8> {mod.role = "arena"})
func.func @prefill(%tokens: memref<1x32xi32> {mod.role = "tokens"},
                   %count: index {mod.role = "count"},
                   %from: index {mod.role = "from"},
                   %logits: memref<1x32x8xf32> {mod.role = "logits"},
                   %lengths: memref<2xi64> {mod.role = "lengths"},
                   %trace: memref<1x4x32xf32> {mod.role = "trace"},
                   %wanted: i1 {mod.role = "has_trace"})
    attributes {mod.arena_bytes = 0 : i64} {
  // The trace is there and back only where the caller wants it.
  // CHECK: %[[STAGED_TRACE:.*]] = memref.view %[[ARENA]]{{.*}} to memref<1x4x32xf32>
  // CHECK: scf.if %[[WANTED]]
  // CHECK: gpu.memcpy %[[STAGED_TRACE]], %[[TRACE]]
  // CHECK: %[[STAGED_LENGTHS:.*]] = memref.view %[[ARENA]]{{.*}} to memref<2xi64>
  // CHECK: gpu.memcpy %[[STAGED_LENGTHS]], %[[LENGTHS]]
  // CHECK: %[[STAGED_LOGITS:.*]] = memref.view %[[ARENA]]{{.*}} to memref<1x32x8xf32>
  // No more tokens than there are.
  // CHECK: %[[STAGED_TOKENS:.*]] = memref.view %[[ARENA]]{{.*}} to memref<1x32xi32>
  // CHECK: %[[TO:.*]] = memref.subview %[[STAGED_TOKENS]][0, 0] [1, %[[COUNT]]]
  // CHECK: %[[SOME:.*]] = memref.subview %[[TOKENS]][0, 0] [1, %[[COUNT]]]
  // CHECK: gpu.memcpy %[[TO]], %[[SOME]]
  // CHECK: call @use(%[[STAGED_TOKENS]], %[[STAGED_LOGITS]], %[[STAGED_LENGTHS]])
  call @use(%tokens, %logits, %lengths)
      : (memref<1x32xi32>, memref<1x32x8xf32>, memref<2xi64>) -> ()
  // CHECK: %[[ROWS:.*]] = arith.subi %[[COUNT]], %[[FROM]]
  // CHECK: %[[FROM_DEVICE:.*]] = memref.subview %[[STAGED_LOGITS]][0, 0, 0] [1, %[[ROWS]], 8]
  // CHECK: %[[INTO:.*]] = memref.subview %[[LOGITS]][0, 0, 0] [1, %[[ROWS]], 8]
  // CHECK: gpu.memcpy %[[INTO]], %[[FROM_DEVICE]]
  // CHECK: gpu.memcpy %[[LENGTHS]], %[[STAGED_LENGTHS]]
  // CHECK: gpu.memcpy %[[TRACE]], %[[STAGED_TRACE]]
  return
}

// Without a count, the place of the token is in memory, too; the token that is
// chosen goes back, the logits where they are wanted.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[START:arg[0-9]+]]: memref<1xi64> {mod.role = "start"}
// CHECK-SAME: %[[LOGITS:arg[0-9]+]]: memref<1x1x8xf32>
// CHECK-SAME: %[[CHOICE:arg[0-9]+]]: memref<70xf64> {mod.role = "choice"}
// CHECK-SAME: %[[NEXT:arg[0-9]+]]: memref<1x1xi32> {mod.role = "next"}
// CHECK-SAME: %[[WANTED:arg[0-9]+]]: i1 {mod.role = "has_logits"}
func.func private @place(index, memref<1x1x8xf32>)
func.func @decode(%start: index {mod.role = "start"},
                  %logits: memref<1x1x8xf32> {mod.role = "logits"})
    attributes {mod.arena_bytes = 0 : i64} {
  // CHECK: %[[STAGED_CHOICE:.*]] = memref.view %{{.*}} to memref<70xf64>
  // CHECK: gpu.memcpy %[[STAGED_CHOICE]], %[[CHOICE]]
  // CHECK: %[[STAGED_NEXT:.*]] = memref.view %{{.*}} to memref<1x1xi32>
  // CHECK: %[[STAGED_LOGITS:.*]] = memref.view %{{.*}} to memref<1x1x8xf32>
  // CHECK: %[[STAGED:.*]] = memref.view %{{.*}} to memref<1xi64>
  // CHECK: gpu.memcpy %[[STAGED]], %[[START]]
  // CHECK: %[[NUMBER:.*]] = memref.load %[[STAGED]]
  // CHECK: %[[PLACE:.*]] = arith.index_cast %[[NUMBER]] : i64 to index
  // CHECK: call @place(%[[PLACE]], %[[STAGED_LOGITS]])
  call @place(%start, %logits) : (index, memref<1x1x8xf32>) -> ()
  // CHECK: %[[SCORES:.*]] = memref.collapse_shape %[[STAGED_LOGITS]]
  // CHECK: mod.sample %[[SCORES]] by(%[[STAGED_CHOICE]]) into(%[[STAGED_NEXT]])
  // CHECK: gpu.memcpy %[[NEXT]], %[[STAGED_NEXT]]
  // CHECK: scf.if %[[WANTED]]
  // CHECK-NEXT: gpu.memcpy %[[LOGITS]], %[[STAGED_LOGITS]]
  return
}
