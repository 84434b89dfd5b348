// Handles of caches become views of the session's memory: panels of keys, then
// of values, each on a page of its own.
// RUN: mod-opt %s --split-input-file --mod-lower-caches --canonicalize | FileCheck %s
// RUN: mod-opt %s --split-input-file --mod-lower-caches=vector-bits=512 --canonicalize \
// RUN:   | FileCheck %s --check-prefix=WIDE
// RUN: mod-opt %s --split-input-file --mod-lower-caches=rows --canonicalize \
// RUN:   | FileCheck %s --check-prefix=ROWS
// RUN: not mod-opt %s --split-input-file --mod-lower-caches=vector-bits=100 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ERROR

// ERROR: no vectors have 100 bits; expected 128, 256 or 512

// Two caches of 1024 + 1024 bytes, a page each, and one of bf16 with 1100
// tokens: 69 panels of keys of 16 tokens and 2 of values of 8 columns.
// CHECK: module attributes {mod.caches = [
// CHECK-SAME: {length = 32 : i64, row_bytes = 64 : i64}
// CHECK-SAME: {length = 32 : i64, row_bytes = 96 : i64}
// CHECK-SAME: {length = 1100 : i64, row_bytes = 52 : i64}
// CHECK-SAME: mod.caches_bytes = 77824 : i64
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[TRACE:[a-z0-9]+]]: memref<1x4x32xf32> {mod.role = "trace"}
// CHECK-SAME: %[[CACHES:[a-z0-9]+]]: memref<77824xi8> {mod.role = "caches"}
// CHECK-SAME: %[[LENGTHS:[a-z0-9]+]]: memref<3xi64> {mod.role = "lengths"}
// CHECK-SAME: %[[PRESENT:[a-z0-9]+]]: i1 {mod.role = "has_trace"}
func.func @decode(%tokens: memref<1x1xi32> {mod.role = "tokens"},
                  %start: index {mod.role = "start"},
                  %trace: !mod.trace<1x32> {mod.role = "trace"},
                  %first: !mod.kv_cache<32x8xf32> {mod.role = "cache"},
                  %second: !mod.kv_cache<32x8xf32> {mod.role = "cache"},
                  %third: !mod.kv_cache<1100x10xbf16> {mod.role = "cache"},
                  %q: memref<1x1x16xf32>, %k: memref<1x1x8xf32>,
                  %wide: memref<1x1x10xf32>, %positions: memref<1x1xi32>,
                  %out: memref<1x1x16xf32>, %r: memref<1x1xf32>) {
  // The second cache starts behind the two pages of the first.
  // CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
  // CHECK-DAG: %[[KEYS:.*]] = arith.constant 8192 : index
  // CHECK-DAG: %[[VALUES:.*]] = arith.constant 12288 : index
  // CHECK: %[[ALLK:.*]] = memref.view %[[CACHES]][%[[KEYS]]][] : memref<77824xi8> to memref<2x2x4x16xf32>
  // CHECK: %[[ALLV:.*]] = memref.view %[[CACHES]][%[[VALUES]]][] : memref<77824xi8> to memref<2x1x32x8xf32>
  // CHECK: %[[L:.*]] = memref.load %[[LENGTHS]][%[[C1]]]
  // CHECK: %[[N:.*]] = arith.index_cast %[[L]] : i64 to index
  // CHECK: %[[GROWN:.*]] = arith.addi %[[N]], %[[C1]]
  // CHECK: memref.store %{{.*}}, %[[LENGTHS]][%[[C1]]]
  // CHECK: mod.append_panels %{{.*}}, %{{.*}} at(%[[N]]) rotated(%{{.*}} theta(1.000000e+04)) into(%[[ALLK]], %[[ALLV]])
  // WIDE: memref<2x1x4x32xf32>
  // WIDE: memref<2x1x32x16xf32>
  mod.cache_append %second, %k, %k rotated(%positions heads(2) theta(1.0e4))
      : !mod.kv_cache<32x8xf32>, memref<1x1x8xf32>, memref<1x1x8xf32>, memref<1x1xi32>
  // CHECK: %[[M:.*]] = arith.index_cast %{{.*}} : i64 to index
  // CHECK: mod.panel_attention %{{.*}}, %{{.*}}, %{{.*}} of(%[[M]]) heads(4) into(
  mod.cached_attention %q over %second heads(4) kv_heads(2) into(%out)
      : (memref<1x1x16xf32>, !mod.kv_cache<32x8xf32>, memref<1x1x16xf32>) -> ()
  // A single query shares out the keys of a long cache.
  // CHECK: mod.append_panels {{.*}} memref<1x69x5x16x2xbf16>, memref<1x2x550x8x2xbf16>
  mod.cache_append %third, %wide, %wide
      : !mod.kv_cache<1100x10xbf16>, memref<1x1x10xf32>, memref<1x1x10xf32>
  // CHECK: %[[PARTIALS:.*]] = memref.alloc() : memref<1x2x12xf32>
  // CHECK: mod.panel_attention {{.*}} heads(1) partials(%[[PARTIALS]])
  // Row by row, as GPUs have them, in parts of 64 keys.
  // ROWS: memref.alloc() : memref<1x17x12xf32>
  // ROWS: mod.panel_attention {{.*}} heads(1) partials(%{{.*}}) {{.*}} memref<1x1100x10x1xbf16>, memref<1x1x1100x10xbf16>
  mod.cached_attention %wide over %third heads(1) kv_heads(1) into(%wide)
      : (memref<1x1x10xf32>, !mod.kv_cache<1100x10xbf16>, memref<1x1x10xf32>) -> ()
  // Room is what the rows in use leave.
  // CHECK: %[[USED:.*]] = arith.index_cast %{{.*}} : i64 to index
  // CHECK: %[[ROOM:.*]] = arith.subi %c1100, %[[USED]]
  // CHECK: scf.for %{{.*}} = %{{.*}} to %[[ROOM]]
  %room = mod.cache_room %third : !mod.kv_cache<1100x10xbf16>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %f = arith.constant 0.0 : f32
  scf.for %i = %c0 to %room step %c1 {
    memref.store %f, %r[%c0, %c0] : memref<1x1xf32>
  }
  // The trace is written only for a caller who wants it.
  // CHECK: scf.if %[[PRESENT]]
  // CHECK: memref.store %{{.*}}, %[[TRACE]]
  mod.trace_routing 0 scores(%r) tested(%r) from %start to %trace
      : memref<1x1xf32>, memref<1x1xf32>, index, !mod.trace<1x32>
  return
}

