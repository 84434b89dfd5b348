// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs | FileCheck %s
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize \
// RUN:   --mod-derive-programs=decode-routing=always | FileCheck %s --check-prefix=ALWAYS
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize \
// RUN:   --mod-derive-programs=kv-dtype=bf16 | FileCheck %s --check-prefix=BF16
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize \
// RUN:   --mod-derive-programs=kv-tokens=4 | FileCheck %s --check-prefix=SHORT
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize \
// RUN:   --mod-derive-programs=batch=3 | FileCheck %s --check-prefix=BATCH
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize \
// RUN:   --mod-derive-programs=batch=0 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: batch 0 is not positive
// RUN: mod-opt %s --mod-specialize --mod-derive-programs --split-input-file \
// RUN:   | FileCheck %s --check-prefix=TAIL

// Several sequences: a token of each is a row of the same products, with the
// sequence and the position that are given; those of a routed block are told by
// their places.

// BATCH: mod.batch = 3 : i64
// BATCH-LABEL: func.func @decode_batch(
// BATCH-SAME: %[[TOKENS:.*]]: tensor<1x3xi32> {mod.role = "tokens"}, %[[COUNT:.*]]: index {mod.role = "count"},
// BATCH-SAME: %[[S:.*]]: tensor<1x3xi32> {mod.role = "sequences"}, %[[P:.*]]: tensor<1x3xi32> {mod.role = "positions"},
// BATCH-SAME: !mod.trace<3x1x9> {mod.role = "trace"}, %[[CACHE:.*]]: !mod.kv_cache<3x9x3xf32>
// BATCH: %[[SEQUENCES:.*]] = tensor.extract_slice %[[S]]
// BATCH: %[[POSITIONS:.*]] = tensor.extract_slice %[[P]]
// BATCH-NOT: mod.positions
// BATCH: mod.cache_append %[[CACHE]], {{.*}} of(%[[SEQUENCES]])
// BATCH: mod.cached_attention {{.*}} over %[[CACHE]] of(%[[SEQUENCES]])
// BATCH: ^bb0(%{{.*}}: tensor<1x?x6xf32>, %[[PLACES:.*]]: tensor<1x?xi32>):
// BATCH: %[[AT:.*]] = mod.gather %[[POSITIONS]] at(%[[PLACES]])
// BATCH: mod.rope %{{.*}} at(%[[AT]])
// BATCH: %[[OWN:.*]] = mod.gather %[[SEQUENCES]] at(%[[PLACES]])
// BATCH: mod.cached_attention {{.*}} of(%[[OWN]])

// The whole window: valid tokens only, attention over a cache of its own,
// routing as written.

// CHECK-DAG: #[[MIN:.*]] = affine_map<()[s0] -> (s0, 9)>
// CHECK-DAG: #[[REST:.*]] = affine_map<()[s0, s1] -> (s0 - s1, 9)>
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[TOKENS:.*]]: tensor<1x9xi32> {mod.role = "tokens"},
// CHECK-SAME: %[[COUNT:.*]]: index {mod.role = "count"},
// CHECK-SAME: %{{.*}}: !mod.trace<1x9> {mod.role = "trace"},
// CHECK-SAME: %[[LOGITS:.*]]: tensor<1x9x5xf32> {bufferization.writable = true, mod.role = "logits"}) -> tensor<1x9x5xf32>
// CHECK: %[[N:.*]] = affine.min #[[MIN]]()[%[[COUNT]]]
// CHECK: %[[VALID:.*]] = tensor.extract_slice %[[TOKENS]][0, 0] [1, %[[N]]] [1, 1] : tensor<1x9xi32> to tensor<1x?xi32>
// CHECK: mod.embedding %[[VALID]]
// CHECK: %[[OWN:.*]] = mod.temporary_cache : !mod.kv_cache<9x3xf32>
// CHECK: mod.cache_append %[[OWN]], %[[OK:.*]], %[[OK]] : {{.*}}<9x3xf32>, tensor<1x?x3xf32>, tensor<1x?x3xf32>
// CHECK: mod.cached_attention %{{.*}} over %[[OWN]] {{.*}} -> tensor<1x?x6xf32>
// CHECK: select(expert_choice, capacity = 5.000000e-01)
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<1x?x6xf32>, %{{.*}}: tensor<1x?xi32>):
// CHECK: %[[NORM:.*]] = mod.rms_norm
// CHECK: %[[PLACE:.*]] = tensor.extract_slice %[[LOGITS]][0, 0, 0] [1, %[[N]], 5] [1, 1, 1] : tensor<1x9x5xf32> to tensor<1x?x5xf32>
// CHECK: %[[L:.*]] = mod.linear %[[NORM]], %{{.*}} into(%[[PLACE]])
// CHECK: %[[ALL:.*]] = tensor.insert_slice %[[L]] into %[[LOGITS]][0, 0, 0] [1, %[[N]], 5] [1, 1, 1]
// CHECK: return %[[ALL]]

