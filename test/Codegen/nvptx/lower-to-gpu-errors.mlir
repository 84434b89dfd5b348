// What has no kernel says so.
// RUN: mod-opt %s --split-input-file --mod-lower-to-gpu --verify-diagnostics

func.func @packed(%x: memref<1x4x8xf32>, %w: memref<1x8x16xf32>,
                  %y: memref<1x4x16xf32> {mod.role = "arena"}) {
  // expected-error @below {{has a packed weight, which nvptx has no kernel for}}
  mod.linear %x, %w into(%y)
      : (memref<1x4x8xf32>, memref<1x8x16xf32>, memref<1x4x16xf32>) -> ()
  return
}

// -----

func.func @attention(%x: memref<1x4x8xf32>, %y: memref<1x4x8xf32> {mod.role = "arena"}) {
  // expected-error @below {{'mod.attention' op has no kernel for nvptx}}
  mod.attention %x, %x, %x heads(2) kv_heads(2) into(%y)
      : (memref<1x4x8xf32>, memref<1x4x8xf32>, memref<1x4x8xf32>, memref<1x4x8xf32>) -> ()
  return
}

// -----

func.func @batch(%x: memref<2x4x8xf32>, %y: memref<2x4xf32> {mod.role = "arena"}) {
  // expected-error @below {{has a batch; nvptx has kernels for one sequence}}
  mod.inverse_rms %x eps(1.0e-5) into(%y)
      : (memref<2x4x8xf32>, memref<2x4xf32>) -> ()
  return
}

// -----

func.func @sum(%x: memref<4x8xf32>, %y: memref<4xf32> {mod.role = "arena"}) {
  // expected-error @below {{is not elementwise, and has no kernel for nvptx}}
  linalg.reduce { arith.addf } ins(%x : memref<4x8xf32>)
      outs(%y : memref<4xf32>) dimensions = [1]
  return
}

// -----

func.func @shares(%l: memref<1x4x3xf32>, %y: memref<3x1x4xf32> {mod.role = "arena"}) {
  // expected-error @below {{'mod.shares' op has no kernel for nvptx}}
  mod.shares %l top(2) gate(softmax) into(%y) : (memref<1x4x3xf32>, memref<3x1x4xf32>) -> ()
  return
}

// -----

func.func @panels(%q: memref<1x1x8xf32>, %k: memref<1x2x8x16xf32>, %v: memref<1x1x32x8xf32>,
                  %count: index, %y: memref<1x1x8xf32> {mod.role = "arena"}) {
  // expected-error @below {{has keys or values in panels; nvptx has kernels for panels of one key and of a whole value}}
  mod.panel_attention %q, %k, %v of(%count) heads(1) into(%y)
      : memref<1x1x8xf32>, memref<1x2x8x16xf32>, memref<1x1x32x8xf32>, memref<1x1x8xf32>
  return
}

// -----

func.func @choice(%l: memref<1x8xf32>, %c: memref<5xf64>,
                  %y: memref<1x1xi32> {mod.role = "arena"}) {
  // expected-error @below {{is told how to choose by 'memref<5xf64>', where modrt_choice has 70 numbers}}
  mod.sample %l by(%c) into(%y) : memref<1x8xf32>, memref<5xf64>, memref<1x1xi32>
  return
}