// A temporary cache is buffers that hold the tokens of one append.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: memref<1x?x16xf32>, %[[K:[a-z0-9]+]]: memref<1x?x8xf32>
func.func @forward(%tokens: memref<1x32xi32> {mod.role = "tokens"},
                   %q: memref<1x?x16xf32>, %k: memref<1x?x8xf32>, %out: memref<1x?x16xf32>) {
  // CHECK: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK: %[[OWNK:.*]] = memref.alloc() : memref<2x2x4x16xf32>
  // CHECK: %[[OWNV:.*]] = memref.alloc() : memref<2x1x32x8xf32>
  // CHECK: mod.append_panels %[[K]], %[[K]] at(%[[ZERO]]) into(%[[OWNK]], %[[OWNV]])
  // CHECK: %[[N:.*]] = memref.dim %[[Q]], %{{.*}}
  // CHECK: mod.panel_attention %[[Q]], %[[OWNK]], %[[OWNV]] of(%[[N]]) heads(4) into(
  %own = mod.temporary_cache : !mod.kv_cache<32x8xf32>
  mod.cache_append %own, %k, %k : !mod.kv_cache<32x8xf32>, memref<1x?x8xf32>, memref<1x?x8xf32>
  mod.cached_attention %q over %own heads(4) kv_heads(2) into(%out)
      : (memref<1x?x16xf32>, !mod.kv_cache<32x8xf32>, memref<1x?x16xf32>) -> ()
  return
}

// Keys of all tokens and queries of some, each at its position.
// CHECK-LABEL: func.func @some(
// CHECK-SAME: %[[P:[a-z0-9]+]]: memref<1x?xi32>
// CHECK: mod.panel_attention %{{.*}}, %{{.*}}, %{{.*}} at(%[[P]]) heads(4) into(
func.func @some(%tokens: memref<1x32xi32> {mod.role = "tokens"}, %p: memref<1x?xi32>,
                %q: memref<1x?x16xf32>, %k: memref<1x?x8xf32>, %out: memref<1x?x16xf32>) {
  %own = mod.temporary_cache : !mod.kv_cache<32x8xf32>
  mod.cache_append %own, %k, %k : !mod.kv_cache<32x8xf32>, memref<1x?x8xf32>, memref<1x?x8xf32>
  mod.cached_attention %q over %own at(%p) heads(4) kv_heads(2) into(%out)
      : (memref<1x?x16xf32>, !mod.kv_cache<32x8xf32>, memref<1x?xi32>, memref<1x?x16xf32>) -> ()
  return
}

