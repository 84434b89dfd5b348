// First a router says which half of the tokens take part, then a second one to
// which of two experts each of these goes.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!wide = tensor<?x?x48xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>

module attributes {mod.model = {name = "mode-staged", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @router(#ml_program.extern : tensor<1x32xf32>) : tensor<1x32xf32>
  ml_program.global private @attention.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.qk(#ml_program.extern : tensor<32x32xf32>) : tensor<32x32xf32>
  ml_program.global private @mlp.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @experts(#ml_program.extern : tensor<2x32xf32>) : tensor<2x32xf32>
  ml_program.global private @up.0(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @down.0(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>
  ml_program.global private @up.1(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @down.1(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %w = ml_program.global_load_const @router : tensor<1x32xf32>
    %g0 = ml_program.global_load_const @attention.norm : !scale
    %wqk = ml_program.global_load_const @attention.qk : tensor<32x32xf32>
    %g1 = ml_program.global_load_const @mlp.norm : !scale
    %we = ml_program.global_load_const @experts : tensor<2x32xf32>
    %up0 = ml_program.global_load_const @up.0 : tensor<48x32xf32>
    %down0 = ml_program.global_load_const @down.0 : tensor<32x48xf32>
    %up1 = ml_program.global_load_const @up.1 : tensor<48x32xf32>
    %down1 = ml_program.global_load_const @down.1 : tensor<32x48xf32>
    %x = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden
    %score = mod.router %x, %w : (!hidden, tensor<1x32xf32>) -> !scores
    %y = mod.routed %x by(%score) select(expert_choice, capacity = 0.5) gate(sigmoid) causal(router) {
    ^bb0(%t: !hidden, %at: !tokens):
      %n0 = mod.rms_norm %t, %g0 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %qk = mod.linear %n0, %wqk : (!hidden, tensor<32x32xf32>) -> !hidden
      %r = mod.rope %qk at(%at) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a = mod.attention %r, %r, %n0 heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
      %t1 = arith.addf %t, %a : !hidden
      %n1 = mod.rms_norm %t1, %g1 eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %logits = mod.linear %n1, %we : (!hidden, tensor<2x32xf32>) -> tensor<?x?x2xf32>
      %m = mod.experts %n1 by(%logits) top(1) gate(softmax) {
      ^bb0(%e: !hidden):
        %h0 = mod.linear %e, %up0 : (!hidden, tensor<48x32xf32>) -> !wide
        %u0 = mod.linear %h0, %down0 : (!wide, tensor<32x48xf32>) -> !hidden
        mod.yield %u0 : !hidden
      }, {
      ^bb0(%e: !hidden):
        %h1 = mod.linear %e, %up1 : (!hidden, tensor<48x32xf32>) -> !wide
        %u1 = mod.linear %h1, %down1 : (!wide, tensor<32x48xf32>) -> !hidden
        mod.yield %u1 : !hidden
      } : !hidden, tensor<?x?x2xf32>
      %u = arith.addf %a, %m : !hidden
      mod.yield %u : !hidden
    } : !hidden
    %next = mod.linear %y, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %next : tensor<?x?x256xf32>
  }
}
