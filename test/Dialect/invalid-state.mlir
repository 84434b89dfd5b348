// RUN: mod-opt %s --split-input-file --verify-diagnostics

// One case for each error of caches and traces.

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %v: memref<1x4x8xf32>) {
  // expected-error @below {{mixes tensors and memrefs}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, memref<1x4x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %v: tensor<1x5x8xf32>) {
  // expected-error @below {{value has 5 in dimension 1, expected 4}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x5x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<3x8xf32>, %k: tensor<1x4x8xf32>, %v: tensor<1x4x8xf32>) {
  // expected-error @below {{key has 4 tokens, the cache holds 3}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<3x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<2x4x8xf32>, %v: tensor<2x4x8xf32>) {
  // expected-error @below {{key has 2 in dimension 0, expected 1}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf64>, %k: tensor<1x4x8xf32>, %v: tensor<1x4x8xf32>) {
  // expected-error @below {{key has elements of 'f32', which cannot be kept as 'f64'}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf64>, tensor<1x4x8xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %v: tensor<1x4x8xbf16>) {
  // expected-error @below {{value has elements of 'bf16', which cannot be kept as 'f32'}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xbf16>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x16xf32>, %v: tensor<1x4x8xf32>) {
  // expected-error @below {{key has 16 in dimension 2, expected 8}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf32>, tensor<1x4x16xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %v: tensor<1x4x16xf32>) {
  // expected-error @below {{value has 16 in dimension 2, expected 8}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x16xf32>
  return
}

// -----

func.func @cached_attention(%q: tensor<1x33x16xf32>, %c: !mod.kv_cache<32x8xf32>) {
  // expected-error @below {{query has 33 tokens, the cache holds 32}}
  %0 = mod.cached_attention %q over %c heads(4) kv_heads(2) : (tensor<1x33x16xf32>, !mod.kv_cache<32x8xf32>) -> tensor<1x33x16xf32>
  return
}

// -----

func.func @cached_attention(%q: tensor<2x4x16xf32>, %c: !mod.kv_cache<32x8xf32>) {
  // expected-error @below {{query has 2 in dimension 0, expected 1}}
  %0 = mod.cached_attention %q over %c heads(4) kv_heads(2) : (tensor<2x4x16xf32>, !mod.kv_cache<32x8xf32>) -> tensor<2x4x16xf32>
  return
}

// -----

func.func @cached_attention(%q: tensor<1x4x16xf32>, %c: !mod.kv_cache<32x8xf64>) {
  // expected-error @below {{query has elements of 'f32', which cannot be kept as 'f64'}}
  %0 = mod.cached_attention %q over %c heads(4) kv_heads(2) : (tensor<1x4x16xf32>, !mod.kv_cache<32x8xf64>) -> tensor<1x4x16xf32>
  return
}

// -----

func.func @cached_attention(%q: tensor<1x4x16xf32>, %c: !mod.kv_cache<32x8xf32>) {
  // expected-error @below {{key has width 8, expected 4 heads of 4}}
  %0 = mod.cached_attention %q over %c heads(4) kv_heads(4) : (tensor<1x4x16xf32>, !mod.kv_cache<32x8xf32>) -> tensor<1x4x16xf32>
  return
}

// -----

