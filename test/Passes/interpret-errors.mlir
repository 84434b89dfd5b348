// RUN: mod-opt %s --split-input-file --mod-interpret=function=f --verify-diagnostics

func.func @f() -> index {
  %c = arith.constant 7 : index
  // expected-error @below {{the interpreter does not know 'arith.remsi'}}
  %0 = arith.remsi %c, %c : index
  return %0 : index
}

// -----

// expected-error @below {{the interpreter has no value for argument 0 of type 'f32'}}
func.func @f(%x: f32) {
  return
}

// -----

// expected-error @below {{takes 1 to 4 tokens, but is given 0}}
func.func @f(%x: tensor<1x4xi32>) {
  return
}

// -----

// expected-error @below {{takes 1 to 1 tokens, but is given 0}}
func.func @f(%x: tensor<1x1xi32>, %start: index {mod.role = "start"}) {
  return
}

// -----

ml_program.global private @g(#ml_program.extern : tensor<4xf32>) : tensor<4xf32>
func.func @f() {
  // expected-error @below {{the interpreter needs a value for this constant}}
  %0 = ml_program.global_load_const @g : tensor<4xf32>
  return
}

// -----

func.func @f(%cache: !mod.kv_cache<1x2xf32>) {
  %k = arith.constant dense<1.0> : tensor<1x1x2xf32>
  mod.cache_append %cache, %k, %k : !mod.kv_cache<1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  // expected-error @below {{the cache holds 1 rows}}
  mod.cache_append %cache, %k, %k : !mod.kv_cache<1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  return
}

// -----

// expected-error @below {{has no function 'f'}}
module {
}

// -----

func.func @f(%latch: !mod.latch<1>) -> tensor<1x1xf32> {
  %r = arith.constant dense<1.0> : tensor<1x1xf32>
  %one = arith.constant 1 : index
  // expected-error @below {{the sequence did not begin here}}
  %0 = mod.latch %r in %latch from %one : (tensor<1x1xf32>, !mod.latch<1>, index) -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

// -----

func.func @f() {
  %tokens = arith.constant dense<[[4]]> : tensor<1x1xi32>
  %table = arith.constant dense<1.0> : tensor<4x2xf32>
  // expected-error @below {{token 4 is not below 4}}
  %0 = mod.embedding %tokens, %table : (tensor<1x1xi32>, tensor<4x2xf32>) -> tensor<1x1x2xf32>
  return
}

// -----

func.func @f(%cache: !mod.kv_cache<4x2xf32>) {
  %k = arith.constant dense<1.0> : tensor<1x1x2xf32>
  %p = arith.constant dense<1> : tensor<1x1xi32>
  mod.cache_append %cache, %k, %k : !mod.kv_cache<4x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  // expected-error @below {{query 0 is at position 1, but there are 1 keys}}
  %0 = mod.cached_attention %k over %cache at(%p) heads(1) kv_heads(1) : (tensor<1x1x2xf32>, !mod.kv_cache<4x2xf32>, tensor<1x1xi32>) -> tensor<1x1x2xf32>
  return
}

// -----

func.func @f() {
  %x = arith.constant dense<1.0> : tensor<2x2x2xf32>
  %r = arith.constant dense<[[1.0, 1.0], [1.0, -1.0]]> : tensor<2x2xf32>
  // expected-error @below {{sequences select different numbers of tokens}}
  %0 = mod.routed %x by(%r) select(causal, capacity = 0.5) gate(none) causal(router) {
  ^bb0(%t: tensor<2x?x2xf32>, %p: tensor<2x?xi32>):
    mod.yield %t : tensor<2x?x2xf32>
  } : tensor<2x2x2xf32>
  return
}

// -----

func.func @f() {
  // expected-error @below {{the interpreter cannot read elements of 'complex<f32>'}}
  %0 = arith.constant dense<(1.0, 1.0)> : tensor<2xcomplex<f32>>
  return
}

// -----

func.func @f() {
  %two = arith.constant 2 : index
  %x = arith.constant dense<1.0> : tensor<3xf32>
  // expected-error @below {{the slice leaves the tensor}}
  %0 = tensor.extract_slice %x[%two] [2] [1] : tensor<3xf32> to tensor<2xf32>
  return
}

// -----

// expected-error @below {{the interpreter runs functions of one block}}
func.func @f() {
  cf.br ^bb1
^bb1:
  return
}
