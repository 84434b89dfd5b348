// RUN: mod-opt %s --split-input-file --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" \
// RUN:     --canonicalize --cse --canonicalize | FileCheck %s

// Every op allocates its result; nothing is copied.

// CHECK-LABEL: func @block(
// CHECK-SAME:    %[[X:.*]]: memref<1x8x16xf32>, %[[G:.*]]: memref<16xf32>, %[[W:.*]]: memref<16x16xf32>)
func.func @block(%x: tensor<1x8x16xf32>, %g: tensor<16xf32>, %w: tensor<16x16xf32>) -> tensor<1x8x16xf32> {
  // CHECK: %[[N:.*]] = memref.alloc() {alignment = 64 : i64} : memref<1x8x16xf32>
  // CHECK-NEXT: mod.rms_norm %[[X]], %[[G]] eps(1.000000e-05) into(%[[N]]) : (memref<1x8x16xf32>, memref<16xf32>, memref<1x8x16xf32>) -> ()
  %n = mod.rms_norm %x, %g eps(1.0e-5) : (tensor<1x8x16xf32>, tensor<16xf32>) -> tensor<1x8x16xf32>
  // CHECK-NEXT: %[[Q:.*]] = memref.alloc()
  // CHECK-NEXT: mod.linear %[[N]], %[[W]] into(%[[Q]])
  %q = mod.linear %n, %w : (tensor<1x8x16xf32>, tensor<16x16xf32>) -> tensor<1x8x16xf32>
  // CHECK-NEXT: %[[A:.*]] = memref.alloc()
  // CHECK-NEXT: mod.attention %[[Q]], %[[Q]], %[[Q]] heads(2) kv_heads(2) into(%[[A]])
  %a = mod.attention %q, %q, %q heads(2) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8x16xf32>) -> tensor<1x8x16xf32>
  // CHECK-NEXT: return %[[A]]
  return %a : tensor<1x8x16xf32>
}

// -----

// The number of tokens comes from the first operand.

// CHECK-LABEL: func @dynamic(
// CHECK-SAME:    %[[T:.*]]: memref<1x?xi32>, %[[E:.*]]: memref<256x16xf32>, %[[W:.*]]: memref<4x16x8xf32>, %[[B:.*]]: memref<30xf32>, %[[START:.*]]: index)
func.func @dynamic(%tokens: tensor<1x?xi32>, %e: tensor<256x16xf32>, %w: tensor<4x16x8xf32>, %b: tensor<30xf32>,
                   %start: index) -> (tensor<1x?x16xf32>, tensor<1x?x30xf32>) {
  // CHECK: %[[N:.*]] = memref.dim %[[T]], %c1
  // CHECK: %[[X:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<1x?x16xf32>
  // CHECK: mod.embedding %[[T]], %[[E]] into(%[[X]])
  %x = mod.embedding %tokens, %e : (tensor<1x?xi32>, tensor<256x16xf32>) -> tensor<1x?x16xf32>
  // CHECK: %[[P:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<1x?xi32>
  // CHECK: mod.positions %[[T]] from %[[START]] into(%[[P]]) : (memref<1x?xi32>, index, memref<1x?xi32>) -> ()
  %p = mod.positions %tokens from %start : (tensor<1x?xi32>, index) -> tensor<1x?xi32>
  // CHECK: %[[R:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<1x?x16xf32>
  // CHECK: mod.rope %[[X]] at(%[[P]]) heads(2) theta(1.000000e+04) into(%[[R]])
  %r = mod.rope %x at(%p) heads(2) theta(1.0e4) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  // CHECK: %[[L:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<1x?x30xf32>
  // CHECK: mod.linear %[[R]], %[[W]] bias(%[[B]]) into(%[[L]])
  %l = mod.linear %r, %w bias(%b) : (tensor<1x?x16xf32>, tensor<4x16x8xf32>, tensor<30xf32>) -> tensor<1x?x30xf32>
  return %r, %l : tensor<1x?x16xf32>, tensor<1x?x30xf32>
}

// -----

// Routing as it is fused: the selected rows are gathered, the residual is
// updated in place.

