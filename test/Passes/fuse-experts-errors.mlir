// RUN: mod-opt %s --mod-fuse-experts --verify-diagnostics

// What an expert may take at most is the room for its indices.
func.func @forward(%x: tensor<1x?x4xf32>, %l: tensor<1x?x1xf32>) -> tensor<1x?x4xf32> {
  // expected-error@below {{has a number of tokens without a bound}}
  %y = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x?x4xf32>):
    mod.yield %t : tensor<1x?x4xf32>
  } : tensor<1x?x4xf32>, tensor<1x?x1xf32>
  return %y : tensor<1x?x4xf32>
}
