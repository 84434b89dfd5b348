// RUN: mod-opt %s --split-input-file --verify-diagnostics

// One case for each error of routing.

func.func @router(%x: tensor<1x8x16xf32>, %w: tensor<2x16xf32>) {
  // expected-error @below {{weight has 2 in dimension 0, expected 1}}
  %0 = mod.router %x, %w : (tensor<1x8x16xf32>, tensor<2x16xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @router(%x: tensor<1x8x16xf32>, %w: tensor<1x8xf32>) {
  // expected-error @below {{weight has 8 in dimension 1, expected 16}}
  %0 = mod.router %x, %w : (tensor<1x8x16xf32>, tensor<1x8xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @router(%x: tensor<1x8x16xf32>, %w: tensor<1x16xf32>, %b: tensor<2xf32>) {
  // expected-error @below {{bias has 2 in dimension 0, expected 1}}
  %0 = mod.router %x, %w bias(%b) : (tensor<1x8x16xf32>, tensor<1x16xf32>, tensor<2xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @router(%x: tensor<1x8x16xf32>, %w: tensor<1x16xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8xf32>', not 'tensor<1x4xf32>'}}
  %0 = mod.router %x, %w : (tensor<1x8x16xf32>, tensor<1x16xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @predictor(%x: tensor<1x8x16xf32>, %w0: tensor<4x8xf32>, %b0: tensor<4xf32>, %w2: tensor<1x4xf32>, %b2: tensor<1xf32>) {
  // expected-error @below {{down_weight has 8 in dimension 1, expected 16}}
  %0 = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<1x8x16xf32>, tensor<4x8xf32>, tensor<4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @predictor(%x: tensor<1x8x16xf32>, %w0: tensor<4x16xf32>, %b0: tensor<5xf32>, %w2: tensor<1x4xf32>, %b2: tensor<1xf32>) {
  // expected-error @below {{down_bias has 5 in dimension 0, expected 4}}
  %0 = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<1x8x16xf32>, tensor<4x16xf32>, tensor<5xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @predictor(%x: tensor<1x8x16xf32>, %w0: tensor<4x16xf32>, %b0: tensor<4xf32>, %w2: tensor<2x4xf32>, %b2: tensor<1xf32>) {
  // expected-error @below {{up_weight has 2 in dimension 0, expected 1}}
  %0 = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<1x8x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<2x4xf32>, tensor<1xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @predictor(%x: tensor<1x8x16xf32>, %w0: tensor<4x16xf32>, %b0: tensor<4xf32>, %w2: tensor<1x5xf32>, %b2: tensor<1xf32>) {
  // expected-error @below {{up_weight has 5 in dimension 1, expected 4}}
  %0 = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<1x8x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<1x5xf32>, tensor<1xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @predictor(%x: tensor<1x8x16xf32>, %w0: tensor<4x16xf32>, %b0: tensor<4xf32>, %w2: tensor<1x4xf32>, %b2: tensor<4xf32>) {
  // expected-error @below {{up_bias has 4 in dimension 0, expected 1}}
  %0 = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<1x8x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<1x4xf32>, tensor<4xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @predictor(%x: tensor<1x8x16xf32>, %w0: tensor<4x16xf32>, %b0: tensor<4xf32>, %w2: tensor<1x4xf32>, %b2: tensor<1xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8xf32>', not 'tensor<1x9xf32>'}}
  %0 = mod.predictor %x, %w0, %b0, %w2, %b2 : (tensor<1x8x16xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<1x9xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{capacity as a count must be at least 1, not 0}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{capacity as a ratio must be in (0, 1], not 0.000000e+00}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.0) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{capacity as a ratio must be in (0, 1], not 1.500000e+00}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 1.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{capacity of 9 exceeds the 8 tokens}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 9) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{takes the predictor's logits if and only if the predictor routes}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(predictor) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{takes the predictor's logits if and only if the predictor routes}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router, %r) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{region takes the selected tokens, their positions and, if it asks for them, the scores of the gate}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{region's tokens must be rows of 'tensor<1x8x16xf32>'}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x8xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x8xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{region's positions must be one 'i32' per token}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x4xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{region's scores must be one 'f32' per token}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(none) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>, %s: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>, %s: tensor<1x4xf32>) {
  // expected-error @below {{gate_scores has 4 in dimension 1, expected 8}}
  %0 = "mod.routed"(%x, %r, %s) <{
      selection = #mod<selection expert_choice>, capacity = 4 : i64, gate = #mod.gate<raw, scale = 0.5>,
      causal = #mod<causal router>, operandSegmentSizes = array<i32: 1, 1, 1, 0>}> ({
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  }, {}) : (tensor<1x8x16xf32>, tensor<1x8xf32>, tensor<1x4xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{expected 'scale' or 'bias'}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw, times = 2.0) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{region must end with 'mod.yield'}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    ub.unreachable
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{unknown case 'best'}}
  %0 = mod.routed %x by(%r) select(best, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{expected a [batch, tokens, width] tensor}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8xf32>
  return
}

// -----

func.func @yield(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    // expected-error @below {{gives 'tensor<1x8x16xf32>', expected 'tensor<1x?x16xf32>'}}
    mod.yield %x : tensor<1x8x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

// Keys of tokens that were not selected, through a product in the block.

// expected-note @below {{these are from outside}}
func.func @attention_outside(%x: tensor<1x?x16xf32>, %r: tensor<1x?xf32>, %w: tensor<16x16xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    %k = mod.linear %x, %w : (tensor<1x?x16xf32>, tensor<16x16xf32>) -> tensor<1x?x16xf32>
    // expected-error @below {{in a routed block may only see the block's tokens}}
    %a = mod.attention %t, %k, %k heads(2) kv_heads(2) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
    mod.yield %a : tensor<1x?x16xf32>
  } : tensor<1x?x16xf32>
  return
}

// -----

func.func @prefill(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{routes prompts by top_k, but selects each token by itself}}
  %0 = mod.routed %x by(%r) select(causal, capacity = 0.5) gate(raw) causal(router, prefill = top_k) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @prefill(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{takes the predictor's logits if and only if the predictor routes}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router, prefill = predictor) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @prefill(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{unknown case 'best'}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router, prefill = best) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

// Attention to all tokens is at the positions of those of the block, over keys
// and values that all tokens have.

func.func @attention_at(%x: tensor<1x?x16xf32>, %r: tensor<1x?xf32>, %all: tensor<1x?xi32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    // expected-error @below {{in a routed block must be at the positions of the block's tokens}}
    %a = mod.attention %t, %x, %x at(%all) heads(2) kv_heads(2) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    mod.yield %a : tensor<1x?x16xf32>
  } : tensor<1x?x16xf32>
  return
}

// -----

func.func @attention_at(%x: tensor<1x?x16xf32>, %r: tensor<1x?xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    // expected-error @below {{at positions needs keys and values of all tokens, from outside of the routed block}}
    %a = mod.attention %t, %x, %t at(%p) heads(2) kv_heads(2) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    mod.yield %a : tensor<1x?x16xf32>
  } : tensor<1x?x16xf32>
  return
}

// -----

func.func @attention_at(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>, %k: tensor<1x7x16xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    // expected-error @below {{key has 7 in dimension 1, expected 8}}
    %a = mod.attention %t, %k, %k at(%p) heads(2) kv_heads(2) : (tensor<1x?x16xf32>, tensor<1x7x16xf32>, tensor<1x7x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    mod.yield %a : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

// Queries are those of the block all the same.

// expected-note @below {{these are from outside}}
func.func @attention_at(%x: tensor<1x?x16xf32>, %r: tensor<1x?xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    // expected-error @below {{in a routed block may only see the block's tokens}}
    %a = mod.attention %x, %x, %x at(%p) heads(2) kv_heads(2) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    mod.yield %a : tensor<1x?x16xf32>
  } : tensor<1x?x16xf32>
  return
}

// -----

// A packed weight has rank 3, but it is no token.

func.func @attention_inside(%x: tensor<1x?x16xf32>, %r: tensor<1x?xf32>, %w: tensor<2x16x8xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    %k = mod.linear %t, %w : (tensor<1x?x16xf32>, tensor<2x16x8xf32>) -> tensor<1x?x16xf32>
    %s = arith.addf %k, %t : tensor<1x?x16xf32>
    %a = mod.attention %s, %k, %k heads(2) kv_heads(2) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
    mod.yield %a : tensor<1x?x16xf32>
  } : tensor<1x?x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{has a threshold that nothing is compared with}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(always, above = 0.5) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{capacity as a ratio must be in (0, 1], not 1.250000e+00}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = ceil(1.25)) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{expected 'ties'}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5, equal = all) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{region's tokens must be rows of 'tensor<1x8x16xf32>'}}
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } bypass {
  ^bb0(%t: tensor<1x?x8xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x8xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @bypass(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  } bypass {
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    // expected-error @below {{in a bypass: skipped tokens do not attend}}
    %a = mod.attention %t, %t, %t heads(2) kv_heads(2) : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
    mod.yield %a : tensor<1x?x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @noise(%p: tensor<1x8xi32>) {
  // expected-error @below {{gives values like 'tensor<1x8xf32>', not 'tensor<1x4xf32>'}}
  %0 = mod.noise %p seed(3) : (tensor<1x8xi32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{selects by 'top_k', by a threshold or by both}}
  %0, %n = mod.select rest %r : (tensor<1x8xf32>) -> (tensor<1x3xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{has ties and forced scores with 'top_k' only}}
  %0, %n = "mod.select"(%r) <{forced, threshold = #mod.threshold<above = 0.5>}> : (tensor<1x8xf32>) -> (tensor<1x8xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{selects up to 8 tokens, but has room for 3}}
  %0, %n = mod.select top_k(2, forced) %r : (tensor<1x8xf32>) -> (tensor<1x3xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{selects up to 8 tokens, but has room for 3}}
  %0, %n = mod.select rest top_k(2) positive %r : (tensor<1x8xf32>) -> (tensor<1x3xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{selects up to 7 tokens, but has room for 3}}
  %0, %n = mod.select top_k(0.25, ties = none) %r : (tensor<1x8xf32>) -> (tensor<1x3xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{capacity as a count must be at least 1, not 0}}
  %0, %n = mod.select top_k(0) %r : (tensor<1x8xf32>) -> (tensor<1x4xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<2x8xf32>) {
  // expected-error @below {{scores has 2 in dimension 0, expected 1}}
  %0, %n = mod.select top_k(0.5) %r : (tensor<2x8xf32>) -> (tensor<1x4xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{needs room for a static number of indices of one sequence, not 'tensor<1x?xi32>'}}
  %0, %n = mod.select top_k(0.5) %r : (tensor<1x8xf32>) -> (tensor<1x?xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{needs room for a static number of indices of one sequence, not 'tensor<2x4xi32>'}}
  %0, %n = mod.select top_k(0.5) %r : (tensor<1x8xf32>) -> (tensor<2x4xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{selects up to 4 tokens, but has room for 3}}
  %0, %n = mod.select top_k(0.5) %r : (tensor<1x8xf32>) -> (tensor<1x3xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{selects up to 8 tokens, but has room for 4}}
  %0, %n = mod.select top_k(9) %r : (tensor<1x8xf32>) -> (tensor<1x4xi32>, index)
  return
}

// -----

func.func @select(%r: tensor<1x8xf32>) {
  // expected-error @below {{selects up to 8 tokens, but has room for 4}}
  %0, %n = mod.select positive %r : (tensor<1x8xf32>) -> (tensor<1x4xi32>, index)
  return
}

// -----

func.func @gather(%x: tensor<1x8x16xf32>, %i: tensor<2x4xi32>) {
  // expected-error @below {{indices has 2 in dimension 0, expected 1}}
  %0 = mod.gather %x at(%i) : (tensor<1x8x16xf32>, tensor<2x4xi32>) -> tensor<1x4x16xf32>
  return
}

// -----

func.func @gather(%x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>) {
  // expected-error @below {{gives values like 'tensor<1x4x16xf32>', not 'tensor<1x8x16xf32>'}}
  %0 = mod.gather %x at(%i) : (tensor<1x8x16xf32>, tensor<1x4xi32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @gather(%x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>) {
  // expected-error @below {{gives values like 'tensor<1x4x16xf32>', not 'tensor<1x4x16xbf16>'}}
  %0 = mod.gather %x at(%i) : (tensor<1x8x16xf32>, tensor<1x4xi32>) -> tensor<1x4x16xbf16>
  return
}

// -----

func.func @scatter(%u: memref<1x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{mixes tensors and memrefs}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (memref<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @scatter(%u: memref<1x4x16xf32>, %x: memref<1x8x16xf32>, %i: memref<1x4xi32>, %r: memref<1x8xf32>) {
  // expected-error @below {{on memrefs has no result}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (memref<1x4x16xf32>, memref<1x8x16xf32>, memref<1x4xi32>, memref<1x8xf32>) -> memref<1x8x16xf32>
  return
}

// -----

func.func @scatter(%u: tensor<1x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{on tensors needs a result}}
  mod.scatter %u into %x at(%i) gate(raw) by(%r) : (tensor<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> ()
  return
}

// -----

func.func @scatter(%u: tensor<1x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{gives 'tensor<1x8x16xf32>', not 'tensor<1x4x16xf32>'}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (tensor<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x4x16xf32>
  return
}

// -----

func.func @scatter(%u: tensor<1x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x5xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{update has 4 in dimension 1, expected 5}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (tensor<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x5xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @scatter(%u: tensor<1x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x4xf32>) {
  // expected-error @below {{scores has 4 in dimension 1, expected 8}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (tensor<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x4xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @scatter(%u: tensor<1x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{gates each token by its own score, which 'softmax_topk' does not: expected mod.softmax and gate(raw)}}
  %0 = mod.scatter %u into %x at(%i) gate(softmax_topk) by(%r) : (tensor<1x4x16xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @softmax(%r: tensor<1x8xf32>, %i: tensor<2x4xi32>) {
  // expected-error @below {{indices has 2 in dimension 0, expected 1}}
  %0 = mod.softmax %r over(%i) : (tensor<1x8xf32>, tensor<2x4xi32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @softmax(%r: tensor<1x8xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8xf32>', not 'tensor<1x4xf32>'}}
  %0 = mod.softmax %r : (tensor<1x8xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @scatter(%u: tensor<2x4x16xf32>, %x: tensor<1x8x16xf32>, %i: tensor<2x4xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{update has 2 in dimension 0, expected 1}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (tensor<2x4x16xf32>, tensor<1x8x16xf32>, tensor<2x4xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @scatter(%u: tensor<1x4x8xf32>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{update has 8 in dimension 2, expected 16}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (tensor<1x4x8xf32>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @scatter(%u: tensor<1x4x16xbf16>, %x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{update has elements of 'bf16', expected 'f32'}}
  %0 = mod.scatter %u into %x at(%i) gate(raw) by(%r) : (tensor<1x4x16xbf16>, tensor<1x8x16xf32>, tensor<1x4xi32>, tensor<1x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

// The text gives scores and logits as many tokens as x.
func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x7xf32>) {
  // expected-error @below {{scores has 7 in dimension 1, expected 8}}
  %0 = "mod.routed"(%x, %r) <{capacity = 0.5 : f64, causal = #mod<causal router>, gate = #mod.gate<raw>, operandSegmentSizes = array<i32: 1, 1, 0, 0>, selection = #mod<selection expert_choice>, ties = #mod<ties first>}> ({
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  }, {}) : (tensor<1x8x16xf32>, tensor<1x7xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @routed(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>, %l: tensor<1x7xf32>) {
  // expected-error @below {{logits has 7 in dimension 1, expected 8}}
  %0 = "mod.routed"(%x, %r, %l) <{capacity = 0.5 : f64, causal = #mod<causal predictor>, gate = #mod.gate<raw>, operandSegmentSizes = array<i32: 1, 1, 0, 1>, selection = #mod<selection expert_choice>, ties = #mod<ties first>}> ({
  ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x16xf32>
  }, {}) : (tensor<1x8x16xf32>, tensor<1x8xf32>, tensor<1x7xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @yield(%x: tensor<1x8x16xf32>) {
  // expected-error @below {{expects parent op to be one of 'mod.routed, mod.experts'}}
  mod.yield %x : tensor<1x8x16xf32>
}

// -----

func.func @members(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  // expected-error @below {{members has 4 in dimension 1, expected 8}}
  %0, %1 = "mod.routed"(%x, %r) <{capacity = 4 : i64, causal = #mod<causal router>, gate = #mod.gate<raw>, operandSegmentSizes = array<i32: 1, 1, 0, 0>, selection = #mod<selection expert_choice>}> ({
  ^bb0(%t: tensor<1x4x16xf32>, %p: tensor<1x4xi32>):
    mod.yield %t : tensor<1x4x16xf32>
  }, {}) : (tensor<1x8x16xf32>, tensor<1x8xf32>) -> (tensor<1x8x16xf32>, tensor<1x4xf32>)
  return
}

// -----

func.func @members(%i: tensor<1x4xi32>) {
  // expected-error @below {{needs a destination, whose tokens it marks}}
  %0 = "mod.members"(%i) : (tensor<1x4xi32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @members(%i: tensor<2x4xi32>, %m: tensor<1x8xf32>) {
  // expected-error @below {{indices has 2 in dimension 0, expected 1}}
  %0 = mod.members %i into(%m) : (tensor<2x4xi32>, tensor<1x8xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @pool(%r: tensor<1x8xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8xf32>', not 'tensor<1x4xf32>'}}
  %0 = mod.pool mean %r : (tensor<1x8xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @pool(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 4) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x4x16xf32>, %p: tensor<1x4xi32>, %s: tensor<1x4xf32>):
    // expected-error @below {{speaks for a sequence, of which a routed block has some tokens only}}
    %1 = mod.pool mean %s : (tensor<1x4xf32>) -> tensor<1x4xf32>
    mod.yield %t : tensor<1x4x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @among(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>, %p: tensor<1x4xi32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 4) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x4x16xf32>, %own: tensor<1x4xi32>):
    // expected-error @below {{in a routed block must be at the positions of the block's tokens}}
    %a = mod.attention %t, %t, %t among(%p) heads(4) kv_heads(4) window(3) : (tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4xi32>) -> tensor<1x4x16xf32>
    mod.yield %a : tensor<1x4x16xf32>
  } : tensor<1x8x16xf32>
  return
}