// CHECK-LABEL: func @routed(
// CHECK-SAME:    %[[X:.*]]: memref<1x?x16xf32>, %[[W:.*]]: memref<1x16xf32>, %[[G:.*]]: memref<16xf32>
func.func @routed(%x: tensor<1x?x16xf32> {bufferization.writable = true}, %w: tensor<1x16xf32>, %g: tensor<16xf32>) -> tensor<1x?x16xf32> {
  // CHECK: %[[R:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<1x?xf32>
  // CHECK: mod.router %[[X]], %[[W]] into(%[[R]])
  %r = mod.router %x, %w : (tensor<1x?x16xf32>, tensor<1x16xf32>) -> tensor<1x?xf32>
  // CHECK: %[[I:.*]] = memref.alloc() {alignment = 64 : i64} : memref<1x4xi32>
  // CHECK: %[[K:.*]] = mod.select top_k(1.250000e-01) %[[R]] into(%[[I]]) : (memref<1x?xf32>, memref<1x4xi32>) -> index
  %all, %k = mod.select top_k(0.125) %r : (tensor<1x?xf32>) -> (tensor<1x4xi32>, index)
  // CHECK: %[[S:.*]] = memref.subview %[[I]][0, 0] [1, %[[K]]] [1, 1]
  %i = tensor.extract_slice %all[0, 0] [1, %k] [1, 1] : tensor<1x4xi32> to tensor<1x?xi32>
  // CHECK: %[[T:.*]] = memref.alloc(%[[K]]) {alignment = 64 : i64} : memref<1x?x16xf32>
  // CHECK: mod.gather %[[X]] at(%[[S]]) into(%[[T]]) : (memref<1x?x16xf32>, memref<1x?xi32, strided<[4, 1]>>, memref<1x?x16xf32>) -> ()
  %t = mod.gather %x at(%i) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  // CHECK: %[[U:.*]] = memref.alloc(%[[K]]) {alignment = 64 : i64} : memref<1x?x16xf32>
  // CHECK: mod.rms_norm %[[T]], %[[G]] eps(1.000000e-05) into(%[[U]])
  %u = mod.rms_norm %t, %g eps(1.0e-5) : (tensor<1x?x16xf32>, tensor<16xf32>) -> tensor<1x?x16xf32>
  // CHECK: mod.scatter %[[U]] into %[[X]] at(%[[S]]) gate(sigmoid) by(%[[R]]) : ({{.*}}) -> ()
  %y = mod.scatter %u into %x at(%i) gate(sigmoid) by(%r) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>, tensor<1x?xf32>) -> tensor<1x?x16xf32>
  // CHECK: return %[[X]]
  return %y : tensor<1x?x16xf32>
}

// -----

// The residual is copied where its old value is needed later.

