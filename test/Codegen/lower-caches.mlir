// Handles of caches become views of the session's memory: keys, then values,
// each on a page of its own.
// RUN: mod-opt %s --mod-lower-caches --canonicalize | FileCheck %s

// Two caches of 2 x (32 x 8 floats = 1024 bytes, a page each).
// CHECK: module attributes {mod.caches = [
// CHECK-SAME: {length = 32 : i64, row_bytes = 64 : i64}
// CHECK-SAME: mod.caches_bytes = 16384 : i64
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[TRACE:[a-z0-9]+]]: memref<1x3x32xf32> {mod.role = "trace"}
// CHECK-SAME: %[[CACHES:[a-z0-9]+]]: memref<16384xi8> {mod.role = "caches"}
// CHECK-SAME: %[[LENGTHS:[a-z0-9]+]]: memref<2xi64> {mod.role = "lengths"}
// CHECK-SAME: %[[PRESENT:[a-z0-9]+]]: i1 {mod.role = "has_trace"}
func.func @decode(%tokens: memref<1x1xi32> {mod.role = "tokens"},
                  %start: index {mod.role = "start"},
                  %trace: !mod.trace<1x32> {mod.role = "trace"},
                  %first: !mod.kv_cache<32x8xf32> {mod.role = "cache"},
                  %second: !mod.kv_cache<32x8xf32> {mod.role = "cache"},
                  %q: memref<1x1x16xf32>, %k: memref<1x1x8xf32>,
                  %out: memref<1x1x16xf32>, %r: memref<1x1xf32>) {
  // The second cache starts behind the two pages of the first.
  // CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
  // CHECK-DAG: %[[KEYS:.*]] = arith.constant 8192 : index
  // CHECK-DAG: %[[VALUES:.*]] = arith.constant 12288 : index
  // CHECK: %[[L:.*]] = memref.load %[[LENGTHS]][%[[C1]]]
  // CHECK: %[[N:.*]] = arith.index_cast %[[L]] : i64 to index
  // CHECK: %[[ALLK:.*]] = memref.view %[[CACHES]][%[[KEYS]]][] : memref<16384xi8> to memref<1x32x8xf32>
  // CHECK: %[[NEWK:.*]] = memref.subview %[[ALLK]][0, %[[N]], 0] [1, 1, 8]
  // CHECK: memref.copy %{{.*}}, %[[NEWK]]
  // CHECK: memref.view %[[CACHES]][%[[VALUES]]]
  // CHECK: memref.copy
  // CHECK: %[[GROWN:.*]] = arith.addi %[[N]], %[[C1]]
  // CHECK: memref.store %{{.*}}, %[[LENGTHS]][%[[C1]]]
  mod.cache_append %second, %k, %k
      : !mod.kv_cache<32x8xf32>, memref<1x1x8xf32>, memref<1x1x8xf32>
  // CHECK: %[[OLDK:.*]] = memref.subview %{{.*}}[0, 0, 0] [1, %{{.*}}, 8]
  // CHECK: mod.attention %{{.*}}, %[[OLDK]], %{{.*}} heads(4) kv_heads(2)
  mod.cached_attention %q over %second heads(4) kv_heads(2) into(%out)
      : (memref<1x1x16xf32>, !mod.kv_cache<32x8xf32>, memref<1x1x16xf32>) -> ()
  // The trace is written only for a caller who wants it.
  // CHECK: scf.if %[[PRESENT]]
  // CHECK: memref.store %{{.*}}, %[[TRACE]]
  mod.trace_routing 0 scores(%r) tested(%r) from %start to %trace
      : memref<1x1xf32>, memref<1x1xf32>, index, !mod.trace<1x32>
  return
}