// A prompt into caches: one cache per attention, as wide as its keys; the last
// norm and the head only for the tokens from %from on.

// CHECK-LABEL: func.func @prefill(
// CHECK-SAME: tensor<1x9xi32> {mod.role = "tokens"}, %[[COUNT:.*]]: index {mod.role = "count"}, %[[START:.*]]: index {mod.role = "start"}, %[[FROM:.*]]: index {mod.role = "from"},
// CHECK-SAME: !mod.trace<1x9> {mod.role = "trace"},
// CHECK-SAME: %[[CACHE0:.*]]: !mod.kv_cache<9x3xf32> {mod.role = "cache"}, %[[CACHE1:.*]]: !mod.kv_cache<9x6xf32> {mod.role = "cache"},
// CHECK-SAME: %[[LOGITS:.*]]: tensor<1x9x5xf32> {bufferization.writable = true, mod.role = "logits"}
// CHECK: %[[N:.*]] = affine.min #[[MIN]]()[%[[COUNT]]]
// CHECK: %[[ROWS:.*]] = affine.min #[[REST]]()[%[[N]], %[[FROM]]]
// CHECK: mod.cache_append %[[CACHE0]], %[[K:.*]], %[[K]] : {{.*}}<9x3xf32>, tensor<1x?x3xf32>, tensor<1x?x3xf32>
// CHECK: mod.cached_attention %{{.*}} over %[[CACHE0]] heads(2) kv_heads(1)
// CHECK: %[[Y:.*]] = mod.routed {{.*}} select(causal, capacity = 5.000000e-01) gate(raw) causal(router)
// CHECK: mod.cache_append %[[CACHE1]]
// CHECK: mod.cached_attention %{{.*}} over %[[CACHE1]]
// CHECK: %[[LAST:.*]] = tensor.extract_slice %[[Y]][0, %[[FROM]], 0] [1, %[[ROWS]], 6] [1, 1, 1]
// CHECK: %[[NORM:.*]] = mod.rms_norm %[[LAST]]
// CHECK: %[[PLACE:.*]] = tensor.extract_slice %[[LOGITS]][0, 0, 0] [1, %[[ROWS]], 5] [1, 1, 1]
// CHECK: mod.linear %[[NORM]], %{{.*}} into(%[[PLACE]])
// CHECK: tensor.insert_slice %{{.*}} into %[[LOGITS]][0, 0, 0] [1, %[[ROWS]], 5] [1, 1, 1]

// One token.

// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[TOKENS:.*]]: tensor<1x1xi32> {mod.role = "tokens"}, %{{.*}}: index {mod.role = "start"},
// CHECK-SAME: !mod.trace<1x9> {mod.role = "trace"},
// CHECK-SAME: !mod.kv_cache<9x3xf32> {mod.role = "cache"}, %{{.*}}: !mod.kv_cache<9x6xf32> {mod.role = "cache"},
// CHECK-SAME: %[[LOGITS:.*]]: tensor<1x1x5xf32> {bufferization.writable = true, mod.role = "logits"}) -> tensor<1x1x5xf32>
// CHECK: mod.embedding %[[TOKENS]], %{{.*}} -> tensor<1x1x6xf32>
// CHECK: select(causal
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<1x1x6xf32>, %{{.*}}: tensor<1x1xi32>):
// CHECK: %[[L:.*]] = mod.linear %{{.*}} into(%[[LOGITS]])
// CHECK: return %[[L]]