// CHECK-LABEL: func @used_later(
// CHECK-SAME:    %[[U:.*]]: memref<1x8x16xf32>, %[[X:.*]]: memref<1x8x16xf32>, %[[R:.*]]: memref<1x8xf32>)
func.func @used_later(%u: tensor<1x8x16xf32>, %x: tensor<1x8x16xf32> {bufferization.writable = true},
                      %r: tensor<1x8xf32>) -> (tensor<1x8x16xf32>, tensor<1x8x16xf32>) {
  // CHECK: %[[Y:.*]] = memref.alloc()
  // CHECK: memref.copy %[[X]], %[[Y]]
  // CHECK: mod.scatter %[[U]] into %[[Y]] gate(raw) by(%[[R]])
  %y = mod.scatter %u into %x gate(raw) by(%r) : (tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  // CHECK: return %[[X]], %[[Y]]
  return %x, %y : tensor<1x8x16xf32>, tensor<1x8x16xf32>
}

// -----

// A destination that is read by the same op is copied too.

// CHECK-LABEL: func @overlap(
// CHECK-SAME:    %[[X:.*]]: memref<1x8x16xf32>
func.func @overlap(%x: tensor<1x8x16xf32> {bufferization.writable = true}, %w: tensor<16x16xf32>) -> tensor<1x8x16xf32> {
  // CHECK: %[[Y:.*]] = memref.alloc()
  // CHECK: mod.linear %[[X]], %{{.*}} into(%[[Y]])
  %y = mod.linear %x, %w into(%x) : (tensor<1x8x16xf32>, tensor<16x16xf32>, tensor<1x8x16xf32>) -> tensor<1x8x16xf32>
  return %y : tensor<1x8x16xf32>
}

// -----

// A product is added to rows of the residual in place, and a product of some
// rows has as many as there are indices.

// CHECK-LABEL: func @clauses(
// CHECK-SAME:    %[[X:.*]]: memref<1x?x16xf32>, %[[W:.*]]: memref<16x16xf32>, %[[I:.*]]: memref<1x?xi32>, %[[R:.*]]: memref<1x?xf32>
func.func @clauses(%x: tensor<1x?x16xf32> {bufferization.writable = true}, %w: tensor<16x16xf32>,
                   %i: tensor<1x?xi32>, %r: tensor<1x?xf32>) -> tensor<1x?x16xf32> {
  // CHECK: %[[N:.*]] = memref.dim %[[I]], %c1
  // CHECK: %[[S:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<1x?xf32>
  // CHECK: mod.inverse_rms %[[X]] rows(%[[I]]) eps(1.000000e-05) into(%[[S]])
  %s = mod.inverse_rms %x rows(%i) eps(1.0e-5) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
  // CHECK: %[[Y:.*]] = memref.alloc(%[[N]]) {alignment = 64 : i64} : memref<1x?x16xf32>
  // CHECK: mod.linear %[[X]], %[[W]] rows(%[[I]]) row_scales(%[[S]]) into(%[[Y]])
  %y = mod.linear %x, %w rows(%i) row_scales(%s)
      : (tensor<1x?x16xf32>, tensor<16x16xf32>, tensor<1x?xi32>, tensor<1x?xf32>) -> tensor<1x?x16xf32>
  // CHECK-NOT: memref.alloc
  // CHECK-NOT: memref.copy
  // CHECK: mod.linear %[[Y]], %[[W]] gate(raw) by(%[[R]]) accumulate into(%[[X]]) at(%[[I]]) : ({{.*}}) -> ()
  %z = mod.linear %y, %w gate(raw) by(%r) accumulate into(%x) at(%i)
      : (tensor<1x?x16xf32>, tensor<16x16xf32>, tensor<1x?xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  // CHECK-NEXT: return %[[X]]
  return %z : tensor<1x?x16xf32>
}

// -----

// Rows that are overwritten leave the others of the residual as they were.

// CHECK-LABEL: func @some_rows(
// CHECK-SAME:    %[[X:.*]]: memref<1x8x16xf32>,
// CHECK: memref.copy %[[X]], %[[Y:.*]] :
// CHECK: mod.linear %{{.*}}, %{{.*}} into(%[[Y]]) at(%{{.*}})
func.func @some_rows(%x: tensor<1x8x16xf32> {bufferization.writable = true}, %t: tensor<1x3x16xf32>,
                     %w: tensor<16x16xf32>, %i: tensor<1x3xi32>) -> (tensor<1x8x16xf32>, tensor<1x8x16xf32>) {
  %y = mod.linear %t, %w into(%x) at(%i) : (tensor<1x3x16xf32>, tensor<16x16xf32>, tensor<1x8x16xf32>, tensor<1x3xi32>) -> tensor<1x8x16xf32>
  return %x, %y : tensor<1x8x16xf32>, tensor<1x8x16xf32>
}

// -----

// A destination that is overwritten need not be copied, one that is added to
// must be.

// CHECK-LABEL: func @added_later(
// CHECK-SAME:    %[[X:.*]]: memref<1x8x16xf32>, %{{.*}}: memref<16x16xf32>, %[[D:.*]]: memref<1x8x16xf32>)
func.func @added_later(%x: tensor<1x8x16xf32>, %w: tensor<16x16xf32>, %d: tensor<1x8x16xf32> {bufferization.writable = true})
    -> (tensor<1x8x16xf32>, tensor<1x8x16xf32>) {
  // CHECK: %[[Y:.*]] = memref.alloc()
  // CHECK: memref.copy %[[D]], %[[Y]]
  // CHECK: mod.linear %{{.*}}, %{{.*}} accumulate into(%[[Y]])
  %y = mod.linear %x, %w accumulate into(%d) : (tensor<1x8x16xf32>, tensor<16x16xf32>, tensor<1x8x16xf32>) -> tensor<1x8x16xf32>
  return %d, %y : tensor<1x8x16xf32>, tensor<1x8x16xf32>
}

// -----

// A product writes a slice of the logits where they are.

// CHECK-LABEL: func @slice(
// CHECK-SAME:    %[[X:.*]]: memref<1x?x16xf32>, %[[W:.*]]: memref<256x16xf32>, %[[L:.*]]: memref<1x32x256xf32>
func.func @slice(%x: tensor<1x?x16xf32>, %w: tensor<256x16xf32>,
                 %logits: tensor<1x32x256xf32> {bufferization.writable = true}) -> tensor<1x32x256xf32> {
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c1 : tensor<1x?x16xf32>
  // CHECK-NOT: memref.alloc
  // CHECK-NOT: memref.copy
  // CHECK: %[[S:.*]] = memref.subview %[[L]][0, 0, 0] [1, %{{.*}}, 256] [1, 1, 1]
  // CHECK: mod.linear %[[X]], %[[W]] into(%[[S]]) : (memref<1x?x16xf32>, memref<256x16xf32>, memref<1x?x256xf32, strided<[8192, 256, 1]>>) -> ()
  %s = tensor.extract_slice %logits[0, 0, 0] [1, %n, 256] [1, 1, 1] : tensor<1x32x256xf32> to tensor<1x?x256xf32>
  %l = mod.linear %x, %w into(%s) : (tensor<1x?x16xf32>, tensor<256x16xf32>, tensor<1x?x256xf32>) -> tensor<1x?x256xf32>
  %y = tensor.insert_slice %l into %logits[0, 0, 0] [1, %n, 256] [1, 1, 1] : tensor<1x?x256xf32> into tensor<1x32x256xf32>
  // CHECK-NEXT: return %[[L]]
  return %y : tensor<1x32x256xf32>
}

// -----

// Decode: one branch updates the residual in place, the other leaves it.

// CHECK-LABEL: func @decode(
// CHECK-SAME:    %[[X:.*]]: memref<1x1x16xf32>, %[[R:.*]]: memref<1x1xf32>, %[[C:.*]]: !mod.kv_cache<32x16xf32>
func.func @decode(%x: tensor<1x1x16xf32> {bufferization.writable = true}, %r: tensor<1x1xf32>,
                  %cache: !mod.kv_cache<32x16xf32>, %trace: !mod.trace<1x32>, %start: index) -> tensor<1x1x16xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  // CHECK: mod.trace_routing 0 scores(%[[R]]) tested(%[[R]]) from %{{.*}} to %{{.*}} : memref<1x1xf32>, memref<1x1xf32>, index, !mod.trace<1x32>
  mod.trace_routing 0 scores(%r) tested(%r) from %start to %trace : tensor<1x1xf32>, tensor<1x1xf32>, index, !mod.trace<1x32>
  %score = tensor.extract %r[%c0, %c0] : tensor<1x1xf32>
  %taken = arith.cmpf ogt, %score, %zero : f32
  // CHECK: scf.if
  %y = scf.if %taken -> tensor<1x1x16xf32> {
    // CHECK-NEXT: mod.cache_append %[[C]], %[[X]], %[[X]] : !mod.kv_cache<32x16xf32>, memref<1x1x16xf32>, memref<1x1x16xf32>
    mod.cache_append %cache, %x, %x : !mod.kv_cache<32x16xf32>, tensor<1x1x16xf32>, tensor<1x1x16xf32>
    // CHECK-NEXT: %[[A:.*]] = memref.alloc()
    // CHECK-NEXT: mod.cached_attention %[[X]] over %[[C]] heads(2) kv_heads(2) into(%[[A]])
    %a = mod.cached_attention %x over %cache heads(2) kv_heads(2) : (tensor<1x1x16xf32>, !mod.kv_cache<32x16xf32>) -> tensor<1x1x16xf32>
    // CHECK-NEXT: mod.scatter %[[A]] into %[[X]] gate(sigmoid) by(%[[R]])
    %s = mod.scatter %a into %x gate(sigmoid) by(%r) : (tensor<1x1x16xf32>, tensor<1x1x16xf32>, tensor<1x1xf32>) -> tensor<1x1x16xf32>
    // CHECK-NEXT: }
    scf.yield %s : tensor<1x1x16xf32>
  } else {
    scf.yield %x : tensor<1x1x16xf32>
  }
  // CHECK-NEXT: return %[[X]]
  return %y : tensor<1x1x16xf32>
}

// -----

// CHECK-LABEL: func @predictor(
// CHECK: %[[L:.*]] = memref.alloc() {alignment = 64 : i64} : memref<1x8xf32>
// CHECK: mod.predictor %{{.*}} into(%[[L]])
func.func @predictor(%x: tensor<1x8x16xf32>, %w0: tensor<4x16xf32>, %b0: tensor<4xf32>, %w2: tensor<1x4xf32>, %b2: tensor<1xf32>) -> tensor<1x8xf32> {
  %l = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<1x8x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<1x8xf32>
  return %l : tensor<1x8xf32>
}

// -----

// Members are marked in the destination; a latch gives scores of its own.

// CHECK-LABEL: func @members(
// CHECK: %[[M:.*]] = memref.alloc{{.*}} : memref<1x8xf32>
// CHECK: mod.members %{{.*}} into(%[[M]]) : (memref<1x?xi32>, memref<1x8xf32>) -> ()
// CHECK: %[[P:.*]] = memref.alloc{{.*}} : memref<1x8xf32>
// CHECK: mod.pool mean %{{.*}} into(%[[P]])
// CHECK: %[[L:.*]] = memref.alloc{{.*}} : memref<1x8xf32>
// CHECK: mod.latch %[[P]] in %{{.*}} from %{{.*}} into(%[[L]]) : (memref<1x8xf32>, !mod.latch<1>, index, memref<1x8xf32>) -> ()
// CHECK: return %[[M]], %[[L]]
func.func @members(%i: tensor<1x?xi32>, %r: tensor<1x8xf32>, %latch: !mod.latch<1>, %start: index) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
  %init = tensor.empty() : tensor<1x8xf32>
  %m = mod.members %i into(%init) : (tensor<1x?xi32>, tensor<1x8xf32>) -> tensor<1x8xf32>
  %p = mod.pool mean %r : (tensor<1x8xf32>) -> tensor<1x8xf32>
  %l = mod.latch %p in %latch from %start : (tensor<1x8xf32>, !mod.latch<1>, index) -> tensor<1x8xf32>
  return %m, %l : tensor<1x8xf32>, tensor<1x8xf32>
}
