// RUN: rm -rf %t && mkdir %t

// RUN: not mod-opt %s --mod-hoist-weights --mod-prepare-weights=output=%t/w.safetensors 2>&1 | FileCheck %s --check-prefix=DATA
// DATA: error: parameter 'w' has no data, expected a checkpoint to be loaded
// RUN: not mod-opt %s --mod-prepare-weights=output=%t/w.safetensors 2>&1 | FileCheck %s --check-prefix=HOIST
// HOIST: error: expected @prepare_weights; weights have not been hoisted
// RUN: %python %S/Inputs/write_safetensors.py %t/model.safetensors w:F32:4
// RUN: not mod-opt %s --mod-load-params=file=%t --mod-hoist-weights --mod-prepare-weights=output=%t/none/w.safetensors 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT: error: '{{.*}}none/w.safetensors': No such file or directory
// RUN: not mod-opt %S/Inputs/large-weight.mlir --mod-hoist-weights --mod-prepare-weights=output=%t/w.safetensors 2>&1 | FileCheck %s --check-prefix=LARGE
// LARGE: error: the weight made of 'large' has numbers beyond 65504, the largest of f16; expected a wider dtype
// LARGE-NOT: 'fits'

// What could not be written whole is not there at all.
// RUN: ls %t | count 1

ml_program.global private @w(#ml_program.extern : tensor<4xf32>) : tensor<4xf32>
func.func @forward(%n: index {mod.role = "count"}) -> tensor<4xf32> {
  %w = ml_program.global_load_const @w : tensor<4xf32>
  return %w : tensor<4xf32>
}
