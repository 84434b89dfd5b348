// RUN: mod-opt %s --mod-lower-kernels=vector-bits=256 | FileCheck %s

// Two products of one shape share a kernel; their results are written by it.
// CHECK-LABEL: func.func @equal_shapes
// CHECK-SAME: %[[X:.*]]: memref<1x?x96xf32>, %[[W:.*]]: memref<4x96x16xf32>, %[[Y:.*]]: memref
// CHECK-NEXT: call @mod.linear.96x64(%[[X]], %[[W]], %[[Y]])
// CHECK-NEXT: call @mod.linear.96x64(%[[X]], %[[W]], %[[Y]])
// CHECK-NEXT: return
func.func @equal_shapes(%x: memref<1x?x96xf32>, %w: memref<4x96x16xf32>,
                        %y: memref<1x?x64xf32>) {
  mod.linear %x, %w into(%y)
      : (memref<1x?x96xf32>, memref<4x96x16xf32>, memref<1x?x64xf32>) -> ()
  mod.linear %x, %w into(%y)
      : (memref<1x?x96xf32>, memref<4x96x16xf32>, memref<1x?x64xf32>) -> ()
  return
}

// Attributes and operand types are part of what a kernel is made for.
// CHECK-LABEL: func.func @distinct
// CHECK-NEXT: call @mod.rms_norm.96(
// CHECK-NEXT: call @mod.rms_norm.96_0(
// CHECK-NEXT: call @mod.rms_norm.96_1(
func.func @distinct(%x: memref<1x?x96xf32>, %g: memref<96xf32>,
                    %one: memref<1x1x96xf32>) {
  mod.rms_norm %x, %g eps(1.0e-5) into(%x)
      : (memref<1x?x96xf32>, memref<96xf32>, memref<1x?x96xf32>) -> ()
  mod.rms_norm %x, %g eps(1.0e-6) into(%x)
      : (memref<1x?x96xf32>, memref<96xf32>, memref<1x?x96xf32>) -> ()
  mod.rms_norm %one, %g eps(1.0e-5) into(%one)
      : (memref<1x1x96xf32>, memref<96xf32>, memref<1x1x96xf32>) -> ()
  return
}

// The number of selected tokens is the kernel's result.
// CHECK-LABEL: func.func @count
// CHECK: %[[N:.*]] = call @mod.select(%{{.*}}, %{{.*}}) : (memref<1x?xf32>, memref<1x8xi32>) -> index
// CHECK-NEXT: return %[[N]]
func.func @count(%scores: memref<1x?xf32>, %into: memref<1x8xi32>) -> index {
  %n = mod.select top_k(8) %scores into(%into)
      : (memref<1x?xf32>, memref<1x8xi32>) -> index
  return %n : index
}

// One row takes four panels side by side, whose sums are enough. Each panel's
// is finished row by row.
// CHECK-LABEL: func.func private @mod.linear.96x64(
// CHECK: scf.forall
// CHECK: %[[SUMS:.*]] = memref.alloca() {{.*}} : memref<4x6x16xf32>
// CHECK: scf.if
// CHECK: scf.index_switch
// CHECK-NEXT: case 1 {
// CHECK: %{{.*}}:8 = scf.for {{.*}} step %c1{{(_[0-9]+)?}} 
// CHECK-COUNT-8: vector.fma
// CHECK-NOT: vector.fma
// CHECK: scf.yield
// CHECK-COUNT-8: vector.store {{.*}}, %[[SUMS]]
// CHECK: scf.for
// CHECK: scf.for
// CHECK-COUNT-2: vector.load %[[SUMS]]
// CHECK-COUNT-2: vector.store {{.*}} : memref<1x?x64xf32>

// Two rows take two panels, more of them one.
// CHECK: case 2 {
// CHECK: %{{.*}}:8 = scf.for {{.*}} step %c1{{(_[0-9]+)?}} 
// CHECK-COUNT-8: vector.fma
// CHECK-NOT: vector.fma
// CHECK: scf.yield
// CHECK-COUNT-8: vector.store {{.*}}, %[[SUMS]]

// CHECK: default {
// CHECK: %{{.*}}:12 = scf.for {{.*}} step %c1{{(_[0-9]+)?}} 

// Of many rows tiles have 4 or 6. The sums of one of 6 rows by 2 vectors are
// carried in registers; nothing is stored while they grow. In each two steps
// memory is asked for a line of the next panel, first for those of the outputs
// as well, and the second level cache for the steps that are 32 on.
// CHECK: } else {
// CHECK: scf.index_switch
// CHECK-NEXT: case 4 {
// CHECK: default {
// CHECK: %{{.*}}:12 = scf.for {{.*}} step %c2{{(_[0-9]+)?}} 
// CHECK-NOT: store
// CHECK: memref.prefetch {{.*}}locality<3>
// CHECK: memref.prefetch {{.*}}locality<2>
// CHECK: scf.if
// CHECK-COUNT-1: memref.prefetch {{.*}}, write, {{.*}} : memref<1x?x64xf32>
// CHECK-NOT: {{store|prefetch}}
// CHECK-COUNT-12: vector.fma
// CHECK: memref.prefetch {{.*}}locality<3>
// CHECK-NOT: {{store|prefetch}}
// CHECK-COUNT-12: vector.fma
// CHECK-NOT: vector.fma
// CHECK: scf.yield
// CHECK-COUNT-12: vector.store {{.*}}, %[[SUMS]]

// A panel that is left over takes four steps of K at a time, each with sums of
// its own.
// CHECK-LABEL: func.func private @mod.linear.96x80(
// CHECK: case 1 {
// CHECK: %{{.*}}:8 = scf.for {{.*}} step %c4{{(_[0-9]+)?}} 
// CHECK-COUNT-8: vector.fma
// CHECK-NOT: vector.fma
// CHECK: scf.yield
// CHECK-COUNT-6: arith.addf
// CHECK-COUNT-2: vector.store
func.func @left_over(%x: memref<1x?x96xf32>, %w: memref<5x96x16xf32>,
                     %y: memref<1x?x80xf32>) {
  mod.linear %x, %w into(%y)
      : (memref<1x?x96xf32>, memref<5x96x16xf32>, memref<1x?x80xf32>) -> ()
  return
}