// ALWAYS-COUNT-3: causal(always)

// Caches of a session may be narrower than what is computed.

// BF16-LABEL: func.func @forward(
// BF16: mod.temporary_cache : !mod.kv_cache<9x3xbf16>
// BF16-LABEL: func.func @prefill(
// BF16-SAME: !mod.kv_cache<9x3xbf16>
// BF16-LABEL: func.func @decode(
// BF16-SAME: !mod.kv_cache<9x3xbf16>
// BF16: mod.cached_attention {{.*}} !mod.kv_cache<9x3xbf16>) -> tensor<1x1x6xf32>

// A budget of tokens is for the caches of routed blocks alone: a session's, for
// the block's own end with the program.

// SHORT-LABEL: func.func @forward(
// SHORT-NOT: kv_cache<4x
// SHORT-LABEL: func.func @prefill(
// SHORT-SAME: !mod.kv_cache<9x3xf32> {mod.role = "cache"}, %{{.*}}: !mod.kv_cache<4x6xf32> {mod.role = "cache"}
// SHORT-LABEL: func.func @decode(
// SHORT-SAME: !mod.kv_cache<9x3xf32> {mod.role = "cache"}, %{{.*}}: !mod.kv_cache<4x6xf32> {mod.role = "cache"}

// Where the logits come from an op that is not token by token in the dialect,
// they are cut behind it and copied.

// TAIL-LABEL: func.func @forward(
// TAIL: %[[SUM:.*]] = arith.addf
// TAIL: tensor.insert_slice %[[SUM]] into
// TAIL-LABEL: func.func @prefill(
// TAIL-SAME: %[[FROM:[^:]*]]: index {mod.role = "from"}
// The positions of a causal program begin at %start.
// TAIL: mod.positions %{{.*}} from %{{.*}} : (tensor<1x?xi32>, index) -> tensor<1x?xi32>
// An init is made for the tokens that there are.
// TAIL: tensor.empty(%{{.*}}) : tensor<1x?x4xf32>
// TAIL: %[[SUM:.*]] = arith.addf
// TAIL: %[[CUT:.*]] = tensor.extract_slice %[[SUM]][0, %[[FROM]], 0]
// TAIL: tensor.insert_slice %[[CUT]] into
// TAIL-LABEL: func.func @decode(
// TAIL: tensor.empty() : tensor<1x1x4xf32>
// TAIL: %[[SUM:.*]] = arith.addf
// TAIL: %[[PLACED:.*]] = bufferization.materialize_in_destination %[[SUM]] in %arg{{[0-9]+}}
// TAIL: return %[[PLACED]]
module attributes {mod.model = {context = 9 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %positions = mod.positions %tokens : (tensor<?x?xi32>) -> tensor<?x?xi32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    %r = mod.rope %x at(%positions) heads(2) theta(1.0e4) : (tensor<?x?x4xf32>, tensor<?x?xi32>) -> tensor<?x?x4xf32>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %b = tensor.dim %x, %c0 : tensor<?x?x4xf32>
    %s = tensor.dim %x, %c1 : tensor<?x?x4xf32>
    %init = tensor.empty(%b, %s) : tensor<?x?x4xf32>
    %u = linalg.map {math.exp} ins(%r : tensor<?x?x4xf32>) outs(%init : tensor<?x?x4xf32>)
    %sum = arith.addf %u, %r : tensor<?x?x4xf32>
    return %sum : tensor<?x?x4xf32>
  }
}

// -----

// A number as a tensor of static size, made again for the valid tokens.
// TAIL-LABEL: func.func @forward(
// TAIL: %[[HALVES:.*]] = tensor.splat %{{.*}}[%{{.*}}] : tensor<1x?x4xf32>
// TAIL: arith.mulf %{{.*}}, %[[HALVES]] : tensor<1x?x4xf32>
module attributes {mod.model = {context = 9 : i64}} {
  func.func @forward(%tokens: tensor<1x9xi32>) -> tensor<1x9x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %halves = arith.constant dense<0.5> : tensor<1x9x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<1x9xi32>, tensor<5x4xf32>) -> tensor<1x9x4xf32>
    %y = arith.mulf %x, %halves : tensor<1x9x4xf32>
    return %y : tensor<1x9x4xf32>
  }
}

