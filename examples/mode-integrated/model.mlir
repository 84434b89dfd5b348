// One routing over two experts and one that does nothing: an expert takes the
// quarter of the tokens that prefer it most, the others skip it.

!tokens = tensor<?x?xi32>
!hidden = tensor<?x?x32xf32>
!wide = tensor<?x?x48xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>

module attributes {mod.model = {name = "mode-integrated", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @attention.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.qk(#ml_program.extern : tensor<32x32xf32>) : tensor<32x32xf32>
  ml_program.global private @attention.v(#ml_program.extern : tensor<32x32xf32>) : tensor<32x32xf32>
  ml_program.global private @mlp.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @router(#ml_program.extern : tensor<3x32xf32>) : tensor<3x32xf32>
  ml_program.global private @up.0(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @down.0(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>
  ml_program.global private @up.1(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @down.1(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %g0 = ml_program.global_load_const @attention.norm : !scale
    %wqk = ml_program.global_load_const @attention.qk : tensor<32x32xf32>
    %wv = ml_program.global_load_const @attention.v : tensor<32x32xf32>
    %g1 = ml_program.global_load_const @mlp.norm : !scale
    %w = ml_program.global_load_const @router : tensor<3x32xf32>
    %up0 = ml_program.global_load_const @up.0 : tensor<48x32xf32>
    %down0 = ml_program.global_load_const @down.0 : tensor<32x48xf32>
    %up1 = ml_program.global_load_const @up.1 : tensor<48x32xf32>
    %down1 = ml_program.global_load_const @down.1 : tensor<32x48xf32>
    %x0 = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden
    %n0 = mod.rms_norm %x0, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
    %qk = mod.linear %n0, %wqk : (!hidden, tensor<32x32xf32>) -> !hidden
    %v = mod.linear %n0, %wv : (!hidden, tensor<32x32xf32>) -> !hidden
    %at = mod.positions %tokens : (!tokens) -> !tokens
    %r = mod.rope %qk at(%at) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
    %a = mod.attention %r, %r, %v heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
    %x1 = arith.addf %x0, %a : !hidden

    // Token by token, an expert takes those whose share in it is above 0.4.
    %n1 = mod.rms_norm %x1, %g1 eps(1.0e-5) : (!hidden, !scale) -> !hidden
    %logits = mod.linear %n1, %w : (!hidden, tensor<3x32xf32>) -> tensor<?x?x3xf32>
    %m = mod.experts %n1 by(%logits) capacity(0.25) gate(softmax) causal(above(0.4)) {
    ^bb0(%t: !hidden):
      %h = mod.linear %t, %up0 : (!hidden, tensor<48x32xf32>) -> !wide
      %tanh = math.tanh %h : !wide
      %u = mod.linear %tanh, %down0 : (!wide, tensor<32x48xf32>) -> !hidden
      mod.yield %u : !hidden
    }, {
    ^bb0(%t: !hidden):
      %h = mod.linear %t, %up1 : (!hidden, tensor<48x32xf32>) -> !wide
      %tanh = math.tanh %h : !wide
      %u = mod.linear %tanh, %down1 : (!wide, tensor<32x48xf32>) -> !hidden
      mod.yield %u : !hidden
    } : !hidden, tensor<?x?x3xf32>
    %x2 = arith.addf %x1, %m : !hidden
    %scores = mod.linear %x2, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %scores : tensor<?x?x256xf32>
  }
}
