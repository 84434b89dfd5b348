// A routed block with a bypass: a product of 2 by 2 beside one of 2 by 4 and one
// of 4 by 2.
module attributes {mod.model = {context = 4 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<1.0> : tensor<2x2xf32>
    %w = arith.constant dense<1.0> : tensor<2x2xf32>
    %up = arith.constant dense<1.0> : tensor<4x2xf32>
    %down = arith.constant dense<1.0> : tensor<2x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %p = mod.positions %tokens : (tensor<?x?xi32>) -> tensor<?x?xi32>
    %z = mod.noise %p seed(1) : (tensor<?x?xi32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%z) select(expert_choice, capacity = 0.5) gate(none) causal(router) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      %h = mod.linear %t, %up : (tensor<?x?x2xf32>, tensor<4x2xf32>) -> tensor<?x?x4xf32>
      %u = mod.linear %h, %down : (tensor<?x?x4xf32>, tensor<2x4xf32>) -> tensor<?x?x2xf32>
      mod.yield %u : tensor<?x?x2xf32>
    } bypass {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      %u = mod.linear %t, %w : (tensor<?x?x2xf32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
      mod.yield %u : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    return %y : tensor<?x?x2xf32>
  }
}
