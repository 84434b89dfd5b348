// RUN: mod-opt %s --mod-bind-weights --split-input-file --verify-diagnostics

// expected-error @below {{expected @prepare_weights; weights have not been hoisted}}
module {
}

// -----

ml_program.global private @w(#ml_program.extern : tensor<4xf32>) : tensor<4xf32>
func.func @decode(%n: index {mod.role = "count"}) -> tensor<4xf32> {
  // expected-error @below {{@w is not a prepared weight}}
  %w = ml_program.global_load_const @w : tensor<4xf32>
  return %w : tensor<4xf32>
}
func.func @prepare_weights() {
  return
}
