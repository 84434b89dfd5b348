// RUN: rm -rf %t && split-file %s %t && mkdir %t/out
// DEFINE: %{output} = --mod-prepare-weights=output=%t/out/w.safetensors

// RUN: not mod-opt %t/extern.mlir --mod-hoist-weights %{output} 2>&1 | FileCheck %s --check-prefix=DATA
// DATA: error: parameter 'w' has no data, expected a checkpoint to be loaded
// RUN: not mod-opt %t/extern.mlir %{output} 2>&1 | FileCheck %s --check-prefix=HOIST
// HOIST: error: expected @prepare_weights; weights have not been hoisted
// RUN: %python %S/Inputs/write_safetensors.py %t/model.safetensors w:F32:4
// RUN: not mod-opt %t/extern.mlir --mod-load-params=file=%t/model.safetensors --mod-hoist-weights --mod-prepare-weights=output=%t/none/w.safetensors 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT: error: '{{.*}}none/w.safetensors': No such file or directory
// RUN: not mod-opt %S/Inputs/large-weight.mlir --mod-hoist-weights %{output} 2>&1 | FileCheck %s --check-prefix=LARGE
// LARGE: error: the weight made of 'large' has numbers beyond 65504, the largest of f16; expected a wider dtype
// LARGE-NOT: 'fits'

// Modules that mod-hoist-weights did not write.
// RUN: not mod-opt %t/gone.mlir %{output} 2>&1 | FileCheck %s --check-prefix=GONE
// GONE: error: parameter 'gone' is not in the module
// RUN: not mod-opt %t/short.mlir %{output} 2>&1 | FileCheck %s --check-prefix=SHORT
// SHORT: error: parameter 'w' has 8 bytes, expected 16
// RUN: not mod-opt %t/nameless.mlir %{output} 2>&1 | FileCheck %s --check-prefix=NAMELESS
// NAMELESS: error: result 0 of @prepare_weights has no 'mod.weight', expected its name
// RUN: not mod-opt %t/hole.mlir %{output} 2>&1 | FileCheck %s --check-prefix=HOLE
// HOLE: error: result 1 of @prepare_weights is not at 'mod.offset' 16, behind the one before

// What could not be written whole is not there at all.
// RUN: ls %t/out | count 0

//--- extern.mlir
ml_program.global private @w(#ml_program.extern : tensor<4xf32>) : tensor<4xf32>
func.func @forward(%n: index {mod.role = "count"}) -> tensor<4xf32> {
  %w = ml_program.global_load_const @w : tensor<4xf32>
  return %w : tensor<4xf32>
}

//--- gone.mlir
func.func @prepare_weights(%w: tensor<4xf32> {mod.parameter = "gone"})
    -> (tensor<4xf32> {mod.weight = "w", mod.offset = 0 : i64}) {
  return %w : tensor<4xf32>
}

//--- short.mlir
ml_program.global private @w(dense_resource<two> : tensor<4xf32>) : tensor<4xf32>
func.func @prepare_weights(%w: tensor<4xf32> {mod.parameter = "w"})
    -> (tensor<4xf32> {mod.weight = "w", mod.offset = 0 : i64}) {
  return %w : tensor<4xf32>
}
{-# dialect_resources: { builtin: { two: "0x040000000000803F00000040" } } #-}

//--- nameless.mlir
func.func @prepare_weights(%w: tensor<4xf32> {mod.parameter = "w"}) -> (tensor<4xf32> {mod.offset = 0 : i64}) {
  return %w : tensor<4xf32>
}

//--- hole.mlir
func.func @prepare_weights(%w: tensor<4xf32> {mod.parameter = "w"})
    -> (tensor<4xf32> {mod.weight = "v", mod.offset = 0 : i64}, tensor<4xf32> {mod.weight = "w", mod.offset = 32 : i64}) {
  return %w, %w : tensor<4xf32>, tensor<4xf32>
}
