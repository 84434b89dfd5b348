// RUN: mod-opt %s --mod-fuse-routing --split-input-file --verify-diagnostics

func.func @forward(%x: tensor<1x6x4xf32>, %r: tensor<1x6xf32>) -> tensor<1x6x4xf32> {
  // expected-error@below {{is not in a program: no argument of @forward has the role tokens}}
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x3x4xf32>, %positions: tensor<1x3xi32>):
    mod.yield %t : tensor<1x3x4xf32>
  } : tensor<1x6x4xf32>
  return %y : tensor<1x6x4xf32>
}

// -----

func.func @forward(%tokens: tensor<1x6xi32> {mod.role = "tokens"}, %x: tensor<1x6x4xf32>, %r: tensor<1x6xf32>)
    -> tensor<1x6x4xf32> {
  // expected-error@below {{region takes 'tensor<1x3x4xf32>', but a program's takes as many tokens as 'tensor<1x6x4xf32>'}}
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x3x4xf32>, %positions: tensor<1x3xi32>):
    mod.yield %t : tensor<1x3x4xf32>
  } : tensor<1x6x4xf32>
  return %y : tensor<1x6x4xf32>
}
