// Attention of a context of 6: with a window of 3, with none, of 2 tokens among
// each other with a window of 3 of the sequence, and of 2 tokens to all.
module attributes {mod.model = {context = 6 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<1.0> : tensor<2x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %p = mod.positions %tokens : (tensor<?x?xi32>) -> tensor<?x?xi32>
    %z = mod.noise %p seed(1) : (tensor<?x?xi32>) -> tensor<?x?xf32>
    %a = mod.attention %x, %x, %x heads(1) kv_heads(1) window(3)
        : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
    %b = mod.attention %a, %a, %a heads(1) kv_heads(1)
        : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
    %c = mod.routed %b by(%z) select(expert_choice, capacity = 2) gate(none) causal(router) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      %u = mod.attention %t, %t, %t among(%positions) heads(1) kv_heads(1) window(3)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?xi32>) -> tensor<?x?x2xf32>
      mod.yield %u : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    %d = mod.routed %c by(%z) select(expert_choice, capacity = 2) gate(none) causal(router) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      %u = mod.attention %t, %c, %c at(%positions) heads(1) kv_heads(1) window(3)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?xi32>) -> tensor<?x?x2xf32>
      mod.yield %u : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    return %d : tensor<?x?x2xf32>
  }
}