func.func @cached_attention(%q: tensor<1x4x16xf32>, %c: !mod.kv_cache<32x8xf32>) {
  // expected-error @below {{gives values like 'tensor<1x4x16xf32>', not 'tensor<1x4x8xf32>'}}
  %0 = mod.cached_attention %q over %c heads(4) kv_heads(2) : (tensor<1x4x16xf32>, !mod.kv_cache<32x8xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @cached_attention(%q: tensor<1x4x16xf32>, %c: !mod.kv_cache<32x8xf32>, %p: tensor<1x5xi32>) {
  // expected-error @below {{positions has 5 in dimension 1, expected 4}}
  %0 = mod.cached_attention %q over %c at(%p) heads(4) kv_heads(2) : (tensor<1x4x16xf32>, !mod.kv_cache<32x8xf32>, tensor<1x5xi32>) -> tensor<1x4x16xf32>
  return
}

// -----

func.func @trace_routing(%s: tensor<1x8xf32>, %t: tensor<1x8xf32>, %i: tensor<1x4xi32>, %trace: !mod.trace<4x32>) {
  // expected-error @below {{ordinal 4 is not a row of '!mod.trace<4x32>'}}
  mod.trace_routing 4 scores(%s) tested(%t) selected(%i) to %trace : tensor<1x8xf32>, tensor<1x8xf32>, tensor<1x4xi32>, !mod.trace<4x32>
  return
}

// -----

func.func @trace_routing(%s: tensor<1x8xf32>, %t: tensor<1x8xf32>, %i: memref<1x4xi32>, %trace: !mod.trace<4x32>) {
  // expected-error @below {{mixes tensors and memrefs}}
  mod.trace_routing 0 scores(%s) tested(%t) selected(%i) to %trace : tensor<1x8xf32>, tensor<1x8xf32>, memref<1x4xi32>, !mod.trace<4x32>
  return
}

// -----

func.func @trace_routing(%s: tensor<2x8xf32>, %t: tensor<2x8xf32>, %i: tensor<1x4xi32>, %trace: !mod.trace<4x32>) {
  // expected-error @below {{scores has 2 in dimension 0, expected 1}}
  mod.trace_routing 0 scores(%s) tested(%t) selected(%i) to %trace : tensor<2x8xf32>, tensor<2x8xf32>, tensor<1x4xi32>, !mod.trace<4x32>
  return
}

// -----

func.func @trace_routing(%s: tensor<1x8xf32>, %t: tensor<1x4xf32>, %i: tensor<1x4xi32>, %trace: !mod.trace<4x32>) {
  // expected-error @below {{tested has 4 in dimension 1, expected 8}}
  mod.trace_routing 0 scores(%s) tested(%t) selected(%i) to %trace : tensor<1x8xf32>, tensor<1x4xf32>, tensor<1x4xi32>, !mod.trace<4x32>
  return
}

// -----

func.func @trace_routing(%s: tensor<1x8xf32>, %t: tensor<1x8xf32>, %i: tensor<2x4xi32>, %trace: !mod.trace<4x32>) {
  // expected-error @below {{selected has 2 in dimension 0, expected 1}}
  mod.trace_routing 0 scores(%s) tested(%t) selected(%i) to %trace : tensor<1x8xf32>, tensor<1x8xf32>, tensor<2x4xi32>, !mod.trace<4x32>
  return
}

// -----

// expected-error @below {{expected two dimensions}}
func.func private @type(!mod.kv_cache<32xf32>)

// -----

// expected-error @below {{a cache needs a positive length and width}}
func.func private @type(!mod.kv_cache<0x8xf32>)

// -----

// expected-error @below {{a cache holds floats, not 'i32'}}
func.func private @type(!mod.kv_cache<32x8xi32>)

// -----

// expected-error @below {{expected two dimensions, or three where there are several sequences}}
func.func private @type(!mod.trace<2x4x32x8>)

// -----

// expected-error @below {{a cache is of one sequence or more}}
func.func private @type(!mod.kv_cache<0x32x8xf32>)

// -----

func.func @cache_append(%c: !mod.kv_cache<3x32x8xf32>, %k: tensor<1x2x8xf32>) {
  // expected-error @below {{needs the sequence of each token, one of 3}}
  mod.cache_append %c, %k, %k : !mod.kv_cache<3x32x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<3x32x8xf32>, %k: tensor<1x4x8xf32>, %s: tensor<1x4xi32>) {
  // expected-error @below {{key has 4 tokens, the cache holds 3}}
  mod.cache_append %c, %k, %k of(%s) : !mod.kv_cache<3x32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> of tensor<1x4xi32>
  return
}

// -----

func.func @cached_attention(%c: !mod.kv_cache<3x32x8xf32>, %q: tensor<1x2x8xf32>, %s: tensor<1x3xi32>) {
  // expected-error @below {{sequences has 3 in dimension 1, expected 2}}
  mod.cached_attention %q over %c of(%s) heads(2) kv_heads(2) : (tensor<1x2x8xf32>, !mod.kv_cache<3x32x8xf32>, tensor<1x3xi32>) -> tensor<1x2x8xf32>
  return
}

// -----

func.func @trace_routing(%r: tensor<1x2xf32>, %s: tensor<1x2xi32>, %start: index, %trace: !mod.trace<3x4x32>) {
  // expected-error @below {{takes the position of each token if and only if it takes its sequence}}
  mod.trace_routing 0 scores(%r) tested(%r) of(%s) from %start to %trace : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xi32>, index, !mod.trace<3x4x32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %p: tensor<1x3xi32>) {
  // expected-error @below {{positions has 3 in dimension 1, expected 4}}
  mod.cache_append %c, %k, %k rotated(%p heads(2) theta(1.0e4)) : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x3xi32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %p: tensor<1x4xi32>) {
  // expected-error @below {{rotates pairs, but a head has 1 elements}}
  mod.cache_append %c, %k, %k rotated(%p heads(8) theta(1.0e4)) : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4xi32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %p: tensor<1x4xi32>) {
  // expected-error @below {{theta must be positive}}
  mod.cache_append %c, %k, %k rotated(%p heads(2) theta(0.0)) : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4xi32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>) {
  // expected-error @below {{rotates keys with positions, heads and theta only}}
  mod.cache_append %c, %k, %k {theta = 1.0e4} : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %n: index, %keys: memref<3x2x4x16xf32>, %values: memref<3x1x30x8xf32>) {
  // expected-error @below {{key has 8 in dimension 2, expected 12}}
  mod.append_panels %k, %k at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<3x2x4x16xf32>, memref<3x1x30x8xf32>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x33x8xf32>) {
  // expected-error @below {{panels of values 'memref<2x1x33x8xf32>' do not fit those of keys 'memref<2x2x4x16xf32>'}}
  mod.append_panels %k, %k at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x33x8xf32>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x2x16x2xbf16>, %values: memref<2x1x30x8xbf16>) {
  // expected-error @below {{panels of keys 'memref<2x2x2x16x2xbf16>' and of values 'memref<2x1x30x8xbf16>' must both lie in pairs, or neither}}
  mod.append_panels %k, %k at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<2x2x2x16x2xbf16>, memref<2x1x30x8xbf16>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x1x16x4xbf16>, %values: memref<2x1x8x8x4xbf16>) {
  // expected-error @below {{must both lie in pairs, or neither}}
  mod.append_panels %k, %k at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<2x2x1x16x4xbf16>, memref<2x1x8x8x4xbf16>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %n: index, %keys: memref<2x?x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{panels must have a static shape}}
  mod.append_panels %k, %k at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<2x?x4x16xf32>, memref<2x1x30x8xf32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %n: index, %p: memref<1x4xi32>, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{takes the number of tokens or the position of each query}}
  mod.panel_attention %q, %keys, %values of(%n) at(%p) heads(2) into(%q) : memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x8xf32> at memref<1x4xi32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %p: memref<1x3xi32>, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{positions has 3 in dimension 1, expected 4}}
  mod.panel_attention %q, %keys, %values at(%p) heads(2) into(%q) : memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x8xf32> at memref<1x3xi32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x12xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{3 heads cannot share 2 key and value heads evenly}}
  mod.panel_attention %q, %keys, %values of(%n) heads(3) into(%q) : memref<1x4x12xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x12xf32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>, %p: memref<2x3x5xf32>) {
  // expected-error @below {{partials has 5 in dimension 2, expected 6}}
  mod.panel_attention %q, %keys, %values of(%n) heads(2) partials(%p) into(%q) : memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x8xf32>, memref<2x3x5xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %p: tensor<1x4xi32>) {
  // expected-error @below {{key of width 8 cannot be cut into 3 heads}}
  mod.cache_append %c, %k, %k rotated(%p heads(3) theta(1.0e4)) : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4xi32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>) {
  // expected-error @below {{rotates keys with positions, heads and theta only}}
  mod.cache_append %c, %k, %k {scaling = #mod.rope_scaling<linear, factor = 2.0>} : !mod.kv_cache<32x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %v: memref<1x5x8xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{value has 5 in dimension 1, expected 4}}
  mod.append_panels %k, %v at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x5x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %v: memref<1x4x6xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{value has 6 in dimension 2, expected 8}}
  mod.append_panels %k, %v at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x6xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %v: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x4x16xf64>, %values: memref<2x1x30x8xf64>) {
  // expected-error @below {{key has elements of 'f32', which cannot be kept as 'f64'}}
  mod.append_panels %k, %v at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<2x2x4x16xf64>, memref<2x1x30x8xf64>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %v: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<3x1x30x8xf32>) {
  // expected-error @below {{values has 3 in dimension 0, expected 2}}
  mod.append_panels %k, %v at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<3x1x30x8xf32>
  return
}

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %v: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xbf16>) {
  // expected-error @below {{values has elements of 'bf16', expected 'f32'}}
  mod.append_panels %k, %v at(%n) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xbf16>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x9xf32>, %into: memref<1x4x9xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{query of width 9 cannot be cut into 2 heads}}
  mod.panel_attention %q, %keys, %values of(%n) heads(2) into(%into) : memref<1x4x9xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x9xf32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x12xf32>, %into: memref<1x4x12xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{query has 12 in dimension 2, expected 8}}
  mod.panel_attention %q, %keys, %values of(%n) heads(2) into(%into) : memref<1x4x12xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x12xf32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %into: memref<1x5x8xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{into has 5 in dimension 1, expected 4}}
  mod.panel_attention %q, %keys, %values of(%n) heads(2) into(%into) : memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x5x8xf32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %into: memref<1x4x6xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>) {
  // expected-error @below {{into has 6 in dimension 2, expected 8}}
  mod.panel_attention %q, %keys, %values of(%n) heads(2) into(%into) : memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x6xf32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %into: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x4x16xf32>, %values: memref<2x1x30x8xf32>, %p: memref<3x3x6xf32>) {
  // expected-error @below {{partials has 3 in dimension 0, expected 2}}
  mod.panel_attention %q, %keys, %values of(%n) heads(2) partials(%p) into(%into) : memref<1x4x8xf32>, memref<2x2x4x16xf32>, memref<2x1x30x8xf32>, memref<1x4x8xf32>, memref<3x3x6xf32>
  return
}

