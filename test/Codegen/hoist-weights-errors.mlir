// RUN: mod-opt %s --mod-hoist-weights --split-input-file --verify-diagnostics

// expected-error @below {{weights have been hoisted already}}
func.func @prepare_weights() {
  return
}

// -----

ml_program.global private @w(#ml_program.extern : tensor<?xf32>) : tensor<?xf32>
func.func @decode(%n: index {mod.role = "count"}) -> tensor<?xf32> {
  // expected-error @below {{parameter @w is 'tensor<?xf32>', expected a static tensor that a safetensors file can hold}}
  %w = ml_program.global_load_const @w : tensor<?xf32>
  return %w : tensor<?xf32>
}

// -----

ml_program.global private @w(#ml_program.extern : tensor<4xi1>) : tensor<4xi1>
func.func @decode(%n: index {mod.role = "count"}) -> tensor<4xi1> {
  // expected-error @below {{parameter @w is 'tensor<4xi1>', expected a static tensor that a safetensors file can hold}}
  %w = ml_program.global_load_const @w : tensor<4xi1>
  return %w : tensor<4xi1>
}
