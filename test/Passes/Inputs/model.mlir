// A dense layer and a routed one, each an attention alone.
module attributes {mod.model = {context = 9 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x5xf32> {
    %table = arith.constant dense<1.0> : tensor<5x6xf32>
    %w = arith.constant dense<1.0> : tensor<1x6xf32>
    %norm = arith.constant dense<1.0> : tensor<6xf32>
    %kv = arith.constant dense<1.0> : tensor<3x6xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x6xf32>) -> tensor<?x?x6xf32>
    %k = mod.linear %x, %kv : (tensor<?x?x6xf32>, tensor<3x6xf32>) -> tensor<?x?x3xf32>
    %a = mod.attention %x, %k, %k heads(2) kv_heads(1)
        : (tensor<?x?x6xf32>, tensor<?x?x3xf32>, tensor<?x?x3xf32>) -> tensor<?x?x6xf32>
    %sum = arith.addf %x, %a : tensor<?x?x6xf32>
    %r = mod.router %sum, %w : (tensor<?x?x6xf32>, tensor<1x6xf32>) -> tensor<?x?xf32>
    %y = mod.routed %sum by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
    ^bb0(%t: tensor<?x?x6xf32>, %positions: tensor<?x?xi32>):
      %q = mod.rope %t at(%positions) heads(1) theta(1.0e4) : (tensor<?x?x6xf32>, tensor<?x?xi32>) -> tensor<?x?x6xf32>
      %u = mod.attention %q, %q, %t heads(1) kv_heads(1)
          : (tensor<?x?x6xf32>, tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
      mod.yield %u : tensor<?x?x6xf32>
    } : tensor<?x?x6xf32>
    %n = mod.rms_norm %y, %norm eps(1.0e-5) : (tensor<?x?x6xf32>, tensor<6xf32>) -> tensor<?x?x6xf32>
    %l = mod.linear %n, %table : (tensor<?x?x6xf32>, tensor<5x6xf32>) -> tensor<?x?x5xf32>
    return %l : tensor<?x?x5xf32>
  }
}