// -----

func.func @trace_routing(%r: tensor<1x2xf32>, %s: tensor<1x2xi32>, %start: tensor<1x3xi32>, %trace: !mod.trace<3x4x32>) {
  // expected-error @below {{start has 3 in dimension 1, expected 2}}
  mod.trace_routing 0 scores(%r) tested(%r) of(%s) from %start to %trace : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xi32>, tensor<1x3xi32>, !mod.trace<3x4x32>
  return
}

// -----

func.func @trace_routing(%r: tensor<1x2xf32>, %start: index, %trace: !mod.trace<3x4x32>) {
  // expected-error @below {{needs the sequence of each token, one of 3}}
  mod.trace_routing 0 scores(%r) tested(%r) from %start to %trace : tensor<1x2xf32>, tensor<1x2xf32>, index, !mod.trace<3x4x32>
  return
}

// -----

// expected-error @below {{a latch is of one sequence or more}}
func.func private @latch(!mod.latch<0>)

// -----

func.func @latch(%r: tensor<2x4xf32>, %latch: !mod.latch<1>, %start: index) {
  // expected-error @below {{scores has 2 in dimension 0, expected 1}}
  %0 = mod.latch %r in %latch from %start : (tensor<2x4xf32>, !mod.latch<1>, index) -> tensor<2x4xf32>
  return
}

