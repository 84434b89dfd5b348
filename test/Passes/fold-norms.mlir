// RUN: mod-opt %s --mod-fold-norms --split-input-file | FileCheck %s
// RUN: mod-opt %s --mod-fold-norms --split-input-file --remarks-filter=mod-fold-norms \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// Two products read the norm's operand; its scale is in their weights, and the
// factor of each token is computed once.

// CHECK-LABEL: @folds
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>
// CHECK-DAG: %[[G:.*]] = ml_program.global_load_const @scale
// CHECK-DAG: %[[W:.*]] = ml_program.global_load_const @weight
// CHECK: %[[R:.*]] = mod.inverse_rms %[[X]] eps(1.000000e-05)
// CHECK-NOT: mod.rms_norm
// CHECK: %[[E:.*]] = tensor.empty() : tensor<4x6xf32>
// CHECK: %[[S:.*]] = linalg.broadcast ins(%[[G]] : tensor<6xf32>) outs(%[[E]] : tensor<4x6xf32>) dimensions = [0]
// CHECK: %[[V:.*]] = arith.mulf %[[W]], %[[S]] : tensor<4x6xf32>
// CHECK: mod.linear %[[X]], %[[V]] row_scales(%[[R]]) bias(%{{.*}}) : (
// CHECK-NOT: mod.inverse_rms
// CHECK: mod.linear %[[X]], %{{.*}} row_scales(%[[R]]) : (

// REMARK: [Passed] FoldedNorm{{.*}} Function=folds | products=2
ml_program.global private @scale(#ml_program.extern : tensor<6xf32>) : tensor<6xf32>
ml_program.global private @weight(#ml_program.extern : tensor<4x6xf32>) : tensor<4x6xf32>
ml_program.global private @stored(#ml_program.extern : tensor<2x6xbf16>) : tensor<2x6xbf16>
func.func @folds(%x: tensor<1x?x6xf32>, %b: tensor<4xf32>) -> (tensor<1x?x4xf32>, tensor<1x?x2xf32>) {
  %g = ml_program.global_load_const @scale : tensor<6xf32>
  %w = ml_program.global_load_const @weight : tensor<4x6xf32>
  %s = ml_program.global_load_const @stored : tensor<2x6xbf16>
  %e = arith.extf %s : tensor<2x6xbf16> to tensor<2x6xf32>
  %n = mod.rms_norm %x, %g eps(1.0e-5) : (tensor<1x?x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %y = mod.linear %n, %w bias(%b) : (tensor<1x?x6xf32>, tensor<4x6xf32>, tensor<4xf32>) -> tensor<1x?x4xf32>
  %z = mod.linear %n, %e : (tensor<1x?x6xf32>, tensor<2x6xf32>) -> tensor<1x?x2xf32>
  return %y, %z : tensor<1x?x4xf32>, tensor<1x?x2xf32>
}

// -----

// A norm that is written anyway, for a router here, stays.

// CHECK-LABEL: @router
// CHECK: mod.rms_norm
// CHECK-NOT: row_scales
// REMARK: [Missed] FoldedNorm{{.*}} Function=router | Reason="something else than a product reads it"
ml_program.global private @scale(#ml_program.extern : tensor<6xf32>) : tensor<6xf32>
ml_program.global private @weight(#ml_program.extern : tensor<1x6xf32>) : tensor<1x6xf32>
func.func @router(%x: tensor<1x?x6xf32>) -> (tensor<1x?x1xf32>, tensor<1x?xf32>) {
  %g = ml_program.global_load_const @scale : tensor<6xf32>
  %w = ml_program.global_load_const @weight : tensor<1x6xf32>
  %n = mod.rms_norm %x, %g eps(1.0e-5) : (tensor<1x?x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %y = mod.linear %n, %w : (tensor<1x?x6xf32>, tensor<1x6xf32>) -> tensor<1x?x1xf32>
  %r = mod.router %n, %w : (tensor<1x?x6xf32>, tensor<1x6xf32>) -> tensor<1x?xf32>
  return %y, %r : tensor<1x?x1xf32>, tensor<1x?xf32>
}

// -----

// What would cost something each time a program runs is not folded.

// CHECK-LABEL: @argument
// CHECK: mod.rms_norm
// REMARK: [Missed] FoldedNorm{{.*}} Function=argument | Reason="a weight or the scale is not computed from parameters alone"
ml_program.global private @scale(#ml_program.extern : tensor<6xf32>) : tensor<6xf32>
func.func @argument(%x: tensor<1x?x6xf32>, %w: tensor<4x6xf32>) -> tensor<1x?x4xf32> {
  %g = ml_program.global_load_const @scale : tensor<6xf32>
  %n = mod.rms_norm %x, %g eps(1.0e-5) : (tensor<1x?x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %y = mod.linear %n, %w : (tensor<1x?x6xf32>, tensor<4x6xf32>) -> tensor<1x?x4xf32>
  return %y : tensor<1x?x4xf32>
}

// -----

// REMARK: [Missed] FoldedNorm{{.*}} Function=packed | Reason="a weight is packed"
// REMARK: [Missed] FoldedNorm{{.*}} Function=packed | Reason="element types of a weight and the scale differ"
// REMARK: [Missed] FoldedNorm{{.*}} Function=packed | Reason="it has a place already or no use"
// REMARK: [Missed] FoldedNorm{{.*}} Function=packed | Reason="a product has factors or rows already"
ml_program.global private @scale(#ml_program.extern : tensor<6xf32>) : tensor<6xf32>
ml_program.global private @panels(#ml_program.extern : tensor<2x6x2xf32>) : tensor<2x6x2xf32>
ml_program.global private @stored(#ml_program.extern : tensor<4x6xbf16>) : tensor<4x6xbf16>
func.func @packed(%x: tensor<1x?x6xf32>, %s: tensor<1x?xf32>) -> (tensor<1x?x4xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>) {
  %g = ml_program.global_load_const @scale : tensor<6xf32>
  %w = ml_program.global_load_const @panels : tensor<2x6x2xf32>
  %v = ml_program.global_load_const @stored : tensor<4x6xbf16>
  %n = mod.rms_norm %x, %g eps(1.0e-5) : (tensor<1x?x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %y = mod.linear %n, %w : (tensor<1x?x6xf32>, tensor<2x6x2xf32>) -> tensor<1x?x4xf32>
  %m = mod.rms_norm %x, %g eps(1.0e-4) : (tensor<1x?x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %z = mod.linear %m, %v : (tensor<1x?x6xf32>, tensor<4x6xbf16>) -> tensor<1x?x4xf32>
  %k = mod.rms_norm %x, %g eps(1.0e-4) : (tensor<1x?x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %l = mod.rms_norm %x, %g eps(1.0e-3) : (tensor<1x?x6xf32>, tensor<6xf32>) -> tensor<1x?x6xf32>
  %u = mod.linear %l, %v row_scales(%s) : (tensor<1x?x6xf32>, tensor<4x6xbf16>, tensor<1x?xf32>) -> tensor<1x?x4xf32>
  return %y, %z, %u : tensor<1x?x4xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>
}