// -----

// A softmax is over the tokens that there are: one, where they come one by one.

// RUN: mod-opt %s --mod-specialize --mod-derive-programs --split-input-file \
// RUN:   --remarks-filter=mod-derive-programs 2>&1 | FileCheck %s --check-prefix=SOFTMAX

// SOFTMAX-DAG: [Analysis] SoftmaxGate{{.*}} Function=prefill | Reason="each token is alone where tokens arrive one by one", gate=1
// SOFTMAX-DAG: [Analysis] SoftmaxGate{{.*}} Function=decode
// SOFTMAX-LABEL: @forward({{.*}}!mod.trace
// SOFTMAX: mod.routed {{.*}} gate(softmax_topk, scale = 5.000000e-01) replace causal(router)
// SOFTMAX: mod.routed {{.*}} gate(none, scale = 5.000000e-01) replace causal(router)
// SOFTMAX: mod.routed {{.*}} gate(none, scale = 5.000000e-01) replace causal(router)

module attributes {mod.model = {context = 4 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<[[1.0, 0.0], [0.0, 2.0]]> : tensor<2x2xf32>
    %w = arith.constant dense<[[0.5, 0.25]]> : tensor<1x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(softmax_topk, scale = 0.5) replace causal(router) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>, %s: tensor<?x?xf32>):
      %g = mod.scatter %t into %t gate(sigmoid) by(%s) : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?xf32>) -> tensor<?x?x2xf32>
      mod.yield %g : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    return %y : tensor<?x?x2xf32>
  }
}

// -----

// A block that attends to all tokens: keys and values of all are appended before
// it, whoever takes part, once for attentions that share them.

// RUN: mod-opt %s --mod-specialize --mod-derive-programs=batch=3 --split-input-file \
// RUN:   | FileCheck %s --check-prefix=DENSE

// DENSE: flops_per_key = 16 : i64, flops_per_pair = 0 : i64, {{.*}} layer = 0 : i64, num_caches = 0 : i64
// DENSE-LABEL: func.func @forward({{.*}}!mod.trace<1x8> {mod.role = "trace"}
// DENSE: %[[OWN:.*]] = mod.temporary_cache : !mod.kv_cache<8x2xf32>
// DENSE: mod.cache_append %[[OWN]]
// DENSE-NOT: mod.cache_append
// DENSE: mod.routed
// DENSE-NEXT: ^bb0(%{{.*}}, %[[POSITIONS:.*]]: tensor<1x?xi32>):
// DENSE-NEXT: mod.cached_attention %{{.*}} over %[[OWN]] at(%[[POSITIONS]])
// DENSE-NEXT: mod.cached_attention %{{.*}} over %[[OWN]] at(%[[POSITIONS]])
// DENSE-LABEL: func.func @decode(
// DENSE-SAME: %[[CACHE:[a-z0-9]+]]: !mod.kv_cache<8x2xf32> {mod.role = "cache"}, %{{.*}} {bufferization.writable
// DENSE: mod.cache_append %[[CACHE]]
// DENSE: mod.routed
// DENSE: mod.cached_attention %{{.*}} over %[[CACHE]] at(
// DENSE-LABEL: func.func @decode_batch(
// DENSE-SAME: %[[GIVENS:[a-z0-9]+]]: tensor<1x3xi32> {mod.role = "sequences"}, %[[GIVENP:[a-z0-9]+]]: tensor<1x3xi32> {mod.role = "positions"}
// DENSE: %[[S:.*]] = tensor.extract_slice %[[GIVENS]]
// DENSE: %[[P:.*]] = tensor.extract_slice %[[GIVENP]]
// DENSE: mod.cache_append %[[CACHES:.*]], %{{.*}}, %{{.*}} of(%[[S]])
// DENSE: ^bb0(%{{.*}}, %[[PLACES:.*]]: tensor<1x?xi32>):
// DENSE-NEXT: %[[AT:.*]] = mod.gather %[[P]] at(%[[PLACES]])
// DENSE-NEXT: %[[OF:.*]] = mod.gather %[[S]] at(%[[PLACES]])
// DENSE-NEXT: mod.cached_attention %{{.*}} over %[[CACHES]] of(%[[OF]]) at(%[[AT]])
// DENSE-NEXT: mod.cached_attention %{{.*}} over %[[CACHES]] of(%[[OF]]) at(%[[AT]])

