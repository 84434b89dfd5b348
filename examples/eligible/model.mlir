// Only some tokens may be skipped, here those from 128 on, as if they were of an
// image. Half of these go through the MLP; all others do in any case.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>

module attributes {mod.model = {name = "eligible", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @router(#ml_program.extern : tensor<1x32xf32>) : tensor<1x32xf32>
  ml_program.global private @mlp.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @mlp.up(#ml_program.extern : tensor<48x32xf32>) : tensor<48x32xf32>
  ml_program.global private @mlp.down(#ml_program.extern : tensor<32x48xf32>) : tensor<32x48xf32>

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %w = ml_program.global_load_const @router : tensor<1x32xf32>
    %g = ml_program.global_load_const @mlp.norm : !scale
    %up = ml_program.global_load_const @mlp.up : tensor<48x32xf32>
    %down = ml_program.global_load_const @mlp.down : tensor<32x48xf32>
    %image = arith.constant 128 : i32
    %infinity = arith.constant 0x7F800000 : f32
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %x = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden

    // Scores of tokens that may not be skipped are infinite.
    %score = mod.router %x, %w : (!hidden, tensor<1x32xf32>) -> !scores
    %batch = tensor.dim %score, %c0 : !scores
    %n = tensor.dim %score, %c1 : !scores
    %empty = tensor.empty(%batch, %n) : !scores
    %order = linalg.map ins(%score, %tokens : !scores, !tokens) outs(%empty : !scores)
      (%s: f32, %token: i32, %unused: f32) {
        %is_text = arith.cmpi slt, %token, %image : i32
        %forced = arith.select %is_text, %infinity, %s : f32
        linalg.yield %forced : f32
      }
    %y = mod.routed %x by(%order) select(expert_choice, capacity = 0.5, forced) gate(tanh) by(%score) causal(router) {
    ^bb0(%t: !hidden, %positions: !tokens):
      %m = mod.rms_norm %t, %g eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %h = mod.linear %m, %up : (!hidden, tensor<48x32xf32>) -> tensor<?x?x48xf32>
      %tanh = math.tanh %h : tensor<?x?x48xf32>
      %u = mod.linear %tanh, %down : (tensor<?x?x48xf32>, tensor<32x48xf32>) -> !hidden
      mod.yield %u : !hidden
    } : !hidden
    %logits = mod.linear %y, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %logits : tensor<?x?x256xf32>
  }
}
