// RUN: rm -rf %t && mkdir -p %t/one %t/two
// RUN: %python %S/Inputs/write_safetensors.py %t/one/model.safetensors a:F32:2x2 b:BF16:3 scalar:F32:
// RUN: mod-opt %s --mod-load-params=file=%t/one/model.safetensors | FileCheck %s
// RUN: mod-opt %s --mod-load-params=file=%t/one | FileCheck %s

// The same tensors in two shards.
// RUN: %python %S/Inputs/write_safetensors.py %t/two/first.safetensors a:F32:2x2
// RUN: %python %S/Inputs/write_safetensors.py %t/two/second.safetensors b:BF16:3 scalar:F32:
// RUN: echo '{"metadata": {}, "weight_map": {"a": "first.safetensors", "b": "second.safetensors", "scalar": "second.safetensors"}}' > %t/two/model.safetensors.index.json
// RUN: mod-opt %s --mod-load-params=file=%t/two/model.safetensors.index.json | FileCheck %s
// RUN: mod-opt %s --mod-load-params=file=%t/two | FileCheck %s

// CHECK: ml_program.global private @a(dense_resource<a> : tensor<2x2xf32>) : tensor<2x2xf32>
ml_program.global private @a(#ml_program.extern : tensor<2x2xf32>) : tensor<2x2xf32>
// CHECK: ml_program.global private @b(dense_resource<b> : tensor<3xbf16>) : tensor<3xbf16>
ml_program.global private @b(#ml_program.extern : tensor<3xbf16>) : tensor<3xbf16>
// CHECK: ml_program.global private @scalar(dense_resource<scalar> : tensor<f32>) : tensor<f32>
ml_program.global private @scalar(#ml_program.extern : tensor<f32>) : tensor<f32>
// A global with a value of its own is no parameter of the file.
// CHECK: ml_program.global private @own(dense<1.000000e+00> : tensor<2xf32>) : tensor<2xf32>
ml_program.global private @own(dense<1.0> : tensor<2xf32>) : tensor<2xf32>

// The bytes of a file: 0, 1, 2, 3 in f32; 0, 1, 2 in bf16.
// CHECK: a: "0x04000000000000000000803F0000004000004040"
// CHECK: b: "0x020000000000803F0040"
