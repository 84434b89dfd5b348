// Keys are rotated where they are written; a rotation that is needed elsewhere
// stays.
// RUN: mod-opt %s --mod-fuse-rope | FileCheck %s
// RUN: mod-opt %s --mod-fuse-rope --remarks-filter=mod-fuse-rope -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @rotated
// CHECK-SAME: %[[C:.*]]: !mod.kv_cache<32x16xf32>, %[[K:.*]]: tensor<1x?x16xf32>, %[[P:.*]]: tensor<1x?xi32>
// CHECK-NEXT: mod.cache_append %[[C]], %[[K]], %[[K]] rotated(%[[P]] heads(2) theta(1.000000e+04))
// CHECK-SAME: : !mod.kv_cache<32x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>
// CHECK-NEXT: return
// REMARK: Passed{{.*}}RotatedAppend{{.*}}rotated{{.*}}heads=2
func.func @rotated(%c: !mod.kv_cache<32x16xf32>, %k: tensor<1x?x16xf32>, %p: tensor<1x?xi32>) {
  %r = mod.rope %k at(%p) heads(2) theta(1.0e4) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  mod.cache_append %c, %r, %k : !mod.kv_cache<32x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>
  return
}

// CHECK-LABEL: func.func @shared
// CHECK: %[[R:.*]] = mod.rope
// CHECK-NEXT: mod.cache_append %{{.*}} rotated(
// CHECK-NEXT: return %[[R]]
func.func @shared(%c: !mod.kv_cache<32x16xf32>, %k: tensor<1x?x16xf32>, %p: tensor<1x?xi32>) -> tensor<1x?x16xf32> {
  %r = mod.rope %k at(%p) heads(2) theta(1.0e4) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  mod.cache_append %c, %r, %k : !mod.kv_cache<32x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>
  return %r : tensor<1x?x16xf32>
}

// CHECK-LABEL: func.func @plain
// CHECK-NEXT: mod.cache_append %{{.*}}, %{{.*}}, %{{.*}} : !mod.kv_cache<32x16xf32>
// REMARK: Missed{{.*}}RotatedAppend{{.*}}plain{{.*}}keys are not rotated
func.func @plain(%c: !mod.kv_cache<32x16xf32>, %k: tensor<1x?x16xf32>) {
  mod.cache_append %c, %k, %k : !mod.kv_cache<32x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>
  return
}

// CHECK-LABEL: func.func @twice
// CHECK: mod.rope
// CHECK: mod.cache_append %{{.*}}, %{{.*}}, %{{.*}} rotated(
// REMARK: Missed{{.*}}RotatedAppend{{.*}}twice{{.*}}keys are rotated already
func.func @twice(%c: !mod.kv_cache<32x16xf32>, %k: tensor<1x?x16xf32>, %p: tensor<1x?xi32>) {
  %r = mod.rope %k at(%p) heads(2) theta(1.0e4) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  mod.cache_append %c, %r, %k rotated(%p heads(2) theta(1.0e4)) : !mod.kv_cache<32x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>
  return
}
