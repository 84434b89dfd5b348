// RUN: mod-opt %s --mod-fuse-projections --split-input-file | FileCheck %s
// RUN: mod-opt %s --mod-fuse-projections --split-input-file --remarks-filter=mod-fuse-projections \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// Q, K and V of different widths become one product with one bias; weights are
// joined where the first product stands.

// CHECK-LABEL: @qkv
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>
// CHECK: %[[W:.*]] = tensor.concat dim(0) %{{.*}}, %{{.*}}, %{{.*}} : (tensor<6x6xf32>, tensor<3x6xf32>, tensor<3x6xf32>) -> tensor<12x6xf32>
// CHECK: %[[B:.*]] = tensor.concat dim(0) {{.*}} -> tensor<12xf32>
// CHECK: %[[Y:.*]] = mod.linear %[[X]], %[[W]] bias(%[[B]]) {{.*}} -> tensor<1x?x12xf32>
// CHECK-NOT: mod.linear
// CHECK: %[[Q:.*]] = tensor.extract_slice %[[Y]][0, 0, 0] [1, %{{.*}}, 6] [1, 1, 1] : tensor<1x?x12xf32> to tensor<1x?x6xf32>
// CHECK: %[[K:.*]] = tensor.extract_slice %[[Y]][0, 0, 6] [1, %{{.*}}, 3] [1, 1, 1]
// CHECK: %[[V:.*]] = tensor.extract_slice %[[Y]][0, 0, 9] [1, %{{.*}}, 3] [1, 1, 1]
// CHECK: mod.attention %[[Q]], %[[K]], %[[V]]

// REMARK: FusedLinears
// REMARK-SAME: linears=3, outputs=12
func.func @qkv(%x: tensor<1x?x6xf32>, %wq: tensor<6x6xf32>, %bq: tensor<6xf32>, %stored: tensor<3x6xbf16>,
               %bk: tensor<3xf32>) -> tensor<1x?x6xf32> {
  %q = mod.linear %x, %wq bias(%bq) : (tensor<1x?x6xf32>, tensor<6x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %wk = arith.extf %stored : tensor<3x6xbf16> to tensor<3x6xf32>
  %k = mod.linear %x, %wk bias(%bk) : (tensor<1x?x6xf32>, tensor<3x6xf32>, tensor<3xf32>) -> tensor<1x?x3xf32>
  %v = mod.linear %x, %wk bias(%bk) : (tensor<1x?x6xf32>, tensor<3x6xf32>, tensor<3xf32>) -> tensor<1x?x3xf32>
  %a = mod.attention %q, %k, %v heads(2) kv_heads(1)
      : (tensor<1x?x6xf32>, tensor<1x?x3xf32>, tensor<1x?x3xf32>) -> tensor<1x?x6xf32>
  return %a : tensor<1x?x6xf32>
}

// -----

// Linears of different blocks stay apart; within the region of a routed block
// they are fused.

// CHECK-LABEL: @regions
// CHECK: mod.linear %{{.*}} -> tensor<1x?x6xf32>
// CHECK: mod.routed
// CHECK: mod.linear %{{.*}} -> tensor<1x?x12xf32>
// CHECK: mod.yield
// CHECK: mod.linear %{{.*}} -> tensor<1x?x6xf32>

// REMARK: FusedLinears
// REMARK-SAME: linears=2, outputs=12
func.func @regions(%x: tensor<1x?x6xf32>, %w: tensor<6x6xf32>, %v: tensor<6x6xf32>, %r: tensor<1x?xf32>)
    -> tensor<1x?x6xf32> {
  %a = mod.linear %x, %w : (tensor<1x?x6xf32>, tensor<6x6xf32>) -> tensor<1x?x6xf32>
  %y = mod.routed %x by(%r) select(causal, capacity = 0.5) gate(none) causal(router) {
  ^bb0(%t: tensor<1x?x6xf32>, %positions: tensor<1x?xi32>):
    %gate = mod.linear %t, %w : (tensor<1x?x6xf32>, tensor<6x6xf32>) -> tensor<1x?x6xf32>
    %up = mod.linear %t, %v : (tensor<1x?x6xf32>, tensor<6x6xf32>) -> tensor<1x?x6xf32>
    %m = arith.mulf %gate, %up : tensor<1x?x6xf32>
    mod.yield %m : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  %b = mod.linear %y, %w : (tensor<1x?x6xf32>, tensor<6x6xf32>) -> tensor<1x?x6xf32>
  %sum = arith.addf %a, %b : tensor<1x?x6xf32>
  return %sum : tensor<1x?x6xf32>
}

// -----

// CHECK-LABEL: @one_bias
// CHECK-COUNT-2: mod.linear
// REMARK: FusedLinears
// REMARK-SAME: some have a bias, others none
func.func @one_bias(%x: tensor<1x?x6xf32>, %w: tensor<6x6xf32>, %b: tensor<6xf32>) -> tensor<1x?x6xf32> {
  %p = mod.linear %x, %w : (tensor<1x?x6xf32>, tensor<6x6xf32>) -> tensor<1x?x6xf32>
  %q = mod.linear %x, %w bias(%b) : (tensor<1x?x6xf32>, tensor<6x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %sum = arith.addf %p, %q : tensor<1x?x6xf32>
  return %sum : tensor<1x?x6xf32>
}

// -----

// CHECK-LABEL: @types
// CHECK-COUNT-2: mod.linear
// REMARK: FusedLinears
// REMARK-SAME: element types differ
func.func @types(%x: tensor<1x?x6xf32>, %w: tensor<6x6xf32>, %v: tensor<6x6xbf16>) -> tensor<1x?x6xf32> {
  %p = mod.linear %x, %w : (tensor<1x?x6xf32>, tensor<6x6xf32>) -> tensor<1x?x6xf32>
  %q = mod.linear %x, %v : (tensor<1x?x6xf32>, tensor<6x6xbf16>) -> tensor<1x?x6xf32>
  %sum = arith.addf %p, %q : tensor<1x?x6xf32>
  return %sum : tensor<1x?x6xf32>
}

// -----

// CHECK-LABEL: @packed
// CHECK-COUNT-2: mod.linear
// REMARK: FusedLinears
// REMARK-SAME: a weight is packed
func.func @packed(%x: tensor<1x?x6xf32>, %w: tensor<6x6xf32>, %v: tensor<2x6x4xf32>) -> tensor<1x?x6xf32> {
  %p = mod.linear %x, %w : (tensor<1x?x6xf32>, tensor<6x6xf32>) -> tensor<1x?x6xf32>
  %q = mod.linear %x, %v : (tensor<1x?x6xf32>, tensor<2x6x4xf32>) -> tensor<1x?x6xf32>
  %sum = arith.addf %p, %q : tensor<1x?x6xf32>
  return %sum : tensor<1x?x6xf32>
}

// -----

// The second weight depends on the first product.

// CHECK-LABEL: @dominance
// CHECK-COUNT-2: mod.linear
// REMARK: FusedLinears
// REMARK-SAME: a weight is computed after the first product
func.func @dominance(%x: tensor<1x6x6xf32>, %w: tensor<6x6xf32>) -> tensor<1x6x6xf32> {
  %p = mod.linear %x, %w : (tensor<1x6x6xf32>, tensor<6x6xf32>) -> tensor<1x6x6xf32>
  %v = tensor.collapse_shape %p [[0, 1], [2]] : tensor<1x6x6xf32> into tensor<6x6xf32>
  %q = mod.linear %x, %v : (tensor<1x6x6xf32>, tensor<6x6xf32>) -> tensor<1x6x6xf32>
  return %q : tensor<1x6x6xf32>
}