// -----

// Of several sequences each token has caches of its own, 8192 bytes for each
// sequence, and a trace of its own.
// CHECK-LABEL: func.func @decode_batch(
// CHECK-SAME: memref<1x?xi32>, %[[AT:[a-z0-9]+]]: memref<1x?xi32>
// CHECK-SAME: %[[TRACES:[a-z0-9]+]]: memref<3x1x4x32xf32>
// CHECK-SAME: %[[ALL:[a-z0-9]+]]: memref<24576xi8>
// CHECK-SAME: %[[COUNTS:[a-z0-9]+]]: memref<3xi64>
func.func @decode_batch(%tokens: memref<1x3xi32> {mod.role = "tokens"},
                        %sequences: memref<1x?xi32>, %positions: memref<1x?xi32>,
                        %trace: !mod.trace<3x1x32> {mod.role = "trace"},
                        %cache: !mod.kv_cache<3x32x8xf32> {mod.role = "cache"},
                        %q: memref<1x?x16xf32>, %k: memref<1x?x8xf32>,
                        %out: memref<1x?x16xf32>, %r: memref<1x?xf32>) {
  // CHECK: scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step
  // CHECK: %[[S:.*]] = memref.load %{{.*}}[%{{.*}}, %[[I]]] : memref<1x?xi32>
  // CHECK: %[[SEQUENCE:.*]] = arith.index_cast %[[S]]
  // CHECK: %[[ROW:.*]] = memref.subview %{{.*}}[0, %[[I]], 0] [1, 1, 8] [1, 1, 1]
  // CHECK: %[[BEGIN:.*]] = arith.muli %[[SEQUENCE]], %{{.*}} : index
  // CHECK: memref.view %[[ALL]][%[[BEGIN]]][] : memref<24576xi8> to memref<2x2x4x16xf32>
  // CHECK: memref.load %[[COUNTS]][%[[SEQUENCE]]]
  // CHECK: memref.store %{{.*}}, %[[COUNTS]][%[[SEQUENCE]]]
  // CHECK: mod.append_panels {{.*}} rotated(%{{.*}} theta
  mod.cache_append %cache, %k, %k of(%sequences) rotated(%positions heads(2) theta(1.0e4))
      : !mod.kv_cache<3x32x8xf32>, memref<1x?x8xf32>, memref<1x?x8xf32>, memref<1x?xi32> of memref<1x?xi32>
  // CHECK: scf.for
  // CHECK: mod.panel_attention {{.*}} : memref<1x1x16xf32, strided<[?, 16, 1], offset: ?>>
  mod.cached_attention %q over %cache of(%sequences) heads(4) kv_heads(2) into(%out)
      : (memref<1x?x16xf32>, !mod.kv_cache<3x32x8xf32>, memref<1x?xi32>, memref<1x?x16xf32>) -> ()
  // CHECK: %[[P:.*]] = memref.load %[[AT]]
  // CHECK: %[[POSITION:.*]] = arith.index_cast %[[P]]
  // CHECK: memref.store %{{.*}}, %[[TRACES]][%{{.*}}, %{{.*}}, %{{.*}}, %[[POSITION]]]
  mod.trace_routing 0 scores(%r) tested(%r) of(%sequences) from %positions to %trace
      : memref<1x?xf32>, memref<1x?xf32>, memref<1x?xi32>, memref<1x?xi32>, !mod.trace<3x1x32>
  return
}

// -----

// Latches lie behind the caches of a sequence, which end at 8192, on a page of
// their own.
// CHECK: mod.caches_bytes = 12288 : i64
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[START:[a-z0-9]+]]: index {mod.role = "start"}
// CHECK-SAME: %[[R:[a-z0-9]+]]: memref<1x?xf32>, %[[OUT:[a-z0-9]+]]: memref<1x?xf32>
// CHECK-SAME: %[[ALL:[a-z0-9]+]]: memref<12288xi8>
func.func @decode(%tokens: memref<1x1xi32> {mod.role = "tokens"}, %start: index {mod.role = "start"},
                  %cache: !mod.kv_cache<32x8xf32> {mod.role = "cache"},
                  %first: !mod.latch<1> {mod.role = "latch"}, %second: !mod.latch<1> {mod.role = "latch"},
                  %r: memref<1x?xf32>, %out: memref<1x?xf32>) {
  // CHECK-DAG: %[[AT:.*]] = arith.constant 8196 : index
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK: scf.for %[[I:.*]] = %[[ZERO]]
  // CHECK: %[[KEPT:.*]] = memref.view %[[ALL]][%[[AT]]][] : memref<12288xi8> to memref<1xf32>
  // CHECK: %[[BEGINS:.*]] = arith.cmpi eq, %[[START]], %[[ZERO]]
  // CHECK: %[[OWN:.*]] = memref.load %[[R]][%[[ZERO]], %[[I]]]
  // CHECK: %[[BEFORE:.*]] = memref.load %[[KEPT]][%[[ZERO]]]
  // CHECK: %[[S:.*]] = arith.select %[[BEGINS]], %[[OWN]], %[[BEFORE]]
  // CHECK: memref.store %[[S]], %[[KEPT]][%[[ZERO]]]
  // CHECK: memref.store %[[S]], %[[OUT]][%[[ZERO]], %[[I]]]
  mod.latch %r in %second from %start into(%out) : (memref<1x?xf32>, !mod.latch<1>, index, memref<1x?xf32>) -> ()
  return
}