// -----

func.func @latch(%r: tensor<1x4xf32>, %latch: !mod.latch<3>, %start: index) {
  // expected-error @below {{needs the sequence of each token, one of 3}}
  %0 = mod.latch %r in %latch from %start : (tensor<1x4xf32>, !mod.latch<3>, index) -> tensor<1x4xf32>
  return
}

// -----

func.func @latch(%r: tensor<1x4xf32>, %latch: !mod.latch<3>, %s: tensor<1x4xi32>, %start: index) {
  // expected-error @below {{takes the position of each token if and only if it takes its sequence}}
  %0 = mod.latch %r in %latch of(%s) from %start : (tensor<1x4xf32>, !mod.latch<3>, tensor<1x4xi32>, index) -> tensor<1x4xf32>
  return
}

// -----

func.func @latch(%r: tensor<1x4xf32>, %latch: !mod.latch<3>, %s: tensor<1x4xi32>, %p: tensor<1x5xi32>) {
  // expected-error @below {{start has 5 in dimension 1, expected 4}}
  %0 = mod.latch %r in %latch of(%s) from %p : (tensor<1x4xf32>, !mod.latch<3>, tensor<1x4xi32>, tensor<1x5xi32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @latch(%r: tensor<1x4xf32>, %latch: !mod.latch<1>, %start: index) {
  // expected-error @below {{gives values like 'tensor<1x4xf32>', not 'tensor<1x5xf32>'}}
  %0 = mod.latch %r in %latch from %start : (tensor<1x4xf32>, !mod.latch<1>, index) -> tensor<1x5xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32, positions>, %k: tensor<1x4x8xf32>) {
  // expected-error @below {{takes positions of its rows if and only if they are kept}}
  mod.cache_append %c, %k, %k : !mod.kv_cache<32x8xf32, positions>, tensor<1x4x8xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32, positions>, %k: tensor<1x4x8xf32>, %p: tensor<1x5xi32>) {
  // expected-error @below {{row_positions has 5 in dimension 1, expected 4}}
  mod.cache_append %c, %k, %k at(%p) : !mod.kv_cache<32x8xf32, positions>, tensor<1x4x8xf32>, tensor<1x4x8xf32> at tensor<1x5xi32>
  return
}

// -----

func.func @cached_attention(%q: tensor<1x4x8xf32>, %c: !mod.kv_cache<32x8xf32, positions>, %p: tensor<1x4xi32>) {
  // expected-error @below {{at positions needs a row for each token, but the cache has some of them}}
  %0 = mod.cached_attention %q over %c at(%p) heads(1) kv_heads(1) : (tensor<1x4x8xf32>, !mod.kv_cache<32x8xf32, positions>, tensor<1x4xi32>) -> tensor<1x4x8xf32>
  return
}

// -----

// expected-error @below {{expected 'positions'}}
func.func private @cache(!mod.kv_cache<32x8xf32, places>)

// -----

func.func @append_panels(%k: memref<1x4x8xf32>, %keys: memref<1x2x8x16xf32>, %values: memref<1x1x32x16xf32>, %first: index, %p: memref<1x4xi32>, %kept: memref<31xi32>) {
  // expected-error @below {{has 'memref<31xi32>' for the positions of 32 tokens}}
  mod.append_panels %k, %k at(%first) keeping(%p in %kept) into(%keys, %values) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<1x2x8x16xf32>, memref<1x1x32x16xf32> keeping memref<1x4xi32> in memref<31xi32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %keys: memref<1x2x8x16xf32>, %values: memref<1x1x32x16xf32>, %count: index, %kept: memref<31xi32>) {
  // expected-error @below {{has 'memref<31xi32>' for the positions of 32 tokens}}
  mod.panel_attention %q, %keys, %values of(%count) heads(1) window(3) kept(%kept) into(%q) : memref<1x4x8xf32>, memref<1x2x8x16xf32>, memref<1x1x32x16xf32>, memref<1x4x8xf32> kept memref<31xi32>
  return
}

// -----

func.func @panel_attention(%q: memref<1x4x8xf32>, %keys: memref<1x2x8x16xf32>, %values: memref<1x1x32x16xf32>, %count: index, %kept: memref<32xi32>) {
  // expected-error @below {{asks for positions of keys with a window of the last tokens only}}
  mod.panel_attention %q, %keys, %values of(%count) heads(1) kept(%kept) into(%q) : memref<1x4x8xf32>, memref<1x2x8x16xf32>, memref<1x1x32x16xf32>, memref<1x4x8xf32> kept memref<32xi32>
  return
}

// -----

func.func @cache(%k: tensor<1x4x8xf32>) {
  // expected-error @below {{operand #0 must be keys and values of the tokens that one attention has seen}}
  "mod.cache_append"(%k, %k, %k) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>}> : (tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> ()
  return
}

// -----

func.func @panels(%k: memref<1x4x8xf32>, %first: index) {
  // expected-error @below {{operand #3 must be 4D/5D memref of floating-point values}}
  mod.append_panels %k, %k at(%first) into(%k, %k) : memref<1x4x8xf32>, memref<1x4x8xf32>, memref<1x4x8xf32>, memref<1x4x8xf32>
  return
}
