// Attention is routed for a sequence as one: the mean of its prompt's scores
// says whether its tokens attend, those that follow too.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>
!square = tensor<32x32xf32>

module attributes {mod.model = {name = "sequence", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @router(#ml_program.extern : tensor<1x32xf32>) : tensor<1x32xf32>
  ml_program.global private @attention.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.qk(#ml_program.extern : !square) : !square
  ml_program.global private @attention.v(#ml_program.extern : !square) : !square
  ml_program.global private @mlp.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @mlp.up(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @mlp.down(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %w = ml_program.global_load_const @router : tensor<1x32xf32>
    %g0 = ml_program.global_load_const @attention.norm : !scale
    %wqk = ml_program.global_load_const @attention.qk : !square
    %wv = ml_program.global_load_const @attention.v : !square
    %g1 = ml_program.global_load_const @mlp.norm : !scale
    %up = ml_program.global_load_const @mlp.up : tensor<48x32xf32>
    %down = ml_program.global_load_const @mlp.down : tensor<32x48xf32>
    %x0 = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden

    // The router reads what the norm gives; sigmoid(mean) >= 0.5 lets all attend.
    %n = mod.rms_norm %x0, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
    %score = mod.router %n, %w : (!hidden, tensor<1x32xf32>) -> !scores
    %mean = mod.pool mean %score : (!scores) -> !scores
    %x1 = mod.routed %x0 by(%mean) select(causal, capacity = 1.0) gate(none) causal(router, at_least = 0.0) {
    ^bb0(%t: !hidden, %positions: !tokens):
      %na = mod.rms_norm %t, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %qk = mod.linear %na, %wqk : (!hidden, !square) -> !hidden
      %v = mod.linear %na, %wv : (!hidden, !square) -> !hidden
      %r = mod.rope %qk at(%positions) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a = mod.attention %r, %r, %v heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
      mod.yield %a : !hidden
    } : !hidden

    %m = mod.rms_norm %x1, %g1 eps(1.0e-5) : (!hidden, !scale) -> !hidden
    %h = mod.linear %m, %up : (!hidden, tensor<48x32xf32>) -> tensor<?x?x48xf32>
    %tanh = math.tanh %h : tensor<?x?x48xf32>
    %u = mod.linear %tanh, %down : (tensor<?x?x48xf32>, tensor<32x48xf32>) -> !hidden
    %x2 = arith.addf %x1, %u : !hidden
    %logits = mod.linear %x2, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %logits : tensor<?x?x256xf32>
  }
}
