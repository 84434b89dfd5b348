// A language model over bytes in two layers: attention for every token, then an
// MLP for the quarter of the tokens that a router picks.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>

module attributes {mod.model = {name = "fifty-lines", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @attention.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.qk(#ml_program.extern : tensor<32x32xf32>) : tensor<32x32xf32>
  ml_program.global private @attention.v(#ml_program.extern : tensor<32x32xf32>) : tensor<32x32xf32>
  ml_program.global private @router(#ml_program.extern : tensor<1x32xf32>) : tensor<1x32xf32>
  ml_program.global private @mlp.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @mlp.up(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @mlp.down(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %x0 = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden

    // x1 = x0 + attention(rms_norm(x0)): four heads of eight, queries that are keys too.
    %g0 = ml_program.global_load_const @attention.norm : !scale
    %n0 = mod.rms_norm %x0, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
    %wqk = ml_program.global_load_const @attention.qk : tensor<32x32xf32>
    %wv = ml_program.global_load_const @attention.v : tensor<32x32xf32>
    %qk = mod.linear %n0, %wqk : (!hidden, tensor<32x32xf32>) -> !hidden
    %v = mod.linear %n0, %wv : (!hidden, tensor<32x32xf32>) -> !hidden
    %at = mod.positions %tokens : (!tokens) -> !tokens
    %r = mod.rope %qk at(%at) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
    %a = mod.attention %r, %r, %v heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
    %x1 = arith.addf %x0, %a : !hidden

    // x2 = x1 + sigmoid(score) tanh(rms_norm(x1) up) down, for the tokens selected.
    %w = ml_program.global_load_const @router : tensor<1x32xf32>
    %score = mod.router %x1, %w : (!hidden, tensor<1x32xf32>) -> !scores
    %x2 = mod.routed %x1 by(%score) select(expert_choice, capacity = 0.25) gate(sigmoid) causal(router) {
    ^bb0(%t: !hidden, %positions: !tokens):
      %g1 = ml_program.global_load_const @mlp.norm : !scale
      %n1 = mod.rms_norm %t, %g1 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %up = ml_program.global_load_const @mlp.up : tensor<48x32xf32>
      %h = mod.linear %n1, %up : (!hidden, tensor<48x32xf32>) -> tensor<?x?x48xf32>
      %tanh = math.tanh %h : tensor<?x?x48xf32>
      %down = ml_program.global_load_const @mlp.down : tensor<32x48xf32>
      %update = mod.linear %tanh, %down : (tensor<?x?x48xf32>, tensor<32x48xf32>) -> !hidden
      mod.yield %update : !hidden
    } : !hidden

    // The head is the embedding table again.
    %logits = mod.linear %x2, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %logits : tensor<?x?x256xf32>
  }
}
