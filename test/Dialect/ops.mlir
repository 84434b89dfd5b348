// RUN: mod-opt %s --verify-roundtrip | FileCheck %s

// Every op in every form it has: functional, destination, buffer.

// CHECK-LABEL: func @embedding
func.func @embedding(%t: tensor<?x?xi32>, %e: tensor<256x16xbf16>, %i: tensor<?x?x16xbf16>,
                     %tm: memref<1x?xi32>, %em: memref<256x16xf32>, %im: memref<1x?x16xf32, strided<[512, 16, 1], offset: ?>>) {
  // CHECK: mod.embedding %{{.*}}, %{{.*}} : (tensor<?x?xi32>, tensor<256x16xbf16>) -> tensor<?x?x16xbf16>
  %0 = mod.embedding %t, %e : (tensor<?x?xi32>, tensor<256x16xbf16>) -> tensor<?x?x16xbf16>
  // CHECK: mod.embedding %{{.*}}, %{{.*}} into(%{{.*}}) : (tensor<?x?xi32>, tensor<256x16xbf16>, tensor<?x?x16xbf16>) -> tensor<?x?x16xbf16>
  %1 = mod.embedding %t, %e into(%i) : (tensor<?x?xi32>, tensor<256x16xbf16>, tensor<?x?x16xbf16>) -> tensor<?x?x16xbf16>
  // CHECK: mod.embedding %{{.*}}, %{{.*}} into(%{{.*}}) : (memref<1x?xi32>, memref<256x16xf32>, memref<1x?x16xf32, strided<[512, 16, 1], offset: ?>>) -> ()
  mod.embedding %tm, %em into(%im) : (memref<1x?xi32>, memref<256x16xf32>, memref<1x?x16xf32, strided<[512, 16, 1], offset: ?>>) -> ()
  return
}

// CHECK-LABEL: func @positions
func.func @positions(%t: tensor<?x?xi32>, %s: index, %m: memref<1x8xi32>) {
  // CHECK: mod.positions %{{.*}} : (tensor<?x?xi32>) -> tensor<?x?xi32>
  %0 = mod.positions %t : (tensor<?x?xi32>) -> tensor<?x?xi32>
  // CHECK: mod.positions %{{.*}} from %{{.*}} : (tensor<?x?xi32>, index) -> tensor<?x?xi32>
  %1 = mod.positions %t from %s : (tensor<?x?xi32>, index) -> tensor<?x?xi32>
  // CHECK: mod.positions %{{.*}} into(%{{.*}}) : (tensor<?x?xi32>, tensor<?x?xi32>) -> tensor<?x?xi32>
  %2 = mod.positions %t into(%1) : (tensor<?x?xi32>, tensor<?x?xi32>) -> tensor<?x?xi32>
  // CHECK: mod.positions %{{.*}} from %{{.*}} into(%{{.*}}) : (memref<1x8xi32>, index, memref<1x8xi32>) -> ()
  mod.positions %m from %s into(%m) : (memref<1x8xi32>, index, memref<1x8xi32>) -> ()
  return
}

// CHECK-LABEL: func @rms_norm
func.func @rms_norm(%x: tensor<?x?x16xf32>, %g: tensor<16xf32>, %m: memref<1x8x16xf32>, %gm: memref<16xf32>) {
  // CHECK: mod.rms_norm %{{.*}}, %{{.*}} eps(1.000000e-05) : (tensor<?x?x16xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  %0 = mod.rms_norm %x, %g eps(1.0e-5) : (tensor<?x?x16xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  // CHECK: mod.rms_norm %{{.*}}, %{{.*}} eps(1.000000e-05) into(%{{.*}}) : (tensor<?x?x16xf32>, tensor<16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %1 = mod.rms_norm %x, %g eps(1.0e-5) into(%0) : (tensor<?x?x16xf32>, tensor<16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  // CHECK: mod.rms_norm %{{.*}}, %{{.*}} eps(0.000000e+00) into(%{{.*}}) : (memref<1x8x16xf32>, memref<16xf32>, memref<1x8x16xf32>) -> ()
  mod.rms_norm %m, %gm eps(0.0) into(%m) : (memref<1x8x16xf32>, memref<16xf32>, memref<1x8x16xf32>) -> ()
  return
}

// CHECK-LABEL: func @head_norms
func.func @head_norms(%x: tensor<?x?x16xf32>, %g: tensor<8xf32>) {
  // CHECK: mod.rms_norm %{{.*}}, %{{.*}} eps(1.000000e-05) heads(2) : (tensor<?x?x16xf32>, tensor<8xf32>) -> tensor<?x?x16xf32>
  %0 = mod.rms_norm %x, %g eps(1.0e-5) heads(2) : (tensor<?x?x16xf32>, tensor<8xf32>) -> tensor<?x?x16xf32>
  return
}

