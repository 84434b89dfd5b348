// RUN: mod-opt %s --split-input-file --one-shot-bufferize=bufferize-function-boundaries --verify-diagnostics

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) -> tensor<1x8x16xf32> {
  // expected-error @below {{must be lowered by mod-fuse-routing before bufferization}}
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return %y : tensor<1x8x16xf32>
}

// -----

func.func @experts(%x: tensor<1x8x16xf32>, %l: tensor<1x8x2xf32>) -> tensor<1x8x16xf32> {
  // expected-error @below {{must be lowered by mod-fuse-experts before bufferization}}
  %y = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x?x16xf32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>, tensor<1x8x2xf32>
  return %y : tensor<1x8x16xf32>
}
