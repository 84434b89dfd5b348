// One layer that tokens go through up to twice: half of them once, and half of
// these again. Both times the weights are the same; the routers and the KV
// caches are not. To be short, a layer is an attention with one matrix for
// queries and keys.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>
!square = tensor<32x32xf32>
!row = tensor<1x32xf32>

module attributes {mod.model = {name = "recursion", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @router.0(#ml_program.extern : !row) : !row
  ml_program.global private @router.1(#ml_program.extern : !row) : !row
  ml_program.global private @attention.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.qk(#ml_program.extern : !square) : !square

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %w0 = ml_program.global_load_const @router.0 : !row
    %w1 = ml_program.global_load_const @router.1 : !row
    %g = ml_program.global_load_const @attention.norm : !scale
    %w = ml_program.global_load_const @attention.qk : !square
    %x0 = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden

    // x1 = x0 + 0.1 sigmoid(score) (x0 + attention), and %members says for whom.
    %score0 = mod.router %x0, %w0 : (!hidden, !row) -> !scores
    %x1, %members = mod.routed %x0 by(%score0) select(expert_choice, capacity = 0.5) gate(sigmoid, scale = 0.1) causal(router) members {
    ^bb0(%t: !hidden, %at: !tokens):
      %n = mod.rms_norm %t, %g eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %q = mod.linear %n, %w : (!hidden, !square) -> !hidden
      %r = mod.rope %q at(%at) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a = mod.attention %r, %r, %n heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
      %b = arith.addf %t, %a : !hidden
      mod.yield %b : !hidden
    } : !hidden

    // Again, for a quarter of all tokens: scores of others than members are -inf.
    %score1 = mod.router %x1, %w1 : (!hidden, !row) -> !scores
    %order = arith.addf %score1, %members : !scores
    %x2 = mod.routed %x1 by(%order) select(expert_choice, capacity = 0.25) gate(sigmoid, scale = 0.1) by(%score1) causal(router) {
    ^bb0(%t: !hidden, %at: !tokens):
      %n = mod.rms_norm %t, %g eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %q = mod.linear %n, %w : (!hidden, !square) -> !hidden
      %r = mod.rope %q at(%at) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a = mod.attention %r, %r, %n heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
      %b = arith.addf %t, %a : !hidden
      mod.yield %b : !hidden
    } : !hidden
    %logits = mod.linear %x2, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %logits : tensor<?x?x256xf32>
  }
}