// CHECK-LABEL: func @slow_rotations
func.func @slow_rotations(%x: tensor<1x?x16xf32>, %p: tensor<1x?xi32>, %cache: !mod.kv_cache<8x16xf32>) {
  // CHECK: scaling = #mod.rope_scaling<linear, factor = 4.000000e+00>
  %0 = mod.rope %x at(%p) heads(2) theta(1.0e4) {scaling = #mod.rope_scaling<linear, factor = 4.0>} : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  // CHECK: scaling = #mod.rope_scaling<llama3, factor = 8.000000e+00, original = 6.400000e+01, high = 4.000000e+00>
  %1 = mod.rope %x at(%p) heads(2) theta(1.0e4) {scaling = #mod.rope_scaling<llama3, factor = 8.0, original = 64.0, low = 1.0, high = 4.0>} : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  // CHECK: mod.cache_append {{.*}} {scaling = #mod.rope_scaling<yarn, factor = 8.000000e+00, original = 6.400000e+01, high = 3.200000e+01, magnitude = 1.500000e+00>}
  mod.cache_append %cache, %x, %x rotated(%p heads(2) theta(1.0e4)) {scaling = #mod.rope_scaling<yarn, factor = 8.0, original = 64.0, high = 32.0, magnitude = 1.5>} : !mod.kv_cache<8x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>
  return
}

// CHECK-LABEL: func @windows
func.func @windows(%x: tensor<1x?x16xf32>, %cache: !mod.kv_cache<8x16xf32>) {
  // CHECK: mod.attention %{{.*}}, %{{.*}}, %{{.*}} heads(2) kv_heads(2) window(3) :
  %0 = mod.attention %x, %x, %x heads(2) kv_heads(2) window(3) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
  // CHECK: mod.cached_attention %{{.*}} over %{{.*}} heads(2) kv_heads(2) window(3) :
  %1 = mod.cached_attention %x over %cache heads(2) kv_heads(2) window(3) : (tensor<1x?x16xf32>, !mod.kv_cache<8x16xf32>) -> tensor<1x?x16xf32>
  return
}

// CHECK-LABEL: func @windows_of_positions
// CHECK-SAME: !mod.kv_cache<8x16xf32, positions>
func.func @windows_of_positions(%x: tensor<1x?x16xf32>, %r: tensor<1x?xf32>, %cache: !mod.kv_cache<8x16xf32, positions>,
                                %keys: memref<2x1x8x16xf32>, %values: memref<2x1x8x8xf32>, %kept: memref<8xi32>,
                                %k: memref<1x1x16xf32>, %p: memref<1x1xi32>, %n: index) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %own: tensor<1x?xi32>):
    // CHECK: mod.attention %{{.*}}, %{{.*}}, %{{.*}} among(%{{.*}}) heads(2) kv_heads(2) window(3) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    %1 = mod.attention %t, %t, %t among(%own) heads(2) kv_heads(2) window(3) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    // CHECK: mod.cache_append %{{.*}}, %{{.*}}, %{{.*}} at(%{{.*}}) : !mod.kv_cache<8x16xf32, positions>, tensor<1x?x16xf32>, tensor<1x?x16xf32> at tensor<1x?xi32>
    mod.cache_append %cache, %t, %t at(%own) : !mod.kv_cache<8x16xf32, positions>, tensor<1x?x16xf32>, tensor<1x?x16xf32> at tensor<1x?xi32>
    mod.yield %1 : tensor<1x?x16xf32>
  } : tensor<1x?x16xf32>
  // CHECK: mod.append_panels %{{.*}}, %{{.*}} at(%{{.*}}) keeping(%{{.*}} in %{{.*}}) into(%{{.*}}, %{{.*}}) : {{.*}} keeping memref<1x1xi32> in memref<8xi32>
  mod.append_panels %k, %k at(%n) keeping(%p in %kept) into(%keys, %values) : memref<1x1x16xf32>, memref<1x1x16xf32>, memref<2x1x8x16xf32>, memref<2x1x8x8xf32> keeping memref<1x1xi32> in memref<8xi32>
  // CHECK: mod.panel_attention {{.*}} of(%{{.*}}) heads(2) window(3) kept(%{{.*}}) into(%{{.*}}) : {{.*}}, memref<1x1x16xf32> kept memref<8xi32>
  mod.panel_attention %k, %keys, %values of(%n) heads(2) window(3) kept(%kept) into(%k) : memref<1x1x16xf32>, memref<2x1x8x16xf32>, memref<2x1x8x8xf32>, memref<1x1x16xf32> kept memref<8xi32>
  return
}

// CHECK-LABEL: func @linear
func.func @linear(%x: tensor<?x?x16xf32>, %w: tensor<30x16xbf16>, %b: tensor<30xf32>, %packed: tensor<4x16x8xf32>, %i: tensor<?x?x30xf32>,
                  %xm: memref<1x8x16xf32>, %wm: memref<4x16x8xf32>, %bm: memref<30xf32>, %im: memref<1x8x30xf32>) {
  // CHECK: mod.linear %{{.*}}, %{{.*}} : (tensor<?x?x16xf32>, tensor<30x16xbf16>) -> tensor<?x?x30xf32>
  %0 = mod.linear %x, %w : (tensor<?x?x16xf32>, tensor<30x16xbf16>) -> tensor<?x?x30xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} bias(%{{.*}}) : (tensor<?x?x16xf32>, tensor<4x16x8xf32>, tensor<30xf32>) -> tensor<?x?x30xf32>
  %1 = mod.linear %x, %packed bias(%b) : (tensor<?x?x16xf32>, tensor<4x16x8xf32>, tensor<30xf32>) -> tensor<?x?x30xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} into(%{{.*}}) : (tensor<?x?x16xf32>, tensor<4x16x8xf32>, tensor<?x?x30xf32>) -> tensor<?x?x30xf32>
  %2 = mod.linear %x, %packed into(%i) : (tensor<?x?x16xf32>, tensor<4x16x8xf32>, tensor<?x?x30xf32>) -> tensor<?x?x30xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} bias(%{{.*}}) into(%{{.*}}) : (memref<1x8x16xf32>, memref<4x16x8xf32>, memref<30xf32>, memref<1x8x30xf32>) -> ()
  mod.linear %xm, %wm bias(%bm) into(%im) : (memref<1x8x16xf32>, memref<4x16x8xf32>, memref<30xf32>, memref<1x8x30xf32>) -> ()
  return
}

// CHECK-LABEL: func @inverse_rms
func.func @inverse_rms(%x: tensor<1x?x16xf32>, %i: tensor<1x?xi32>, %m: memref<1x8x16xf32>, %o: memref<1x8xf32>) {
  // CHECK: mod.inverse_rms %{{.*}} eps(1.000000e-05) : (tensor<1x?x16xf32>) -> tensor<1x?xf32>
  %0 = mod.inverse_rms %x eps(1.0e-5) : (tensor<1x?x16xf32>) -> tensor<1x?xf32>
  // CHECK: mod.inverse_rms %{{.*}} rows(%{{.*}}) eps(1.000000e-05) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
  %1 = mod.inverse_rms %x rows(%i) eps(1.0e-5) : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
  // CHECK: mod.inverse_rms %{{.*}} eps(0.000000e+00) into(%{{.*}}) : (memref<1x8x16xf32>, memref<1x8xf32>) -> ()
  mod.inverse_rms %m eps(0.0) into(%o) : (memref<1x8x16xf32>, memref<1x8xf32>) -> ()
  return
}

// Clauses stand in the order in which they are applied.

