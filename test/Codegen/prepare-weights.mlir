// RUN: rm -rf %t && mkdir %t
// RUN: mod-opt %s --mod-hoist-weights --mod-prepare-weights=output=%t/w.safetensors | FileCheck %s
// RUN: tail -c +9 %t/w.safetensors | head -c 4088 | FileCheck %s --check-prefix=HEADER
// RUN: od -An -v -w16 -t f4 -j 4096 %t/w.safetensors | FileCheck %s --check-prefix=DATA

// The file has a header that ends where a page does, and the weights at the
// places that the module says; the module stays as it is.
// CHECK: module attributes {mod.weights = {bytes = 4176 : i64, {{.*}}offset = 4096 : i64}}
// CHECK: @prepared.w.packed(#{{.*}}) : tensor<1x3x4xf32> {mod.offset = 0 : i64}
// CHECK: func.func @prepare_weights(
// HEADER: {"w.packed":{"dtype":"F32","shape":[1,3,4],"data_offsets":[0,48]},
// HEADER-SAME: "same":{"dtype":"F32","shape":[4],"data_offsets":[48,64]},
// HEADER-SAME: "half":{"dtype":"F32","shape":[2],"data_offsets":[64,72]},
// HEADER-SAME: "v":{"dtype":"F32","shape":[2],"data_offsets":[72,80]}}

// A panel of two outputs with room for four, a splat that is written out, a
// vector that is widened, and one as it is.
// DATA: 1 4 0 0
// DATA-NEXT: 2 5 0 0
// DATA-NEXT: 3 6 0 0
// DATA-NEXT: 7 7 7 7
// DATA-NEXT: 0.5 -2 8 9

ml_program.global private @w(dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>) : tensor<2x3xf32>
ml_program.global private @half(dense<[0.5, -2.0]> : tensor<2xbf16>) : tensor<2xbf16>
ml_program.global private @v(dense<[8.0, 9.0]> : tensor<2xf32>) : tensor<2xf32>
ml_program.global private @same(dense<7.0> : tensor<4xf32>) : tensor<4xf32>

func.func @forward(%n: index {mod.role = "count"})
    -> (tensor<1x3x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<4xf32>) {
  %w = ml_program.global_load_const @w : tensor<2x3xf32>
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x3x4xf32>
  %packed = linalg.pack %w padding_value(%zero : f32) inner_dims_pos = [0] inner_tiles = [4] into %empty
      : tensor<2x3xf32> -> tensor<1x3x4xf32>
  %half = ml_program.global_load_const @half : tensor<2xbf16>
  %wide = arith.extf %half : tensor<2xbf16> to tensor<2xf32>
  %v = ml_program.global_load_const @v : tensor<2xf32>
  %same = ml_program.global_load_const @same : tensor<4xf32>
  return %packed, %wide, %v, %same : tensor<1x3x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<4xf32>
}
