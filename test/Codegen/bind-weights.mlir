// RUN: mod-opt %s --mod-hoist-weights --mod-bind-weights | FileCheck %s

// Programs have all that they need; parameters are gone.
// CHECK-NOT: ml_program
// CHECK-NOT: @prepare_weights
ml_program.global private @v(#ml_program.extern : tensor<3xf32>) : tensor<3xf32>
ml_program.global private @w(#ml_program.extern : tensor<4x8xbf16>) : tensor<4x8xbf16>
ml_program.global private @unused(#ml_program.extern : tensor<2xf32>) : tensor<2xf32>

// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %{{.+}}: index {mod.role = "count"}, %[[WEIGHTS:.+]]: memref<140xi8> {mod.role = "weights"}
// CHECK-DAG: %[[SHIFT_W:.+]] = arith.constant 0 : index
// CHECK-DAG: %[[VIEW_W:.+]] = memref.view %[[WEIGHTS]][%[[SHIFT_W]]][] : memref<140xi8> to memref<4x8xf32>
// CHECK-DAG: %[[W:.+]] = bufferization.to_tensor %[[VIEW_W]] restrict : memref<4x8xf32> to tensor<4x8xf32>
// CHECK-DAG: %[[SHIFT_V:.+]] = arith.constant 128 : index
// CHECK-DAG: %[[VIEW_V:.+]] = memref.view %[[WEIGHTS]][%[[SHIFT_V]]][] : memref<140xi8> to memref<3xf32>
// CHECK-DAG: %[[V:.+]] = bufferization.to_tensor %[[VIEW_V]] restrict : memref<3xf32> to tensor<3xf32>
// CHECK: return %[[W]], %[[V]], %[[V]]
func.func @forward(%n: index {mod.role = "count"}) -> (tensor<4x8xf32>, tensor<3xf32>, tensor<3xf32>) {
  %w = ml_program.global_load_const @w : tensor<4x8xbf16>
  %e = arith.extf %w : tensor<4x8xbf16> to tensor<4x8xf32>
  %v = ml_program.global_load_const @v : tensor<3xf32>
  %again = ml_program.global_load_const @v : tensor<3xf32>
  return %e, %v, %again : tensor<4x8xf32>, tensor<3xf32>, tensor<3xf32>
}

// A program without weights of its own has the same signature.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: memref<140xi8> {mod.role = "weights"}
func.func @decode(%n: index {mod.role = "count"}) {
  return
}

// CHECK-LABEL: func.func @helper() {
func.func @helper() {
  return
}
