// RUN: mod-opt %s --canonicalize | FileCheck %s

// Static dimensions flow from operands to results, through casts.

// CHECK-LABEL: func @refine(
// CHECK-SAME:    %[[T:.*]]: tensor<1x8xi32>, %[[E:.*]]: tensor<256x16xf32>, %[[G:.*]]: tensor<16xf32>)
func.func @refine(%t: tensor<1x8xi32>, %e: tensor<256x16xf32>, %g: tensor<16xf32>) -> tensor<?x?x16xf32> {
  %0 = tensor.cast %t : tensor<1x8xi32> to tensor<?x?xi32>
  // CHECK-NEXT: %[[X:.*]] = mod.embedding %[[T]], %[[E]] : (tensor<1x8xi32>, tensor<256x16xf32>) -> tensor<1x8x16xf32>
  %1 = mod.embedding %0, %e : (tensor<?x?xi32>, tensor<256x16xf32>) -> tensor<?x?x16xf32>
  // CHECK-NEXT: %[[N:.*]] = mod.rms_norm %[[X]], %[[G]] eps(0.000000e+00) : (tensor<1x8x16xf32>, tensor<16xf32>) -> tensor<1x8x16xf32>
  %2 = mod.rms_norm %1, %g eps(0.0) : (tensor<?x?x16xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  // CHECK-NEXT: %[[R:.*]] = tensor.cast %[[N]] : tensor<1x8x16xf32> to tensor<?x?x16xf32>
  // CHECK-NEXT: return %[[R]]
  return %2 : tensor<?x?x16xf32>
}

// The tokens of a gather are as many as its indices.

// CHECK-LABEL: func @refine_gather(
// CHECK: mod.gather %{{.*}} at(%{{.*}}) : (tensor<1x?x16xf32>, tensor<1x4xi32>) -> tensor<1x4x16xf32>
func.func @refine_gather(%x: tensor<1x?x16xf32>, %i: tensor<1x4xi32>) -> tensor<1x?x16xf32> {
  %0 = mod.gather %x at(%i) : (tensor<1x?x16xf32>, tensor<1x4xi32>) -> tensor<1x?x16xf32>
  return %0 : tensor<1x?x16xf32>
}

// CHECK-LABEL: func @dim(
// CHECK-SAME:    %{{.*}}: tensor<?x?x16xf32>, %[[I:.*]]: tensor<?x?xi32>
func.func @dim(%x: tensor<?x?x16xf32>, %i: tensor<?x?xi32>, %w: tensor<8x16xf32>) -> index {
  %c1 = arith.constant 1 : index
  %0 = mod.gather %x at(%i) : (tensor<?x?x16xf32>, tensor<?x?xi32>) -> tensor<?x?x16xf32>
  %1 = mod.linear %0, %w : (tensor<?x?x16xf32>, tensor<8x16xf32>) -> tensor<?x?x8xf32>
  // CHECK: %[[N:.*]] = tensor.dim %[[I]], %c1
  %n = tensor.dim %1, %c1 : tensor<?x?x8xf32>
  // CHECK-NEXT: return %[[N]]
  return %n : index
}

// CHECK-LABEL: func @gathers(
// CHECK-SAME:    %[[X:.*]]: tensor<1x8x16xf32>, %[[I:.*]]: tensor<1x4xi32>, %[[J:.*]]: tensor<1x2xi32>)
func.func @gathers(%x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %j: tensor<1x2xi32>) -> tensor<1x2x16xf32> {
  %0 = mod.gather %x at(%i) : (tensor<1x8x16xf32>, tensor<1x4xi32>) -> tensor<1x4x16xf32>
  // CHECK-NEXT: %[[IJ:.*]] = mod.gather %[[I]] at(%[[J]]) : (tensor<1x4xi32>, tensor<1x2xi32>) -> tensor<1x2xi32>
  // CHECK-NEXT: %[[R:.*]] = mod.gather %[[X]] at(%[[IJ]]) : (tensor<1x8x16xf32>, tensor<1x2xi32>) -> tensor<1x2x16xf32>
  %1 = mod.gather %0 at(%j) : (tensor<1x4x16xf32>, tensor<1x2xi32>) -> tensor<1x2x16xf32>
  // CHECK-NEXT: return %[[R]]
  return %1 : tensor<1x2x16xf32>
}

// CHECK-LABEL: func @zero_bias(
func.func @zero_bias(%x: tensor<1x8x16xf32>, %w: tensor<8x16xf32>, %v: tensor<1x16xf32>) -> (tensor<1x8x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>) {
  %b = arith.constant dense<0.0> : tensor<8xf32>
  %c = arith.constant dense<0.0> : tensor<1xf32>
  %d = arith.constant dense<0.5> : tensor<1xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} : (
  %0 = mod.linear %x, %w bias(%b) : (tensor<1x8x16xf32>, tensor<8x16xf32>, tensor<8xf32>) -> tensor<1x8x8xf32>
  // CHECK: mod.router %{{.*}}, %{{.*}} : (
  %1 = mod.router %x, %v bias(%c) : (tensor<1x8x16xf32>, tensor<1x16xf32>, tensor<1xf32>) -> tensor<1x8xf32>
  // CHECK: mod.router %{{.*}}, %{{.*}} bias(
  %2 = mod.router %x, %v bias(%d) : (tensor<1x8x16xf32>, tensor<1x16xf32>, tensor<1xf32>) -> tensor<1x8xf32>
  return %0, %1, %2 : tensor<1x8x8xf32>, tensor<1x8xf32>, tensor<1x8xf32>
}

// What is not used is not computed; a cache is written all the same.

// CHECK-LABEL: func @unused(
func.func @unused(%x: tensor<1x8x16xf32>, %g: tensor<16xf32>, %r: tensor<1x8xf32>, %cache: !mod.kv_cache<8x16xf32>) {
  // CHECK-NEXT: mod.cache_append
  // CHECK-NEXT: return
  %0 = mod.rms_norm %x, %g eps(0.0) : (tensor<1x8x16xf32>, tensor<16xf32>) -> tensor<1x8x16xf32>
  %1, %n = mod.select top_k(0.5) %r : (tensor<1x8xf32>) -> (tensor<1x4xi32>, index)
  mod.cache_append %cache, %x, %x : !mod.kv_cache<8x16xf32>, tensor<1x8x16xf32>, tensor<1x8x16xf32>
  %2 = mod.cached_attention %x over %cache heads(2) kv_heads(2) : (tensor<1x8x16xf32>, !mod.kv_cache<8x16xf32>) -> tensor<1x8x16xf32>
  return
}