// CHECK-LABEL: func @clauses
func.func @clauses(%x: tensor<1x?x16xf32>, %w: tensor<30x16xf32>, %i: tensor<1x?xi32>, %s: tensor<1x?xf32>, %b: tensor<30xf32>,
                   %a: tensor<1x?x30xf32>, %half: tensor<1x?x15xf32>, %packed: tensor<4x16x8xf32>, %d: tensor<1x32x30xf32>,
                   %r: tensor<1x32xf32>) {
  // CHECK: mod.linear %{{.*}}, %{{.*}} rows(%{{.*}}) row_scales(%{{.*}}) bias(%{{.*}}) plus(%{{.*}}) : (
  %0 = mod.linear %x, %w rows(%i) row_scales(%s) bias(%b) plus(%a)
      : (tensor<1x?x16xf32>, tensor<30x16xf32>, tensor<1x?xi32>, tensor<1x?xf32>, tensor<30xf32>, tensor<1x?x30xf32>) -> tensor<1x?x30xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} bias(%{{.*}}) glu(silu) plus(%{{.*}}) : (
  %1 = mod.linear %x, %packed bias(%b) glu(silu) plus(%half)
      : (tensor<1x?x16xf32>, tensor<4x16x8xf32>, tensor<30xf32>, tensor<1x?x15xf32>) -> tensor<1x?x15xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} accumulate into(%{{.*}}) : (
  %2 = mod.linear %x, %w accumulate into(%a) : (tensor<1x?x16xf32>, tensor<30x16xf32>, tensor<1x?x30xf32>) -> tensor<1x?x30xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} plus(%{{.*}}) gate(sigmoid) by(%{{.*}}) accumulate into(%{{.*}}) at(%{{.*}}) : (
  %3 = mod.linear %x, %w plus(%a) gate(sigmoid) by(%r) accumulate into(%d) at(%i)
      : (tensor<1x?x16xf32>, tensor<30x16xf32>, tensor<1x?x30xf32>, tensor<1x32xf32>, tensor<1x32x30xf32>, tensor<1x?xi32>) -> tensor<1x32x30xf32>
  // CHECK: mod.linear %{{.*}}, %{{.*}} gate(tanh, scale = 5.000000e-01, bias = -1.000000e+00) by(%{{.*}}) into(%{{.*}}) at(%{{.*}}) : (
  %4 = mod.linear %x, %w gate(tanh, scale = 0.5, bias = -1.0) by(%r) into(%d) at(%i)
      : (tensor<1x?x16xf32>, tensor<30x16xf32>, tensor<1x32xf32>, tensor<1x32x30xf32>, tensor<1x?xi32>) -> tensor<1x32x30xf32>
  return
}

// CHECK-LABEL: func @rope
func.func @rope(%x: tensor<?x?x16xf32>, %p: tensor<?x?xi32>, %m: memref<1x8x16xf32>, %pm: memref<1x8xi32>) {
  // CHECK: mod.rope %{{.*}} at(%{{.*}}) heads(2) theta(1.000000e+04) : (tensor<?x?x16xf32>, tensor<?x?xi32>) -> tensor<?x?x16xf32>
  %0 = mod.rope %x at(%p) heads(2) theta(1.0e4) : (tensor<?x?x16xf32>, tensor<?x?xi32>) -> tensor<?x?x16xf32>
  // CHECK: mod.rope %{{.*}} at(%{{.*}}) heads(2) theta(1.000000e+04) into(%{{.*}}) : (tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %1 = mod.rope %x at(%p) heads(2) theta(1.0e4) into(%0) : (tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  // CHECK: mod.rope %{{.*}} at(%{{.*}}) heads(2) theta(5.000000e+05) into(%{{.*}}) : (memref<1x8x16xf32>, memref<1x8xi32>, memref<1x8x16xf32>) -> ()
  mod.rope %m at(%pm) heads(2) theta(5.0e5) into(%m) : (memref<1x8x16xf32>, memref<1x8xi32>, memref<1x8x16xf32>) -> ()
  return
}

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<?x?x16xf32>, %k: tensor<?x?x8xf32>, %v: tensor<?x?x8xf32>, %p: tensor<?x?xi32>,
                     %qm: memref<1x8x16xf32>, %km: memref<1x8x8xf32>, %vm: memref<1x8x8xf32>, %im: memref<1x8x16xf32>) {
  // CHECK: mod.attention %{{.*}}, %{{.*}}, %{{.*}} heads(4) kv_heads(2) : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x16xf32>
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x16xf32>
  // CHECK: mod.attention %{{.*}}, %{{.*}}, %{{.*}} at(%{{.*}}) heads(4) kv_heads(2) window(3) : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?xi32>) -> tensor<?x?x16xf32>
  %2 = mod.attention %q, %k, %v at(%p) heads(4) kv_heads(2) window(3) : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?xi32>) -> tensor<?x?x16xf32>
  // CHECK: mod.attention %{{.*}}, %{{.*}}, %{{.*}} heads(4) kv_heads(2) into(%{{.*}}) : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %1 = mod.attention %q, %k, %v heads(4) kv_heads(2) into(%0) : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  // CHECK: mod.attention %{{.*}}, %{{.*}}, %{{.*}} heads(4) kv_heads(2) into(%{{.*}}) : (memref<1x8x16xf32>, memref<1x8x8xf32>, memref<1x8x8xf32>, memref<1x8x16xf32>) -> ()
  mod.attention %qm, %km, %vm heads(4) kv_heads(2) into(%im) : (memref<1x8x16xf32>, memref<1x8x8xf32>, memref<1x8x8xf32>, memref<1x8x16xf32>) -> ()
  return
}

// CHECK-LABEL: func @router
func.func @router(%x: tensor<?x?x16xf32>, %w: tensor<1x16xf32>, %b: tensor<1xf32>,
                  %xm: memref<1x8x16xf32>, %wm: memref<1x16xf32>, %im: memref<1x8xf32>) {
  // CHECK: mod.router %{{.*}}, %{{.*}} : (tensor<?x?x16xf32>, tensor<1x16xf32>) -> tensor<?x?xf32>
  %0 = mod.router %x, %w : (tensor<?x?x16xf32>, tensor<1x16xf32>) -> tensor<?x?xf32>
  // CHECK: mod.router %{{.*}}, %{{.*}} bias(%{{.*}}) into(%{{.*}}) : (tensor<?x?x16xf32>, tensor<1x16xf32>, tensor<1xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %1 = mod.router %x, %w bias(%b) into(%0) : (tensor<?x?x16xf32>, tensor<1x16xf32>, tensor<1xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  // CHECK: mod.router %{{.*}}, %{{.*}} into(%{{.*}}) : (memref<1x8x16xf32>, memref<1x16xf32>, memref<1x8xf32>) -> ()
  mod.router %xm, %wm into(%im) : (memref<1x8x16xf32>, memref<1x16xf32>, memref<1x8xf32>) -> ()
  return
}

