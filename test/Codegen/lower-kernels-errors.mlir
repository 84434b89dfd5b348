// RUN: mod-opt %s --mod-lower-kernels --split-input-file --verify-diagnostics

func.func @tensors(%x: tensor<1x4x8xf32>, %g: tensor<8xf32>) -> tensor<1x4x8xf32> {
  // expected-error @+1 {{must be in the buffer form, but has 'tensor<1x4x8xf32>'}}
  %y = mod.rms_norm %x, %g eps(1.0e-5)
      : (tensor<1x4x8xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// -----

func.func @half(%x: memref<1x4x8xf16>, %g: memref<8xf16>) {
  // expected-error @+1 {{has no kernel for 'f16'; kernels compute in f32}}
  mod.rms_norm %x, %g eps(1.0e-5) into(%x)
      : (memref<1x4x8xf16>, memref<8xf16>, memref<1x4x8xf16>) -> ()
  return
}

// -----

func.func @panel(%x: memref<1x4x8xf32>, %w: memref<2x8x12xf32>, %y: memref<1x4x20xf32>) {
  // expected-error @+1 {{has panels of 12 columns, expected 16 for vectors of 256 bits}}
  mod.linear %x, %w into(%y)
      : (memref<1x4x8xf32>, memref<2x8x12xf32>, memref<1x4x20xf32>) -> ()
  return
}

// -----

func.func @batch(%x: memref<2x4x8xf32>, %g: memref<8xf32>) {
  // expected-error @+1 {{has a batch of 2; kernels take one sequence}}
  mod.rms_norm %x, %g eps(1.0e-5) into(%x)
      : (memref<2x4x8xf32>, memref<8xf32>, memref<2x4x8xf32>) -> ()
  return
}

// -----

func.func @attention(%q: memref<1x4x8xf32>) {
  // expected-error @+1 {{has no kernel; expected attention over a cache}}
  mod.attention %q, %q, %q heads(2) kv_heads(2) into(%q)
      : (memref<1x4x8xf32>, memref<1x4x8xf32>, memref<1x4x8xf32>, memref<1x4x8xf32>) -> ()
  return
}

// -----

func.func @panels(%q: memref<1x4x8xf32>, %n: index, %keys: memref<2x2x4x24xf32>, %values: memref<2x1x48x8xf32>) {
  // expected-error @+1 {{has panels of 24 keys and 8 columns, expected 16 and up to as many for vectors of 256 bits}}
  mod.panel_attention %q, %keys, %values of(%n) heads(2) into(%q)
      : memref<1x4x8xf32>, memref<2x2x4x24xf32>, memref<2x1x48x8xf32>, memref<1x4x8xf32>
  return
}

// -----

func.func @not_packed(%x: memref<1x4x8xi16>, %w: memref<20x8xi8>, %s: memref<20xf32>, %y: memref<1x4x20xf32>) {
  // expected-error @+1 {{has no kernel for inputs of 'i16' and weights of 'memref<20x8xi8>'}}
  mod.linear %x, %w scales(%s) into(%y)
      : (memref<1x4x8xi16>, memref<20x8xi8>, memref<20xf32>, memref<1x4x20xf32>) -> ()
  return
}

// -----

func.func @odd(%x: memref<1x4x7xi16>, %w: memref<2x4x16x2xi8>, %s: memref<20xf32>, %y: memref<1x4x20xf32>) {
  // expected-error @+1 {{has 7 inputs, expected a multiple of 2}}
  mod.linear %x, %w scales(%s) into(%y)
      : (memref<1x4x7xi16>, memref<2x4x16x2xi8>, memref<20xf32>, memref<1x4x20xf32>) -> ()
  return
}
