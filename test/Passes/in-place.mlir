// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs --mod-fuse-projections \
// RUN:   --mod-fuse-routing --convert-elementwise-to-linalg \
// RUN:   --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map allow-return-allocs-from-loops=0" \
// RUN:   --cse --canonicalize | FileCheck %s

// Programs bufferize without a copy: the residual is one buffer, updated in
// place, and the logits are written where the caller wants them.

// CHECK-NOT: memref.copy

// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[LOGITS:[^:]*]]: memref<1x9x5xf32> {{[^:]*}}mod.role = "logits"
// CHECK: mod.embedding %{{.*}} into(%[[X:.*]]) :
// CHECK: linalg.generic {{.*}} outs(%[[X]] :
// CHECK: mod.scatter %{{.*}} into %[[X]] at(
// CHECK: mod.rms_norm %[[X]]
// CHECK: %[[PLACE:.*]] = memref.subview %[[LOGITS]]
// CHECK: mod.linear %{{.*}} into(%[[PLACE]]) :

// CHECK-LABEL: func.func @prefill(
// CHECK: mod.embedding %{{.*}} into(%[[X:.*]]) :
// CHECK: mod.scatter %{{.*}} into %[[X]] at(
// CHECK: %[[LAST:.*]] = memref.subview %[[X]]
// CHECK: mod.rms_norm %[[LAST]]

// CHECK-LABEL: func.func @decode(
// CHECK: mod.embedding %{{.*}} into(%[[X:.*]]) :
// CHECK: scf.if
// CHECK: mod.scatter %{{.*}} into %[[X]] gate
// CHECK-NOT: memref.copy
// CHECK: mod.rms_norm %[[X]]