// -----

// Of several sequences each has its own, without caches too.
// CHECK: mod.caches_bytes = 4096 : i64
// CHECK-LABEL: func.func @decode_batch(
// CHECK-SAME: %[[SEQUENCES:[a-z0-9]+]]: memref<1x?xi32>, %[[POSITIONS:[a-z0-9]+]]: memref<1x?xi32>
// CHECK-SAME: %[[ALL:[a-z0-9]+]]: memref<12288xi8> {mod.role = "caches"}) {
func.func @decode_batch(%tokens: memref<1x3xi32> {mod.role = "tokens"},
                        %sequences: memref<1x?xi32>, %positions: memref<1x?xi32>,
                        %latch: !mod.latch<3> {mod.role = "latch"},
                        %r: memref<1x?xf32>, %out: memref<1x?xf32>) {
  // CHECK-DAG: %[[BYTES:.*]] = arith.constant 4096 : index
  // CHECK: scf.for
  // CHECK: memref.load %[[SEQUENCES]]
  // CHECK: %[[S:.*]] = arith.index_cast
  // CHECK: memref.load %[[POSITIONS]]
  // CHECK: %[[P:.*]] = arith.index_cast
  // CHECK: %[[BEGIN:.*]] = arith.muli %[[S]], %[[BYTES]]
  // CHECK: memref.view %[[ALL]][%[[BEGIN]]][] : memref<12288xi8> to memref<1xf32>
  // CHECK: arith.cmpi eq, %[[P]], %{{.*}} : index
  mod.latch %r in %latch of(%sequences) from %positions into(%out)
      : (memref<1x?xf32>, !mod.latch<3>, memref<1x?xi32>, memref<1x?xi32>, memref<1x?xf32>) -> ()
  return
}

// -----

// Positions lie behind keys and values, one for each token of these: of two
// sequences, whose caches are three pages each.
// CHECK: row_bytes = 68 : i64
// CHECK-LABEL: func.func @decode_batch(
// CHECK-SAME: %[[CACHES:[a-z0-9]+]]: memref<24576xi8>
// CHECK: scf.for
// CHECK: %[[PLACE:.*]] = arith.addi %{{.*}}, %c8192
// CHECK: %[[KEPT:.*]] = memref.view %[[CACHES]][%[[PLACE]]][] : memref<24576xi8> to memref<32xi32>
// CHECK: mod.append_panels {{.*}} keeping(%{{.*}} in %[[KEPT]])
// CHECK: scf.for
// CHECK: %[[KEPT:.*]] = memref.view %{{.*}} to memref<32xi32>
// CHECK: mod.panel_attention {{.*}} window(5) kept(%[[KEPT]])
func.func @decode_batch(%tokens: memref<1x2xi32> {mod.role = "tokens"}, %sequences: memref<1x2xi32> {mod.role = "sequences"},
                        %cache: !mod.kv_cache<2x32x8xf32, positions> {mod.role = "cache"},
                        %q: memref<1x2x8xf32>, %p: memref<1x2xi32>, %out: memref<1x2x8xf32>) {
  mod.cache_append %cache, %q, %q of(%sequences) at(%p)
      : !mod.kv_cache<2x32x8xf32, positions>, memref<1x2x8xf32>, memref<1x2x8xf32> at memref<1x2xi32> of memref<1x2xi32>
  mod.cached_attention %q over %cache of(%sequences) heads(1) kv_heads(1) window(5) into(%out)
      : (memref<1x2x8xf32>, !mod.kv_cache<2x32x8xf32, positions>, memref<1x2xi32>, memref<1x2x8xf32>) -> ()
  return
}
