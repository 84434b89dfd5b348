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

func.func @cache_append(%c: !mod.kv_cache<32x8xbf16>, %k: tensor<1x4x8xf32>, %v: tensor<1x4x8xf32>) {
  // expected-error @below {{key has elements of 'f32', expected 'bf16'}}
  mod.cache_append %c, %k, %v : !mod.kv_cache<32x8xbf16>, tensor<1x4x8xf32>, tensor<1x4x8xf32>
  return
}

// -----

func.func @cache_append(%c: !mod.kv_cache<32x8xf32>, %k: tensor<1x4x8xf32>, %v: tensor<1x4x8xbf16>) {
  // expected-error @below {{value has elements of 'bf16', expected 'f32'}}
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

func.func @cached_attention(%q: tensor<1x4x16xf32>, %c: !mod.kv_cache<32x8xbf16>) {
  // expected-error @below {{query has elements of 'f32', expected 'bf16'}}
  %0 = mod.cached_attention %q over %c heads(4) kv_heads(2) : (tensor<1x4x16xf32>, !mod.kv_cache<32x8xbf16>) -> tensor<1x4x16xf32>
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

// expected-error @below {{expected two dimensions}}
func.func private @type(!mod.trace<4x32x8>)
