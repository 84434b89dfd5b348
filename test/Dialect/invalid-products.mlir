// RUN: mod-opt %s --split-input-file --verify-diagnostics

func.func @no_scales(%x: tensor<1x8x16xi16>, %w: tensor<4x16xi8>) {
  // expected-error @below {{takes scales if and only if its weight is integers}}
  %0 = mod.linear %x, %w : (tensor<1x8x16xi16>, tensor<4x16xi8>) -> tensor<1x8x4xf32>
  return
}

// -----

func.func @scales_of_floats(%x: tensor<1x8x16xf32>, %w: tensor<4x16xf32>, %s: tensor<4xf32>) {
  // expected-error @below {{takes scales if and only if its weight is integers}}
  %0 = mod.linear %x, %w scales(%s) : (tensor<1x8x16xf32>, tensor<4x16xf32>, tensor<4xf32>) -> tensor<1x8x4xf32>
  return
}

// -----

func.func @too_few_scales(%x: tensor<1x8x16xi16>, %w: tensor<4x16xi8>, %s: tensor<3xf32>) {
  // expected-error @below {{scales are 'tensor<3xf32>', expected 'tensor<4xf32>'}}
  %0 = mod.linear %x, %w scales(%s) : (tensor<1x8x16xi16>, tensor<4x16xi8>, tensor<3xf32>) -> tensor<1x8x4xf32>
  return
}

// -----

func.func @too_few_groups(%x: tensor<1x8x40xi16>, %w: tensor<4x40xi8>, %s: tensor<4x1xf32>) {
  // expected-error @below {{scales are 'tensor<4x1xf32>', expected 'tensor<4x2xf32>'}}
  %0 = mod.linear %x, %w scales(%s) : (tensor<1x8x40xi16>, tensor<4x40xi8>, tensor<4x1xf32>) -> tensor<1x8x4xf32>
  return
}

// -----

func.func @scales_not_packed(%x: tensor<1x8x32xi16>, %w: tensor<2x1x4x4xi32>, %s: tensor<8x1xf32>) {
  // expected-error @below {{scales are 'tensor<8x1xf32>', expected 'tensor<2x1x4xf32>'}}
  %0 = mod.linear %x, %w scales(%s) : (tensor<1x8x32xi16>, tensor<2x1x4x4xi32>, tensor<8x1xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @words_not_packed(%x: tensor<1x8x32xi16>, %w: tensor<8x4xi32>, %s: tensor<8x1xf32>) {
  // expected-error @below {{i32 is for weights packed in four bits, not 'tensor<8x4xi32>'}}
  %0 = mod.linear %x, %w scales(%s) : (tensor<1x8x32xi16>, tensor<8x4xi32>, tensor<8x1xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @inputs(%x: tensor<1x8x20xf32>, %w: tensor<2x9x4x2xbf16>) {
  // expected-error @below {{weight has 9 in dimension 1, expected 10}}
  %0 = mod.linear %x, %w : (tensor<1x8x20xf32>, tensor<2x9x4x2xbf16>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @integers(%x: tensor<1x8x16xf32>) {
  // expected-error @below {{takes scales if and only if it gives integers}}
  %0 = mod.quantize %x : (tensor<1x8x16xf32>) -> tensor<1x8x16xi8>
  return
}

// -----

func.func @narrower(%x: tensor<1x8x16xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8x16xbf16>', not 'tensor<1x8x15xbf16>'}}
  %0 = mod.quantize %x : (tensor<1x8x16xf32>) -> tensor<1x8x15xbf16>
  return
}

// -----

func.func @rows(%x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %s: tensor<1x8xf32>) {
  // expected-error @below {{scales has 8 in dimension 1, expected 4}}
  %0 = mod.quantize %x rows(%i) by(%s) : (tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x4x16xi8>
  return
}

// -----

func.func @factors(%x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>) {
  // expected-error @below {{gives values like 'tensor<1x4xf32>', not 'tensor<1x8xf32>'}}
  %0 = mod.row_scales %x rows(%i) to(127) : (tensor<1x8x16xf32>, tensor<1x4xi32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @limit(%x: tensor<1x8x16xf32>) {
  // expected-error @below {{attribute 'limit' failed to satisfy constraint}}
  %0 = mod.row_scales %x to(0) : (tensor<1x8x16xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @rows_of_scales(%x: tensor<1x8x16xf32>, %i: tensor<2x4xi32>) {
  // expected-error @below {{rows has 2 in dimension 0, expected 1}}
  %0 = mod.row_scales %x rows(%i) to(127) : (tensor<1x8x16xf32>, tensor<2x4xi32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @rows_of_values(%x: tensor<1x8x16xf32>, %i: tensor<2x4xi32>) {
  // expected-error @below {{rows has 2 in dimension 0, expected 1}}
  %0 = mod.quantize %x rows(%i) : (tensor<1x8x16xf32>, tensor<2x4xi32>) -> tensor<2x4x16xbf16>
  return
}
