// A token whose score is low leaves for the head behind the first layer; the
// others go through two more, which are one routed block. To be short, a layer
// is an attention with one matrix for queries and keys.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>
!square = tensor<32x32xf32>

module attributes {mod.model = {name = "early-exit", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @router(#ml_program.extern : tensor<1x32xf32>) : tensor<1x32xf32>
  ml_program.global private @attention.0.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.0.qk(#ml_program.extern : !square) : !square
  ml_program.global private @attention.1.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.1.qk(#ml_program.extern : !square) : !square
  ml_program.global private @attention.2.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.2.qk(#ml_program.extern : !square) : !square

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %x0 = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden
    %at = mod.positions %tokens : (!tokens) -> !tokens
    %w = ml_program.global_load_const @router : tensor<1x32xf32>
    %g0 = ml_program.global_load_const @attention.0.norm : !scale
    %g1 = ml_program.global_load_const @attention.1.norm : !scale
    %g2 = ml_program.global_load_const @attention.2.norm : !scale
    %w0 = ml_program.global_load_const @attention.0.qk : !square
    %w1 = ml_program.global_load_const @attention.1.qk : !square
    %w2 = ml_program.global_load_const @attention.2.qk : !square

    %n0 = mod.rms_norm %x0, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
    %q0 = mod.linear %n0, %w0 : (!hidden, !square) -> !hidden
    %r0 = mod.rope %q0 at(%at) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
    %a0 = mod.attention %r0, %r0, %n0 heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
    %x1 = arith.addf %x0, %a0 : !hidden

    // x2 = x1 + sigmoid(score) * (both attentions), for the half of the tokens with the largest scores.
    %score = mod.router %x1, %w : (!hidden, tensor<1x32xf32>) -> !scores
    %x2 = mod.routed %x1 by(%score) select(expert_choice, capacity = 0.5) gate(sigmoid) causal(router) {
    ^bb0(%t: !hidden, %positions: !tokens):
      %n1 = mod.rms_norm %t, %g1 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %q1 = mod.linear %n1, %w1 : (!hidden, !square) -> !hidden
      %r1 = mod.rope %q1 at(%positions) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a1 = mod.attention %r1, %r1, %n1 heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
      %t1 = arith.addf %t, %a1 : !hidden
      %n2 = mod.rms_norm %t1, %g2 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %q2 = mod.linear %n2, %w2 : (!hidden, !square) -> !hidden
      %r2 = mod.rope %q2 at(%positions) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a2 = mod.attention %r2, %r2, %n2 heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
      %u = arith.addf %a1, %a2 : !hidden
      mod.yield %u : !hidden
    } : !hidden
    %logits = mod.linear %x2, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %logits : tensor<?x?x256xf32>
  }
}
