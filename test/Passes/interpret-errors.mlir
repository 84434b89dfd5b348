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
