// RUN: mod-opt %s --mod-pack-weights=panel=4 | FileCheck %s
// RUN: mod-opt %s --mod-pack-weights=panel=4 --remarks-filter="mod-pack-weights" 2>&1 | FileCheck %s --check-prefix=REMARK

ml_program.global private @even(#ml_program.extern : tensor<8x6xf32>) : tensor<8x6xf32>
ml_program.global private @odd(#ml_program.extern : tensor<7x6xbf16>) : tensor<7x6xbf16>

// A weight is packed once for all its products, and right where it is loaded.
// CHECK-LABEL: func.func @divides
// CHECK: %[[W:.+]] = ml_program.global_load_const @even
// CHECK: %[[EMPTY:.+]] = tensor.empty() : tensor<2x6x4xf32>
// CHECK: %[[PACK:.+]] = linalg.pack %[[W]] inner_dims_pos = [0] inner_tiles = [4] into %[[EMPTY]] : tensor<8x6xf32> -> tensor<2x6x4xf32>
// CHECK-NOT: linalg.pack
// CHECK: mod.linear %{{.+}}, %[[PACK]] : (tensor<1x?x6xf32>, tensor<2x6x4xf32>) -> tensor<1x?x8xf32>
// CHECK: mod.linear %{{.+}}, %[[PACK]] bias(
// REMARK: pack-weights.mlir:[[@LINE+2]]:{{.*}} Remark="weight packed", panel=4, panels=2, rows=8
func.func @divides(%x: tensor<1x?x6xf32>, %b: tensor<8xf32>) -> (tensor<1x?x8xf32>, tensor<1x?x8xf32>) {
  %w = ml_program.global_load_const @even : tensor<8x6xf32>
  %y = mod.linear %x, %w : (tensor<1x?x6xf32>, tensor<8x6xf32>) -> tensor<1x?x8xf32>
  %z = mod.linear %x, %w bias(%b) : (tensor<1x?x6xf32>, tensor<8x6xf32>, tensor<8xf32>) -> tensor<1x?x8xf32>
  return %y, %z : tensor<1x?x8xf32>, tensor<1x?x8xf32>
}

// The last panel is filled with zeros; the number of outputs stays.
// CHECK-LABEL: func.func @pads
// CHECK: %[[W:.+]] = arith.extf
// CHECK: %[[ZERO:.+]] = arith.constant 0.0{{.*}} : f32
// CHECK: %[[PACK:.+]] = linalg.pack %[[W]] padding_value(%[[ZERO]] : f32) inner_dims_pos = [0] inner_tiles = [4]
// CHECK-SAME: tensor<7x6xf32> -> tensor<2x6x4xf32>
// CHECK: mod.linear %{{.+}}, %[[PACK]] : (tensor<1x?x6xf32>, tensor<2x6x4xf32>) -> tensor<1x?x7xf32>
func.func @pads(%x: tensor<1x?x6xf32>) -> tensor<1x?x7xf32> {
  %w = ml_program.global_load_const @odd : tensor<7x6xbf16>
  %e = arith.extf %w : tensor<7x6xbf16> to tensor<7x6xf32>
  %y = mod.linear %x, %e : (tensor<1x?x6xf32>, tensor<7x6xf32>) -> tensor<1x?x7xf32>
  return %y : tensor<1x?x7xf32>
}

// What is known only at run time is not packed; what is packed stays so.
// CHECK-LABEL: func.func @unknown
// CHECK-NOT: linalg.pack
// REMARK: pack-weights.mlir:[[@LINE+2]]:{{.*}}Remark="weight is not computed from parameters alone"
func.func @unknown(%x: tensor<1x?x6xf32>, %w: tensor<8x6xf32>, %p: tensor<2x6x4xf32>) -> (tensor<1x?x8xf32>, tensor<1x?x8xf32>) {
  %y = mod.linear %x, %w : (tensor<1x?x6xf32>, tensor<8x6xf32>) -> tensor<1x?x8xf32>
  %z = mod.linear %x, %p : (tensor<1x?x6xf32>, tensor<2x6x4xf32>) -> tensor<1x?x8xf32>
  return %y, %z : tensor<1x?x8xf32>, tensor<1x?x8xf32>
}

// Panels of a gated product hold rows of both halves; each half is filled with
// zeros by itself.
// CHECK-LABEL: func.func @gated
// CHECK: %[[W:.+]] = ml_program.global_load_const @both
// CHECK: %[[HALVES:.+]] = tensor.expand_shape %[[W]] {{\[\[}}0, 1], [2]] output_shape [2, 5, 6] : tensor<10x6xf32> into tensor<2x5x6xf32>
// CHECK: %[[PACK:.+]] = linalg.pack %[[HALVES]] padding_value(%{{.+}} : f32) inner_dims_pos = [0, 1] inner_tiles = [2, 2]
// CHECK-SAME: tensor<2x5x6xf32> -> tensor<1x3x6x2x2xf32>
// CHECK: %[[PANELS:.+]] = tensor.collapse_shape %[[PACK]] {{\[\[}}0, 1], [2], [3, 4]] : tensor<1x3x6x2x2xf32> into tensor<3x6x4xf32>
// CHECK: mod.linear %{{.+}}, %[[PANELS]] glu(silu) : (tensor<1x?x6xf32>, tensor<3x6x4xf32>) -> tensor<1x?x5xf32>
ml_program.global private @both(#ml_program.extern : tensor<10x6xf32>) : tensor<10x6xf32>
func.func @gated(%x: tensor<1x?x6xf32>) -> tensor<1x?x5xf32> {
  %w = ml_program.global_load_const @both : tensor<10x6xf32>
  %y = mod.linear %x, %w glu(silu) : (tensor<1x?x6xf32>, tensor<10x6xf32>) -> tensor<1x?x5xf32>
  return %y : tensor<1x?x5xf32>
}
