// Two routed blocks with predictors, the second with a count as capacity, and
// a context that its count equals.
module attributes {mod.model = {context = 3 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x5xf32> {
    %table = arith.constant dense<1.0> : tensor<5x2xf32>
    %w = arith.constant dense<1.0> : tensor<1x2xf32>
    %down = arith.constant dense<1.0> : tensor<7x2xf32>
    %down_bias = arith.constant dense<1.0> : tensor<7xf32>
    %up = arith.constant dense<1.0> : tensor<1x7xf32>
    %up_bias = arith.constant dense<1.0> : tensor<1xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x2xf32>) -> tensor<?x?x2xf32>
    %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
    %l = mod.predictor %x, %down, %down_bias, %up, %up_bias
        : (tensor<?x?x2xf32>, tensor<7x2xf32>, tensor<7xf32>, tensor<1x7xf32>, tensor<1xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.1) gate(tanh) causal(predictor, %l) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      %a = mod.attention %t, %t, %t heads(1) kv_heads(1)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
      %b = mod.attention %a, %a, %a heads(2) kv_heads(2)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
      mod.yield %b : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    %z = mod.routed %y by(%r) select(expert_choice, capacity = 3) gate(none) causal(predictor, %l) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      %a = mod.attention %t, %t, %t heads(1) kv_heads(1)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
      mod.yield %a : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    %logits = mod.linear %z, %table : (tensor<?x?x2xf32>, tensor<5x2xf32>) -> tensor<?x?x5xf32>
    return %logits : tensor<?x?x5xf32>
  }
}
