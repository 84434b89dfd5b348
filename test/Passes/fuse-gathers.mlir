// RUN: mod-opt %s --mod-fuse-gathers --split-input-file | FileCheck %s
// RUN: mod-opt %s --mod-fuse-gathers --split-input-file --remarks-filter=mod-fuse-gathers \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

!hidden = tensor<1x?x6xf32>
!ids = tensor<1x?xi32>
!scores = tensor<1x?xf32>

// A routed MLP after a folded norm: no row is copied.

// CHECK-LABEL: @products
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>, %[[I:.*]]: tensor<1x?xi32>, %[[W:.*]]: tensor<4x6xf32>
// CHECK-NOT: mod.gather
// CHECK: %[[R:.*]] = mod.inverse_rms %[[X]] rows(%[[I]]) eps(1.000000e-05) : (tensor<1x?x6xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
// CHECK: mod.linear %[[X]], %[[W]] rows(%[[I]]) row_scales(%[[R]]) : (
// REMARK: [Passed] FusedGather{{.*}} Function=products | readers=2
func.func @products(%x: !hidden, %i: !ids, %w: tensor<4x6xf32>) -> tensor<1x?x4xf32> {
  %t = mod.gather %x at(%i) : (!hidden, !ids) -> !hidden
  %r = mod.inverse_rms %t eps(1.0e-5) : (!hidden) -> !scores
  %y = mod.linear %t, %w row_scales(%r) : (!hidden, tensor<4x6xf32>, !scores) -> tensor<1x?x4xf32>
  return %y : tensor<1x?x4xf32>
}

// -----

// Rows that a sum needs are gathered once for all; positions are no rows.

!hidden = tensor<1x?x6xf32>
!ids = tensor<1x?xi32>

// CHECK-LABEL: @sum
// CHECK: %[[P:.*]] = mod.gather %{{.*}} at(%{{.*}}) : (tensor<1x?xi32>, tensor<1x?xi32>) -> tensor<1x?xi32>
// CHECK: %[[T:.*]] = mod.gather
// CHECK: mod.linear %[[T]], %{{.*}} : (
// REMARK-NOT: FusedGather
// REMARK: [Missed] FusedGather{{.*}} Function=sum | Reason="something else than products and norms reads it"
// REMARK: [Missed] FusedGather{{.*}} Function=sum | Reason="it has a place already"
// REMARK: [Missed] FusedGather{{.*}} Function=sum | Reason="it has no use"
// REMARK-NOT: FusedGather
func.func @sum(%x: !hidden, %i: !ids, %w: tensor<6x6xf32>, %p: !ids, %d: !hidden) -> (!hidden, !ids, !hidden) {
  %q = mod.gather %p at(%i) : (!ids, !ids) -> !ids
  %t = mod.gather %x at(%i) : (!hidden, !ids) -> !hidden
  %y = mod.linear %t, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %z = arith.addf %t, %y : !hidden
  %u = mod.gather %x at(%i) into(%d) : (!hidden, !ids, !hidden) -> !hidden
  %unused = mod.gather %x at(%q) : (!hidden, !ids) -> !hidden
  return %z, %q, %u : !hidden, !ids, !hidden
}
