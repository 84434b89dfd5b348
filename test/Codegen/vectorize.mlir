// RUN: mod-opt %s --mod-vectorize=vector-bits=256 \
// RUN:   --remarks-filter="vectorize.*" --remark-format=emitRemark 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t

// Rows in parallel blocks, columns by vectors; 20 columns leave 4 to a mask.
// CHECK-LABEL: func.func @add
// CHECK: scf.forall
// CHECK: scf.for %[[ROW:.*]] =
// CHECK: scf.for %[[COLUMN:.*]] =
// CHECK: %[[A:.*]] = vector.load {{.*}} vector<8xf32>
// CHECK: %[[B:.*]] = vector.load
// CHECK: %[[SUM:.*]] = arith.addf %[[A]], %[[B]] : vector<8xf32>
// CHECK: vector.store %[[SUM]]
// CHECK: vector.create_mask
// CHECK: vector.maskedload
// CHECK: vector.maskedstore
func.func @add(%x: memref<1x?x20xf32, strided<[?, 64, 1], offset: ?>>,
               %y: memref<1x?x20xf32>) {
  linalg.add ins(%x, %y : memref<1x?x20xf32, strided<[?, 64, 1], offset: ?>>, memref<1x?x20xf32>)
             outs(%y : memref<1x?x20xf32>)
  return
}

// An exponential is a polynomial, never a call.
// CHECK-LABEL: func.func @silu
// CHECK-NOT: math.
// CHECK: vector.fma
// CHECK-NOT: math.
// CHECK: return
func.func @silu(%gate: memref<1x?x64xf32>, %up: memref<1x?x64xf32>,
                %into: memref<1x?x64xf32>) {
  linalg.map ins(%gate, %up : memref<1x?x64xf32>, memref<1x?x64xf32>)
             outs(%into : memref<1x?x64xf32>)
    (%g: f32, %u: f32, %o: f32) {
      %one = arith.constant 1.0 : f32
      %n = arith.negf %g : f32
      %e = math.exp %n : f32
      %d = arith.addf %e, %one : f32
      %s = arith.divf %g, %d : f32
      %p = arith.mulf %s, %u : f32
      linalg.yield %p : f32
    }
  return
}

// A transposed operand and a sum have no vectors of columns.
// CHECK-LABEL: func.func @not_rows
// CHECK-NOT: vector.
// CHECK: return
// REMARK: NotVectorized | Category:vectorize | Reason="columns of an operand are not consecutive", form=loops, op=linalg.transpose
// REMARK: NotVectorized | Category:vectorize | Reason="it reduces", form=loops, op=linalg.reduce
func.func @not_rows(%x: memref<8x4xf32>, %y: memref<4x8xf32>, %z: memref<8xf32>) {
  linalg.transpose ins(%x : memref<8x4xf32>) outs(%y : memref<4x8xf32>) permutation = [1, 0]
  linalg.reduce { arith.addf } ins(%x : memref<8x4xf32>) outs(%z : memref<8xf32>) dimensions = [1]
  return
}

// A copy between views is written out: it calls no library.
// CHECK-LABEL: func.func @copy
// CHECK-NOT: memref.copy
// CHECK: vector.store
func.func @copy(%x: memref<4x16xf32, strided<[32, 1]>>, %y: memref<4x16xf32>) {
  memref.copy %x, %y : memref<4x16xf32, strided<[32, 1]>> to memref<4x16xf32>
  return
}