module attributes {mod.model = {context = 8 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<1.0> : tensor<2x2xf32>
    %w = arith.constant dense<[[0.5, 0.25]]> : tensor<1x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      %a = mod.attention %t, %x, %x at(%positions) heads(1) kv_heads(1)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?xi32>) -> tensor<?x?x2xf32>
      %b = mod.attention %a, %x, %x at(%positions) heads(1) kv_heads(1)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?xi32>) -> tensor<?x?x2xf32>
      mod.yield %b : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    return %y : tensor<?x?x2xf32>
  }
}

// -----

// Prompts may be routed otherwise than what follows: by top-k, or by another
// predicate; an option says so of all blocks.

// RUN: mod-opt %s --mod-specialize --mod-derive-programs --split-input-file \
// RUN:   --remarks-filter=mod-derive-programs 2>&1 | FileCheck %s --check-prefix=PHASES
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=prefill-routing=top_k \
// RUN:   | FileCheck %s --check-prefix=OPTION

// PHASES-DAG: [Analysis] PrefillRouting{{.*}} Reason="prompts are routed otherwise than single tokens", decode=always, prefill=top_k
// PHASES-DAG: decode=router, prefill=predictor
// PHASES: mod.routing = {{\[}}["top_k", "always"], ["predictor", "router"]]
// PHASES-LABEL: func.func @forward({{.*}}!mod.trace<2x4>
// PHASES: select(expert_choice, capacity = 5.000000e-01) gate(softmax_topk) causal(always) {
// PHASES: select(expert_choice, capacity = 2) gate(none) causal(router, above = 5.000000e-01) {
// PHASES-LABEL: func.func @prefill(
// PHASES: select(expert_choice, capacity = 5.000000e-01) gate(softmax_topk) causal(always) {
// PHASES: select(causal, capacity = 2) gate(none) causal(predictor, %{{.*}}, above = 5.000000e-01) {
// PHASES-LABEL: func.func @decode(
// PHASES: select(causal, capacity = 5.000000e-01) gate(none) causal(always) {
// PHASES: select(causal, capacity = 2) gate(none) causal(router, above = 5.000000e-01) {

// OPTION: mod.routing = {{\[}}["top_k", "router"]]
// OPTION-LABEL: func.func @prefill(
// OPTION: select(expert_choice, capacity = 5.000000e-01) gate(raw) causal(router) {
// OPTION-LABEL: func.func @decode(
// OPTION: select(causal, capacity = 5.000000e-01) gate(raw) causal(router) {

module attributes {mod.model = {context = 4 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<[[1.0, 0.0], [0.0, 2.0]]> : tensor<2x2xf32>
    %w = arith.constant dense<[[0.5, 0.25]]> : tensor<1x2xf32>
    %v = arith.constant dense<[[0.5, -0.25]]> : tensor<1x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
    %l = mod.router %x, %v : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(softmax_topk) causal(always, prefill = top_k) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      mod.yield %t : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    %z = mod.routed %y by(%r) select(expert_choice, capacity = 2) gate(none) causal(router, %l, above = 0.5, prefill = predictor) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      mod.yield %t : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    return %z : tensor<?x?x2xf32>
  }
}

// -----

// A window goes with the attention; what it has passed stays in the cache.

// RUN: mod-opt %s --mod-specialize --mod-derive-programs=batch=2 --split-input-file \
// RUN:   --remarks-filter=mod-derive-programs 2>&1 | FileCheck %s --check-prefix=WINDOW

