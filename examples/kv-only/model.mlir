// Tokens that skip the block still have keys and values in it, so that the
// others see all tokens before them.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!wide = tensor<?x?x48xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>

module attributes {mod.model = {name = "kv-only", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @router(#ml_program.extern : tensor<1x32xf32>) : tensor<1x32xf32>
  ml_program.global private @attention.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.qk(#ml_program.extern : tensor<32x32xf32>) : tensor<32x32xf32>
  ml_program.global private @attention.v(#ml_program.extern : tensor<32x32xf32>) : tensor<32x32xf32>
  ml_program.global private @mlp.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @mlp.up(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @mlp.down(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %w = ml_program.global_load_const @router : tensor<1x32xf32>
    %g0 = ml_program.global_load_const @attention.norm : !scale
    %wqk = ml_program.global_load_const @attention.qk : tensor<32x32xf32>
    %wv = ml_program.global_load_const @attention.v : tensor<32x32xf32>
    %g1 = ml_program.global_load_const @mlp.norm : !scale
    %up = ml_program.global_load_const @mlp.up : tensor<48x32xf32>
    %down = ml_program.global_load_const @mlp.down : tensor<32x48xf32>
    %x = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden
    %at = mod.positions %tokens : (!tokens) -> !tokens

    // Keys and values of all tokens.
    %n = mod.rms_norm %x, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
    %kn = mod.linear %n, %wqk : (!hidden, tensor<32x32xf32>) -> !hidden
    %k = mod.rope %kn at(%at) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
    %v = mod.linear %n, %wv : (!hidden, tensor<32x32xf32>) -> !hidden

    // Queries and the MLP of a quarter of them.
    %score = mod.router %x, %w : (!hidden, tensor<1x32xf32>) -> !scores
    %y = mod.routed %x by(%score) select(expert_choice, capacity = 0.25) gate(sigmoid) causal(router) {
    ^bb0(%t: !hidden, %positions: !tokens):
      %n0 = mod.rms_norm %t, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %qn = mod.linear %n0, %wqk : (!hidden, tensor<32x32xf32>) -> !hidden
      %q = mod.rope %qn at(%positions) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a = mod.attention %q, %k, %v at(%positions) heads(4) kv_heads(4)
          : (!hidden, !hidden, !hidden, !tokens) -> !hidden
      %t1 = arith.addf %t, %a : !hidden
      %n1 = mod.rms_norm %t1, %g1 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %h = mod.linear %n1, %up : (!hidden, tensor<48x32xf32>) -> !wide
      %c = math.tanh %h : !wide
      %m = mod.linear %c, %down : (!wide, tensor<32x48xf32>) -> !hidden
      %u = arith.addf %a, %m : !hidden
      mod.yield %u : !hidden
    } : !hidden
    %logits = mod.linear %y, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %logits : tensor<?x?x256xf32>
  }
}
