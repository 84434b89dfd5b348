// A token goes through the layer where the first of two outputs of its router is
// not below the second; the first two tokens of a sequence do in any case.

!tokens = tensor<?x?xi32>
!scores = tensor<?x?xf32>
!hidden = tensor<?x?x32xf32>
!table = tensor<256x32xf32>
!scale = tensor<32xf32>
!square = tensor<32x32xf32>

module attributes {mod.model = {name = "first-tokens", context = 64 : i64, tokenizer = "bytes"}} {
  ml_program.global private @embedding(#ml_program.extern : !table) : !table
  ml_program.global private @router(#ml_program.extern : tensor<2x32xf32>) : tensor<2x32xf32>
  ml_program.global private @attention.norm(#ml_program.extern : !scale) : !scale
  ml_program.global private @attention.qk(#ml_program.extern : !square) : !square

  func.func @forward(%tokens: !tokens) -> tensor<?x?x256xf32> {
    %embedding = ml_program.global_load_const @embedding : !table
    %outputs = ml_program.global_load_const @router : tensor<2x32xf32>
    %g = ml_program.global_load_const @attention.norm : !scale
    %w = ml_program.global_load_const @attention.qk : !square
    %two = arith.constant 2 : i32
    %infinity = arith.constant 0x7F800000 : f32
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %x = mod.embedding %tokens, %embedding : (!tokens, !table) -> !hidden
    %at = mod.positions %tokens : (!tokens) -> !tokens

    // How far the first output is above the second, infinitely for the first tokens.
    %takes = tensor.extract_slice %outputs[0, 0] [1, 32] [1, 1] : tensor<2x32xf32> to tensor<1x32xf32>
    %skips = tensor.extract_slice %outputs[1, 0] [1, 32] [1, 1] : tensor<2x32xf32> to tensor<1x32xf32>
    %difference = arith.subf %takes, %skips : tensor<1x32xf32>
    %score = mod.router %x, %difference : (!hidden, tensor<1x32xf32>) -> !scores
    %batch = tensor.dim %score, %c0 : !scores
    %n = tensor.dim %score, %c1 : !scores
    %empty = tensor.empty(%batch, %n) : !scores
    %order = linalg.map ins(%score, %at : !scores, !tokens) outs(%empty : !scores)
      (%s: f32, %position: i32, %unused: f32) {
        %is_first = arith.cmpi slt, %position, %two : i32
        %forced = arith.select %is_first, %infinity, %s : f32
        linalg.yield %forced : f32
      }
    %y = mod.routed %x by(%order) select(causal, capacity = 1.0) gate(none) causal(router, at_least = 0.0) {
    ^bb0(%t: !hidden, %positions: !tokens):
      %na = mod.rms_norm %t, %g eps(1.0e-5) : (!hidden, !scale) -> !hidden
      %q = mod.linear %na, %w : (!hidden, !square) -> !hidden
      %r = mod.rope %q at(%positions) heads(4) theta(1.0e4) : (!hidden, !tokens) -> !hidden
      %a = mod.attention %r, %r, %na heads(4) kv_heads(4) : (!hidden, !hidden, !hidden) -> !hidden
      mod.yield %a : !hidden
    } : !hidden
    %logits = mod.linear %y, %embedding : (!hidden, !table) -> tensor<?x?x256xf32>
    return %logits : tensor<?x?x256xf32>
  }
}