// WINDOW-DAG: [Missed] WindowedCache{{.*}} Function=prefill | Reason="keys that the window has passed stay in the cache", rows=8, window=3
// WINDOW-DAG: [Missed] WindowedCache{{.*}} Function=decode
// WINDOW-COUNT-3: mod.cached_attention {{.*}} window(3)
// Of a routed block's tokens caches know the positions, each of its own sequence.
// WINDOW-LABEL: @decode_batch({{.*}} !mod.kv_cache<2x8x2xf32, positions>
// WINDOW: mod.routed
// WINDOW: ^bb0(%[[T:.*]]: tensor<1x?x2xf32>, %[[PLACES:.*]]: tensor<1x?xi32>):
// WINDOW: %[[P:.*]] = mod.gather %{{.*}} at(%[[PLACES]])
// WINDOW: mod.cache_append %{{.*}}, %[[T]], %[[T]] of(%{{.*}}) at(%[[P]])
// WINDOW: mod.cached_attention %[[T]] over %{{.*}} of(%{{.*}}) heads(1) kv_heads(1) window(3)

module attributes {mod.model = {context = 8 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<1.0> : tensor<2x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %y = mod.attention %x, %x, %x heads(1) kv_heads(1) window(3)
        : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
    return %y : tensor<?x?x2xf32>
  }
}

// -----

module attributes {mod.model = {context = 8 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<1.0> : tensor<2x2xf32>
    %w = arith.constant dense<1.0> : tensor<1x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(none) causal(router) {
    ^bb0(%t: tensor<?x?x2xf32>, %p: tensor<?x?xi32>):
      %a = mod.attention %t, %t, %t among(%p) heads(1) kv_heads(1) window(3)
          : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?xi32>) -> tensor<?x?x2xf32>
      mod.yield %a : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    return %y : tensor<?x?x2xf32>
  }
}

// -----

// The first tokens of a sequence speak for it: what they say is kept where
// tokens arrive in order. One alone, of one sequence or of several, is all.

// RUN: mod-opt %s --mod-specialize --mod-derive-programs=batch=3 --split-input-file \
// RUN:   | FileCheck %s --check-prefix=POOL

// POOL-LABEL: @forward({{.*}}!mod.trace<1x11>
// POOL-NOT: mod.latch
// POOL: %[[S:.*]] = mod.pool first %{{.*}} : (tensor<1x?xf32>) -> tensor<1x?xf32>
// POOL: mod.routed %{{.*}} by(%[[S]]) select(causal,
// POOL-LABEL: @prefill(
// POOL-SAME: %[[START:[a-z0-9]+]]: index {mod.role = "start"}
// POOL-SAME: %[[LATCH:[a-z0-9]+]]: !mod.latch<1> {mod.role = "latch"}
// POOL: %[[S:.*]] = mod.pool first
// POOL: %[[L:.*]] = mod.latch %[[S]] in %[[LATCH]] from %[[START]] : (tensor<1x?xf32>, !mod.latch<1>, index) -> tensor<1x?xf32>
// POOL: mod.routed %{{.*}} by(%[[L]])
// POOL-LABEL: @decode(
// POOL-NOT: mod.pool
// POOL: %[[R:.*]] = mod.router
// POOL: mod.latch %[[R]] in %{{.*}} from %{{.*}} : (tensor<1x1xf32>, !mod.latch<1>, index) -> tensor<1x1xf32>
// POOL-LABEL: @decode_batch(
// POOL-SAME: %[[S:[a-z0-9]+]]: tensor<1x3xi32> {mod.role = "sequences"}, %[[P:[a-z0-9]+]]: tensor<1x3xi32> {mod.role = "positions"}
// POOL: %[[SEQUENCES:.*]] = tensor.extract_slice %[[S]]
// POOL: %[[POSITIONS:.*]] = tensor.extract_slice %[[P]]
// POOL-NOT: mod.pool
// POOL: mod.latch %{{.*}} in %{{.*}} of(%[[SEQUENCES]]) from %[[POSITIONS]] : (tensor<1x?xf32>, !mod.latch<3>,

module attributes {mod.model = {context = 11 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
    %table = arith.constant dense<1.0> : tensor<2x2xf32>
    %w = arith.constant dense<0.5> : tensor<1x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
    %s = mod.pool first %r : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%s) select(causal, capacity = 1.0) gate(none) causal(router) {
    ^bb0(%t: tensor<?x?x2xf32>, %positions: tensor<?x?xi32>):
      mod.yield %t : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>
    return %y : tensor<?x?x2xf32>
  }
}