// CHECK-LABEL: func @predictor
func.func @predictor(%x: tensor<?x?x16xf32>, %w0: tensor<4x16xf32>, %b0: tensor<4xf32>, %w2: tensor<1x4xf32>, %b2: tensor<1xf32>,
                     %xm: memref<1x8x16xf32>, %w0m: memref<4x16xf32>, %b0m: memref<4xf32>, %w2m: memref<1x4xf32>, %b2m: memref<1xf32>, %im: memref<1x8xf32>) {
  // CHECK: mod.predictor %{{.*}} : (tensor<?x?x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<?x?xf32>
  %0 = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<?x?x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<?x?xf32>
  // CHECK: mod.predictor %{{.*}} into(%{{.*}}) : ({{.*}}, tensor<?x?xf32>) -> tensor<?x?xf32>
  %1 = mod.predictor %x, %w0, %b0, %w2, %b2 into(%0) : (tensor<?x?x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<1x4xf32>, tensor<1xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  // CHECK: mod.predictor %{{.*}} into(%{{.*}}) : ({{.*}}, memref<1x8xf32>) -> ()
  mod.predictor %xm, %w0m, %b0m, %w2m, %b2m into(%im) : (memref<1x8x16xf32>, memref<4x16xf32>, memref<4xf32>, memref<1x4xf32>, memref<1xf32>, memref<1x8xf32>) -> ()
  return
}

// CHECK-LABEL: func @routed
func.func @routed(%x: tensor<?x?x16xf32>, %r: tensor<?x?xf32>, %l: tensor<?x?xf32>) -> tensor<?x?x16xf32> {
  // CHECK: mod.routed %{{.*}} by(%{{.*}}) select(expert_choice, capacity = 1.250000e-01) gate(sigmoid) causal(predictor, %{{.*}}) {
  // CHECK-NEXT: ^bb0(%[[T:.*]]: tensor<?x?x16xf32>, %{{.*}}: tensor<?x?xi32>):
  // CHECK-NEXT: mod.yield %[[T]] : tensor<?x?x16xf32>
  // CHECK-NEXT: } : tensor<?x?x16xf32>
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.125) gate(sigmoid) causal(predictor, %l) {
  ^bb0(%t: tensor<?x?x16xf32>, %p: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>
  // CHECK: mod.routed %{{.*}} by(%{{.*}}) select(causal, capacity = 256) gate(raw) causal(router) attributes {name = "layer1"} {
  %1 = mod.routed %0 by(%r) select(causal, capacity = 256) gate(raw) causal(router) attributes {name = "layer1"} {
  ^bb0(%t: tensor<?x?x16xf32>, %p: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>
  // CHECK: select(expert_choice, capacity = 1.000000e+00) gate(tanh) causal(always) {
  %2 = mod.routed %1 by(%r) select(expert_choice, capacity = 1.0) gate(tanh) causal(always) {
  ^bb0(%t: tensor<?x?x16xf32>, %p: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>
  // CHECK: gate(none)
  %3 = mod.routed %2 by(%r) select(expert_choice, capacity = 1) gate(none) causal(always) {
  ^bb0(%t: tensor<?x?x16xf32>, %p: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>
  return %3 : tensor<?x?x16xf32>
}

// CHECK-LABEL: func @select
func.func @select(%r: tensor<1x?xf32>, %i: tensor<1x8xi32>, %rm: memref<1x?xf32>, %im: memref<1x8xi32>) {
  // CHECK: mod.select top_k(1.250000e-01) %{{.*}} : (tensor<1x?xf32>) -> (tensor<1x8xi32>, index)
  %0, %n0 = mod.select top_k(0.125) %r : (tensor<1x?xf32>) -> (tensor<1x8xi32>, index)
  // CHECK: mod.select top_k(8) %{{.*}} into(%{{.*}}) : (tensor<1x?xf32>, tensor<1x8xi32>) -> (tensor<1x8xi32>, index)
  %1, %n1 = mod.select top_k(8) %r into(%i) : (tensor<1x?xf32>, tensor<1x8xi32>) -> (tensor<1x8xi32>, index)
  // CHECK: mod.select rest top_k(ceil(1.250000e-01), ties = none, forced) at_least(5.000000e-01) %{{.*}} : (
  %4, %n4 = mod.select rest top_k(ceil(0.125), ties = none, forced) at_least(0.5) %r : (tensor<1x?xf32>) -> (tensor<1x8xi32>, index)
  // CHECK: mod.select top_k(nearest(1.250000e-01)) above(-1.000000e+00) %{{.*}} : (
  %5, %n5 = mod.select top_k(nearest(0.125)) above(-1.0) %r : (tensor<1x?xf32>) -> (tensor<1x8xi32>, index)
  // CHECK: mod.select positive %{{.*}} : (tensor<1x?xf32>) -> (tensor<1x8xi32>, index)
  %2, %n2 = mod.select positive %r : (tensor<1x?xf32>) -> (tensor<1x8xi32>, index)
  // CHECK: mod.select positive %{{.*}} into(%{{.*}}) : (memref<1x?xf32>, memref<1x8xi32>) -> index
  %n3 = mod.select positive %rm into(%im) : (memref<1x?xf32>, memref<1x8xi32>) -> index
  return
}

// CHECK-LABEL: func @gather
func.func @gather(%x: tensor<?x?x16xf32>, %p: tensor<?x?xi32>, %i: tensor<?x4xi32>,
                  %xm: memref<1x8x16xf32>, %i_m: memref<1x?xi32>, %tm: memref<1x?x16xf32>) {
  // CHECK: mod.gather %{{.*}} at(%{{.*}}) : (tensor<?x?x16xf32>, tensor<?x4xi32>) -> tensor<?x4x16xf32>
  %0 = mod.gather %x at(%i) : (tensor<?x?x16xf32>, tensor<?x4xi32>) -> tensor<?x4x16xf32>
  // CHECK: mod.gather %{{.*}} at(%{{.*}}) : (tensor<?x?xi32>, tensor<?x4xi32>) -> tensor<?x4xi32>
  %1 = mod.gather %p at(%i) : (tensor<?x?xi32>, tensor<?x4xi32>) -> tensor<?x4xi32>
  // CHECK: mod.gather %{{.*}} at(%{{.*}}) into(%{{.*}}) : (tensor<?x?x16xf32>, tensor<?x4xi32>, tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  %2 = mod.gather %x at(%i) into(%0) : (tensor<?x?x16xf32>, tensor<?x4xi32>, tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  // CHECK: mod.gather %{{.*}} at(%{{.*}}) into(%{{.*}}) : (memref<1x8x16xf32>, memref<1x?xi32>, memref<1x?x16xf32>) -> ()
  mod.gather %xm at(%i_m) into(%tm) : (memref<1x8x16xf32>, memref<1x?xi32>, memref<1x?x16xf32>) -> ()
  return
}

// CHECK-LABEL: func @scatter
func.func @scatter(%u: tensor<1x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x8xf32>,
                   %um: memref<1x8x16xf32>, %xm: memref<1x8x16xf32>, %rm: memref<1x8xf32>) {
  // CHECK: mod.scatter %{{.*}} into %{{.*}} at(%{{.*}}) gate(sigmoid) by(%{{.*}}) : (tensor<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  %0 = mod.scatter %u into %x at(%i) gate(sigmoid) by(%r) : (tensor<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  // CHECK: mod.scatter %{{.*}} into %{{.*}} gate(none) by(%{{.*}}) : (tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  %1 = mod.scatter %0 into %x gate(none) by(%r) : (tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  // CHECK: mod.scatter %{{.*}} into %{{.*}} gate(raw) by(%{{.*}}) : (memref<1x8x16xf32>, memref<1x8x16xf32>, memref<1x8xf32>) -> ()
  mod.scatter %um into %xm gate(raw) by(%rm) : (memref<1x8x16xf32>, memref<1x8x16xf32>, memref<1x8xf32>) -> ()
  return
}

// CHECK-LABEL: func @cache
func.func @cache(%c: !mod.kv_cache<32x8xf32>, %q: tensor<1x?x16xf32>, %k: tensor<1x?x8xf32>, %v: tensor<1x?x8xf32>, %p: tensor<1x?xi32>,
                 %qm: memref<1x1x16xf32>, %km: memref<1x1x8xf32>, %vm: memref<1x1x8xf32>) {
  // CHECK: mod.cache_append %{{.*}}, %{{.*}}, %{{.*}} : !mod.kv_cache<32x8xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>
  // CHECK: mod.cache_room %{{.*}} : !mod.kv_cache<32x8xf32>
  %room = mod.cache_room %c : !mod.kv_cache<32x8xf32>
  // CHECK: mod.cache_append %{{.*}}, %{{.*}}, %{{.*}} : !mod.kv_cache<32x8xf32>, memref<1x1x8xf32>, memref<1x1x8xf32>
  mod.cache_append %c, %km, %vm : !mod.kv_cache<32x8xf32>, memref<1x1x8xf32>, memref<1x1x8xf32>
  // CHECK: mod.cached_attention %{{.*}} over %{{.*}} heads(4) kv_heads(2) : (tensor<1x?x16xf32>, !mod.kv_cache<32x8xf32>) -> tensor<1x?x16xf32>
  %0 = mod.cached_attention %q over %c heads(4) kv_heads(2) : (tensor<1x?x16xf32>, !mod.kv_cache<32x8xf32>) -> tensor<1x?x16xf32>
  // CHECK: mod.cached_attention %{{.*}} over %{{.*}} heads(4) kv_heads(2) into(%{{.*}}) : (tensor<1x?x16xf32>, !mod.kv_cache<32x8xf32>, tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
  %1 = mod.cached_attention %q over %c heads(4) kv_heads(2) into(%0) : (tensor<1x?x16xf32>, !mod.kv_cache<32x8xf32>, tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
  // CHECK: mod.cached_attention %{{.*}} over %{{.*}} heads(4) kv_heads(2) into(%{{.*}}) : (memref<1x1x16xf32>, !mod.kv_cache<32x8xf32>, memref<1x1x16xf32>) -> ()
  mod.cached_attention %qm over %c heads(4) kv_heads(2) into(%qm) : (memref<1x1x16xf32>, !mod.kv_cache<32x8xf32>, memref<1x1x16xf32>) -> ()
  // CHECK: mod.cached_attention %{{.*}} over %{{.*}} at(%{{.*}}) heads(4) kv_heads(2) : (tensor<1x?x16xf32>, !mod.kv_cache<32x8xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  %2 = mod.cached_attention %q over %c at(%p) heads(4) kv_heads(2) : (tensor<1x?x16xf32>, !mod.kv_cache<32x8xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
  return
}

// CHECK-LABEL: func @temporary_cache
func.func @temporary_cache(%k: tensor<1x?x8xf32>, %p: tensor<1x?xi32>) {
  // CHECK: mod.temporary_cache : !mod.kv_cache<32x8xbf16>
  %c = mod.temporary_cache : !mod.kv_cache<32x8xbf16>
  // CHECK: mod.cache_append %{{.*}}, %{{.*}}, %{{.*}} rotated(%{{.*}} heads(2) theta(1.000000e+04)) : !mod.kv_cache<32x8xbf16>, tensor<1x?x8xf32>, tensor<1x?x8xf32>, tensor<1x?xi32>
  mod.cache_append %c, %k, %k rotated(%p heads(2) theta(1.0e4)) : !mod.kv_cache<32x8xbf16>, tensor<1x?x8xf32>, tensor<1x?x8xf32>, tensor<1x?xi32>
  return
}

// CHECK-LABEL: func @pairs
func.func @pairs(%q: memref<1x1x16xf32>, %k: memref<1x1x8xf32>, %n: index,
                 %keys: memref<2x2x2x16x2xbf16>, %values: memref<2x1x15x8x2xbf16>) {
  // CHECK: mod.append_panels {{.*}} : memref<1x1x8xf32>, memref<1x1x8xf32>, memref<2x2x2x16x2xbf16>, memref<2x1x15x8x2xbf16>
  mod.append_panels %k, %k at(%n) into(%keys, %values) : memref<1x1x8xf32>, memref<1x1x8xf32>, memref<2x2x2x16x2xbf16>, memref<2x1x15x8x2xbf16>
  // CHECK: mod.panel_attention {{.*}} heads(4) into(%{{.*}}) : memref<1x1x16xf32>, memref<2x2x2x16x2xbf16>, memref<2x1x15x8x2xbf16>, memref<1x1x16xf32>
  mod.panel_attention %q, %keys, %values of(%n) heads(4) into(%q) : memref<1x1x16xf32>, memref<2x2x2x16x2xbf16>, memref<2x1x15x8x2xbf16>, memref<1x1x16xf32>
  return
}

// CHECK-LABEL: func @panels
func.func @panels(%q: memref<1x1x16xf32>, %k: memref<1x1x8xf32>, %p: memref<1x1xi32>, %n: index,
                  %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>, %partials: memref<4x3x6xf32>) {
  // CHECK: mod.append_panels %{{.*}}, %{{.*}} at(%{{.*}}) into(%{{.*}}, %{{.*}}) : memref<1x1x8xf32>, memref<1x1x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>
  mod.append_panels %k, %k at(%n) into(%keys, %values) : memref<1x1x8xf32>, memref<1x1x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>
  // CHECK: mod.append_panels %{{.*}}, %{{.*}} at(%{{.*}}) rotated(%{{.*}} theta(1.000000e+04)) into(%{{.*}}, %{{.*}}) : memref<1x1x8xf32>, memref<1x1x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x1xi32>
  mod.append_panels %k, %k at(%n) rotated(%p theta(1.0e4)) into(%keys, %values) : memref<1x1x8xf32>, memref<1x1x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x1xi32>
  // CHECK: mod.panel_attention %{{.*}}, %{{.*}}, %{{.*}} of(%{{.*}}) heads(4) into(%{{.*}}) : memref<1x1x16xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x1x16xf32>
  mod.panel_attention %q, %keys, %values of(%n) heads(4) into(%q) : memref<1x1x16xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x1x16xf32>
  // CHECK: mod.panel_attention %{{.*}} heads(4) partials(%{{.*}}) into(%{{.*}}) : {{.*}}, memref<1x1x16xf32>, memref<4x3x6xf32>
  mod.panel_attention %q, %keys, %values of(%n) heads(4) partials(%partials) into(%q) : memref<1x1x16xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x1x16xf32>, memref<4x3x6xf32>
  // CHECK: mod.panel_attention %{{.*}}, %{{.*}}, %{{.*}} at(%{{.*}}) heads(4) into(%{{.*}}) : {{.*}}, memref<1x1x16xf32> at memref<1x1xi32>
  mod.panel_attention %q, %keys, %values at(%p) heads(4) into(%q) : memref<1x1x16xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x1x16xf32> at memref<1x1xi32>
  return
}

// CHECK-LABEL: func @sample
func.func @sample(%logits: memref<1x8xf32>, %choice: memref<70xf64>, %next: memref<1x1xi32>) {
  // CHECK: mod.sample %{{.*}} by(%{{.*}}) into(%{{.*}}) : memref<1x8xf32>, memref<70xf64>, memref<1x1xi32>
  mod.sample %logits by(%choice) into(%next) : memref<1x8xf32>, memref<70xf64>, memref<1x1xi32>
  return
}

// Every clause of a routed block, and a bypass.

// CHECK-LABEL: func @clauses_of_routed
func.func @clauses_of_routed(%x: tensor<?x?x16xf32>, %p: tensor<?x?xi32>, %r: tensor<?x?xf32>, %l: tensor<?x?xf32>) -> tensor<?x?x16xf32> {
  // CHECK: %[[Z:.*]] = mod.noise %{{.*}} seed(7) : (tensor<?x?xi32>) -> tensor<?x?xf32>
  %z = mod.noise %p seed(7) : (tensor<?x?xi32>) -> tensor<?x?xf32>
  // CHECK: mod.routed %{{.*}} by(%[[Z]]) select(token_choice, capacity = ceil(1.250000e-01), ties = all, forced) gate(tanh, scale = 5.000000e-01, bias = 1.000000e+00) by(%{{.*}}) replace causal(predictor, %{{.*}}, at_least = -5.000000e-01) {
  %y = mod.routed %x by(%z) select(token_choice, capacity = ceil(0.125), ties = all, forced)
      gate(tanh, scale = 0.5, bias = 1.0) by(%r) replace causal(predictor, %l, at_least = -0.5) {
  ^bb0(%t: tensor<?x?x16xf32>, %positions: tensor<?x?xi32>, %s: tensor<?x?xf32>):
    mod.yield %t : tensor<?x?x16xf32>
  // CHECK: } bypass {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x?x16xf32>, %{{.*}}: tensor<?x?xi32>):
  } bypass {
  ^bb0(%t: tensor<?x?x16xf32>, %positions: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>
  // CHECK: causal(router, above = 1.000000e+00, prefill = always) {
  %w = mod.routed %y by(%r) select(causal, capacity = 1.0) gate(none) causal(router, above = 1.0, prefill = always) {
  ^bb0(%t: tensor<?x?x16xf32>, %positions: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>
  return %w : tensor<?x?x16xf32>
}

// CHECK-LABEL: func @sequences
func.func @sequences(%c: !mod.kv_cache<3x32x8xf32>, %t: !mod.trace<3x4x32>, %k: tensor<1x?x8xf32>, %s: tensor<1x?xi32>, %p: tensor<1x?xi32>, %r: tensor<1x?xf32>) -> tensor<1x?x8xf32> {
  // CHECK: mod.cache_append %{{.*}}, %{{.*}}, %{{.*}} of(%{{.*}}) rotated(%{{.*}} heads(2) theta(1.000000e+04)) : !mod.kv_cache<3x32x8xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>, tensor<1x?xi32> of tensor<1x?xi32>
  mod.cache_append %c, %k, %k of(%s) rotated(%p heads(2) theta(1.0e4)) : !mod.kv_cache<3x32x8xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>, tensor<1x?xi32> of tensor<1x?xi32>
  // CHECK: mod.trace_routing 1 scores(%{{.*}}) tested(%{{.*}}) of(%{{.*}}) from %{{.*}} to %{{.*}} : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xi32>, tensor<1x?xi32>, !mod.trace<3x4x32>
  mod.trace_routing 1 scores(%r) tested(%r) of(%s) from %p to %t : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xi32>, tensor<1x?xi32>, !mod.trace<3x4x32>
  // CHECK: mod.cached_attention %{{.*}} over %{{.*}} of(%{{.*}}) heads(2) kv_heads(2) : (tensor<1x?x8xf32>, !mod.kv_cache<3x32x8xf32>, tensor<1x?xi32>) -> tensor<1x?x8xf32>
  %0 = mod.cached_attention %k over %c of(%s) heads(2) kv_heads(2) : (tensor<1x?x8xf32>, !mod.kv_cache<3x32x8xf32>, tensor<1x?xi32>) -> tensor<1x?x8xf32>
  // CHECK: mod.cached_attention %{{.*}} over %{{.*}} of(%{{.*}}) at(%{{.*}}) heads(2) kv_heads(2) :
  %1 = mod.cached_attention %k over %c of(%s) at(%p) heads(2) kv_heads(2) : (tensor<1x?x8xf32>, !mod.kv_cache<3x32x8xf32>, tensor<1x?xi32>, tensor<1x?xi32>) -> tensor<1x?x8xf32>
  return %0 : tensor<1x?x8xf32>
}

// CHECK-LABEL: func @trace_routing
func.func @trace_routing(%r: tensor<1x?xf32>, %l: tensor<1x?xf32>, %i: tensor<1x?xi32>, %s: index, %trace: !mod.trace<4x32>,
                         %rm: memref<1x1xf32>, %i_m: memref<1x1xi32>) {
  // CHECK: mod.trace_routing 3 scores(%{{.*}}) tested(%{{.*}}) selected(%{{.*}}) to %{{.*}} : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xi32>, !mod.trace<4x32>
  mod.trace_routing 3 scores(%r) tested(%l) selected(%i) to %trace : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xi32>, !mod.trace<4x32>
  // CHECK: mod.trace_routing 0 scores(%{{.*}}) tested(%{{.*}}) passing(at_least(5.000000e-01)) to %{{.*}} : tensor<1x?xf32>
  mod.trace_routing 0 scores(%r) tested(%l) passing(at_least(0.5)) to %trace : tensor<1x?xf32>, tensor<1x?xf32>, !mod.trace<4x32>
  // CHECK: mod.trace_routing 0 scores(%{{.*}}) tested(%{{.*}}) from %{{.*}} to %{{.*}} : tensor<1x?xf32>, tensor<1x?xf32>, index, !mod.trace<4x32>
  mod.trace_routing 0 scores(%r) tested(%l) from %s to %trace : tensor<1x?xf32>, tensor<1x?xf32>, index, !mod.trace<4x32>
  // CHECK: mod.trace_routing 0 scores(%{{.*}}) tested(%{{.*}}) selected(%{{.*}}) from %{{.*}} to %{{.*}} : memref<1x1xf32>, memref<1x1xf32>, memref<1x1xi32>, index, !mod.trace<4x32>
  mod.trace_routing 0 scores(%rm) tested(%rm) selected(%i_m) from %s to %trace : memref<1x1xf32>, memref<1x1xf32>, memref<1x1xi32>, index, !mod.trace<4x32>
  return
}

// CHECK-LABEL: func @narrow
func.func @narrow(%x: tensor<1x?x33xf32>, %i: tensor<1x?xi32>, %w: tensor<20x33xi8>, %s: tensor<20xf32>, %g: tensor<20x2xf32>,
                  %p: tensor<2x2x4x16xi32>, %ps: tensor<2x2x16xf32>, %h: tensor<2x17x16x2xbf16>, %v: tensor<2x10x16x4xi8>) {
  // CHECK: mod.row_scales %{{.*}} to(127) : (tensor<1x?x33xf32>) -> tensor<1x?xf32>
  %r = mod.row_scales %x to(127) : (tensor<1x?x33xf32>) -> tensor<1x?xf32>
  // CHECK: mod.row_scales %{{.*}} rows(%{{.*}}) to(32767) : (tensor<1x?x33xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
  %rr = mod.row_scales %x rows(%i) to(32767) : (tensor<1x?x33xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
  // CHECK: mod.quantize %{{.*}} by(%{{.*}}) : (tensor<1x?x33xf32>, tensor<1x?xf32>) -> tensor<1x?x33xi16>
  %q = mod.quantize %x by(%r) : (tensor<1x?x33xf32>, tensor<1x?xf32>) -> tensor<1x?x33xi16>
  // CHECK: mod.quantize %{{.*}} rows(%{{.*}}) by(%{{.*}}) : (tensor<1x?x33xf32>, tensor<1x?xi32>, tensor<1x?xf32>) -> tensor<1x?x64xi16>
  %qr = mod.quantize %x rows(%i) by(%rr) : (tensor<1x?x33xf32>, tensor<1x?xi32>, tensor<1x?xf32>) -> tensor<1x?x64xi16>
  // CHECK: mod.quantize %{{.*}} : (tensor<1x?x33xf32>) -> tensor<1x?x34xbf16>
  %b = mod.quantize %x : (tensor<1x?x33xf32>) -> tensor<1x?x34xbf16>
  %q8 = mod.quantize %x by(%r) : (tensor<1x?x33xf32>, tensor<1x?xf32>) -> tensor<1x?x36xi8>
  // CHECK: mod.linear %{{.*}}, %{{.*}} scales(%{{.*}}) row_scales(%{{.*}}) : (tensor<1x?x33xi16>, tensor<20x33xi8>, tensor<20xf32>, tensor<1x?xf32>) -> tensor<1x?x20xf32>
  %0 = mod.linear %q, %w scales(%s) row_scales(%r) : (tensor<1x?x33xi16>, tensor<20x33xi8>, tensor<20xf32>, tensor<1x?xf32>) -> tensor<1x?x20xf32>
  // CHECK: (tensor<1x?x33xi16>, tensor<20x33xi8>, tensor<20x2xf32>) -> tensor<1x?x20xf32>
  %1 = mod.linear %q, %w scales(%g) : (tensor<1x?x33xi16>, tensor<20x33xi8>, tensor<20x2xf32>) -> tensor<1x?x20xf32>
  // CHECK: (tensor<1x?x64xi16>, tensor<2x2x4x16xi32>, tensor<2x2x16xf32>) -> tensor<1x?x20xf32>
  %2 = mod.linear %qr, %p scales(%ps) : (tensor<1x?x64xi16>, tensor<2x2x4x16xi32>, tensor<2x2x16xf32>) -> tensor<1x?x20xf32>
  // CHECK: (tensor<1x?x34xbf16>, tensor<2x17x16x2xbf16>) -> tensor<1x?x20xf32>
  %3 = mod.linear %b, %h : (tensor<1x?x34xbf16>, tensor<2x17x16x2xbf16>) -> tensor<1x?x20xf32>
  // CHECK: (tensor<1x?x33xf32>, tensor<2x17x16x2xbf16>) -> tensor<1x?x20xf32>
  %4 = mod.linear %x, %h : (tensor<1x?x33xf32>, tensor<2x17x16x2xbf16>) -> tensor<1x?x20xf32>
  // CHECK: (tensor<1x?x36xi8>, tensor<2x10x16x4xi8>, tensor<20xf32>) -> tensor<1x?x20xf32>
  %5 = mod.linear %q8, %v scales(%s) : (tensor<1x?x36xi8>, tensor<2x10x16x4xi8>, tensor<20xf32>) -> tensor<1x?x20xf32>
  return
}

// Blocks say who took part in them.

// CHECK-LABEL: func @members
func.func @members(%x: tensor<?x?x16xf32>, %r: tensor<?x?xf32>, %i: tensor<1x?xi32>, %m: tensor<1x?xf32>, %i_m: memref<1x?xi32>, %into: memref<1x?xf32>) -> tensor<?x?xf32> {
  // CHECK: %{{.*}}, %[[M:.*]] = mod.routed %{{.*}} by(%{{.*}}) select(expert_choice, capacity = 5.000000e-01) gate(none) causal(router, above = 1.000000e+00) members {
  // CHECK: } : tensor<?x?x16xf32>
  %y, %members = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(none) causal(router, above = 1.0) members {
  ^bb0(%t: tensor<?x?x16xf32>, %p: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>
  // CHECK: mod.members %{{.*}} into(%{{.*}}) : (tensor<1x?xi32>, tensor<1x?xf32>) -> tensor<1x?xf32>
  %0 = mod.members %i into(%m) : (tensor<1x?xi32>, tensor<1x?xf32>) -> tensor<1x?xf32>
  // CHECK: mod.members %{{.*}} into(%{{.*}}) : (memref<1x?xi32>, memref<1x?xf32>) -> ()
  mod.members %i_m into(%into) : (memref<1x?xi32>, memref<1x?xf32>) -> ()
  // CHECK: return %[[M]]
  return %members : tensor<?x?xf32>
}

// CHECK-LABEL: func @pool
func.func @pool(%r: tensor<?x?xf32>, %rm: memref<1x?xf32>) -> tensor<?x?xf32> {
  // CHECK: mod.pool mean %{{.*}} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %0 = mod.pool mean %r : (tensor<?x?xf32>) -> tensor<?x?xf32>
  // CHECK: mod.pool first %{{.*}} into(%{{.*}}) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %1 = mod.pool first %0 into(%r) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  // CHECK: mod.pool last %{{.*}} into(%{{.*}}) : (memref<1x?xf32>, memref<1x?xf32>) -> ()
  mod.pool last %rm into(%rm) : (memref<1x?xf32>, memref<1x?xf32>) -> ()
  return %1 : tensor<?x?xf32>
}

// CHECK-LABEL: func @latch
func.func @latch(%r: tensor<1x?xf32>, %one: !mod.latch<1>, %all: !mod.latch<3>, %start: index, %s: tensor<1x?xi32>, %p: tensor<1x?xi32>, %rm: memref<1x?xf32>) {
  // CHECK: mod.latch %{{.*}} in %{{.*}} from %{{.*}} : (tensor<1x?xf32>, !mod.latch<1>, index) -> tensor<1x?xf32>
  %0 = mod.latch %r in %one from %start : (tensor<1x?xf32>, !mod.latch<1>, index) -> tensor<1x?xf32>
  // CHECK: mod.latch %{{.*}} in %{{.*}} of(%{{.*}}) from %{{.*}} : (tensor<1x?xf32>, !mod.latch<3>, tensor<1x?xi32>, tensor<1x?xi32>) -> tensor<1x?xf32>
  %1 = mod.latch %r in %all of(%s) from %p : (tensor<1x?xf32>, !mod.latch<3>, tensor<1x?xi32>, tensor<1x?xi32>) -> tensor<1x?xf32>
  // CHECK: mod.latch %{{.*}} in %{{.*}} from %{{.*}} into(%{{.*}}) : (memref<1x?xf32>, !mod.latch<1>, index, memref<1x?xf32>) -> ()
  mod.latch %rm in %one from %start into(%rm) : (memref<1x?xf32>, !mod.latch<1>, index, memref<1x?xf32>) -> ()
  return
}

// Regions may share what holds no tokens, such as what CSE takes out of them.

// CHECK-LABEL: func @shared_init
func.func @shared_init(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) -> tensor<1x8x16xf32> {
  %init = tensor.empty() : tensor<1x8x16xf32>
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 8) gate(none) causal(always) {
  ^bb0(%t: tensor<1x8x16xf32>, %p: tensor<1x8xi32>):
    %q = linalg.map { math.tanh } ins(%t : tensor<1x8x16xf32>) outs(%init : tensor<1x8x16xf32>)
    // CHECK: mod.attention
    %a = mod.attention %q, %q, %q heads(2) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8x16xf32>) -> tensor<1x8x16xf32>
    mod.yield %a : tensor<1x8x16xf32>
  } : tensor<1x8x16xf32>
  return %y : tensor<1x8x16xf32>
}
