// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs --mod-fuse-routing \
// RUN:   | FileCheck %s
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs --mod-fuse-routing \
// RUN:   --remarks-filter=mod-fuse-routing 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=decode-routing=always \
// RUN:   --mod-fuse-routing | FileCheck %s --check-prefix=ALWAYS
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=kv-tokens=4 \
// RUN:   --mod-fuse-routing | FileCheck %s --check-prefix=SHORT
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=kv-tokens=4 \
// RUN:   --mod-fuse-routing --remarks-filter=mod-fuse-routing 2>&1 >/dev/null \
// RUN:   | FileCheck %s --check-prefix=FULL
// RUN: mod-opt %S/Inputs/model.mlir --mod-specialize \
// RUN:   --mod-derive-programs="decode-routing=always kv-tokens=4" --mod-fuse-routing \
// RUN:   | FileCheck %s --check-prefix=BOTH

// REMARK-DAG: Function=forward | bound=4, form=top_k, ordinal=0
// REMARK-DAG: Function=prefill | bound=9, form=positive, ordinal=0
// REMARK-DAG: Function=decode | bound=1, form=branch, ordinal=0

// The whole window: top k, at most 4 of 9 tokens.

// CHECK-LABEL: @forward
// CHECK-SAME: %[[TRACE:[^:]*]]: !mod.trace<1x9>
// CHECK: %[[X:.*]] = arith.addf
// CHECK: %[[R:.*]] = mod.router %[[X]]
// CHECK: %[[ALL:.*]], %[[K:.*]] = mod.select top_k(5.000000e-01) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x4xi32>, index)
// CHECK: %[[I:.*]] = tensor.extract_slice %[[ALL]][0, 0] [1, %[[K]]] [1, 1] : tensor<1x4xi32> to tensor<1x?xi32>
// CHECK: mod.trace_routing 0 scores(%[[R]]) tested(%[[R]]) selected(%[[I]]) to %[[TRACE]]
// CHECK: %[[T:.*]] = mod.gather %[[X]] at(%[[I]])
// CHECK: %[[Q:.*]] = mod.rope %[[T]] at(%[[I]])
// CHECK: %[[C:.*]] = mod.temporary_cache
// CHECK: mod.cache_append %[[C]], %[[Q]], %[[T]]
// CHECK: %[[U:.*]] = mod.cached_attention %[[Q]] over %[[C]]
// CHECK: mod.scatter %[[U]] into %[[X]] at(%[[I]]) gate(raw) by(%[[R]])
// CHECK-NOT: mod.routed

// A prompt: as many tokens as are positive, which may be all.

// CHECK-LABEL: @prefill
// CHECK-SAME: %[[START:[^:]*]]: index {mod.role = "start"}
// CHECK: mod.select positive %{{.*}} -> (tensor<1x9xi32>, index)
// CHECK: mod.trace_routing 0 {{.*}} selected(%{{.*}}) from %[[START]] to
// CHECK: mod.cached_attention

// One token: a branch, with everything that the block does inside.

// CHECK-LABEL: @decode
// CHECK: %[[X:.*]] = arith.addf
// CHECK: %[[R:.*]] = mod.router %[[X]]
// CHECK: mod.trace_routing 0 scores(%[[R]]) tested(%[[R]]) from
// CHECK: %[[V:.*]] = tensor.extract %[[R]]
// CHECK: %[[TAKES:.*]] = arith.cmpf ogt, %[[V]], %{{.*}} : f32
// CHECK: %[[Y:.*]] = scf.if %[[TAKES]] -> (tensor<1x1x6xf32>) {
// CHECK: mod.rope %[[X]]
// CHECK: mod.cache_append
// CHECK: %[[U:.*]] = mod.cached_attention
// CHECK: %[[S:.*]] = mod.scatter %[[U]] into %[[X]] gate(raw) by(%[[R]])
// CHECK: scf.yield %[[S]]
// CHECK: } else {
// CHECK: scf.yield %[[X]]
// CHECK: mod.rms_norm %[[Y]]

// Where every token takes part nothing is selected, and what is traced as
// tested is positive.

// ALWAYS-LABEL: @forward
// ALWAYS: mod.select top_k
// ALWAYS-LABEL: @prefill
// ALWAYS-NOT: mod.select
// ALWAYS: %[[ONES:.*]] = linalg.fill
// ALWAYS: mod.trace_routing 0 scores(%{{.*}}) tested(%[[ONES]]) from
// ALWAYS-NOT: mod.gather
// ALWAYS: mod.scatter %{{.*}} into %{{.*}} gate
// ALWAYS-LABEL: @decode
// ALWAYS-NOT: scf.if
// ALWAYS: mod.scatter

// Caches that are shorter than a sequence: of the tokens that the predicate
// chooses those that still fit take part, and the trace says which.

// FULL-DAG: Function=prefill | bound=4, form=positive, ordinal=0
// FULL-DAG: Function=prefill | Reason="tokens that find the cache full bypass the block", kv_tokens=4
// FULL-DAG: Function=decode | Reason={{.*}} kv_tokens=4

// SHORT: #[[MIN:.*]] = affine_map<()[s0, s1] -> (s0, s1, 4)>
// SHORT-LABEL: @forward
// SHORT-NOT: mod.cache_room
// SHORT-LABEL: @prefill
// SHORT-SAME: %[[CACHE:[^:]*]]: !mod.kv_cache<4x6xf32>
// SHORT: %[[ALL:.*]], %[[K:.*]] = mod.select positive %{{.*}} -> (tensor<1x9xi32>, index)
// SHORT: %[[ROOM:.*]] = mod.cache_room %[[CACHE]] : !mod.kv_cache<4x6xf32>
// SHORT: %[[N:.*]] = affine.min #[[MIN]]()[%[[K]], %[[ROOM]]]
// SHORT: %[[I:.*]] = tensor.extract_slice %[[ALL]][0, 0] [1, %[[N]]] [1, 1]
// SHORT: mod.trace_routing 0 {{.*}} selected(%[[I]])
// SHORT: mod.gather %{{.*}} at(%[[I]])
// SHORT-LABEL: @decode
// SHORT-SAME: %[[CACHE:[^:]*]]: !mod.kv_cache<4x6xf32>
// SHORT: %[[CHOSEN:.*]] = arith.cmpf ogt
// SHORT: %[[ROOM:.*]] = mod.cache_room %[[CACHE]]
// SHORT: %[[FITS:.*]] = arith.cmpi sgt, %[[ROOM]], %{{.*}} : index
// SHORT: %[[TAKES:.*]] = arith.andi %[[CHOSEN]], %[[FITS]]
// SHORT: %[[ONE:.*]] = arith.select %[[TAKES]]
// SHORT: %[[I:.*]] = tensor.extract_slice %{{.*}}[0, 0] [1, %[[ONE]]] [1, 1] : tensor<1x1xi32> to tensor<1x?xi32>
// SHORT: mod.trace_routing 0 {{.*}} selected(%[[I]])
// SHORT: scf.if %[[TAKES]]

// Nor can every token take part then.

// BOTH-LABEL: @prefill
// BOTH: mod.select positive
// BOTH: mod.cache_room
// BOTH-LABEL: @decode
// BOTH: mod.cache_room
// BOTH: scf.if

// Predictors decide, scores weigh; blocks are numbered; a count bounds as a
// ratio does.

// RUN: mod-opt %S/Inputs/predictor.mlir --mod-specialize --mod-derive-programs --mod-fuse-routing \
// RUN:   | FileCheck %s --check-prefix=PREDICTOR
// PREDICTOR-LABEL: @forward
// PREDICTOR: %[[R:.*]] = mod.router
// PREDICTOR: %[[L:.*]] = mod.predictor
// PREDICTOR: mod.select top_k(1.000000e-01) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x1xi32>, index)
// PREDICTOR: mod.trace_routing 0 scores(%[[R]]) tested(%[[L]])
// PREDICTOR: mod.scatter {{.*}} gate(tanh) by(%[[R]])
// PREDICTOR: mod.select top_k(3) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x3xi32>, index)
// PREDICTOR: mod.trace_routing 1 scores(%[[R]]) tested(%[[L]])
// PREDICTOR-LABEL: @prefill
// PREDICTOR: %[[L:.*]] = mod.predictor
// PREDICTOR: mod.select positive %[[L]] : (tensor<1x?xf32>) -> (tensor<1x3xi32>, index)
// PREDICTOR-LABEL: @decode
// PREDICTOR: %[[L:.*]] = mod.predictor
// PREDICTOR: tensor.extract %[[L]]
// PREDICTOR: scf.if
// PREDICTOR: scf.if

// RUN: mod-opt %s --mod-fuse-routing | FileCheck %s --check-prefix=FORMS

// A softmax of the scores becomes a gate of its own; a region that gates inside
// has the scores of its tokens; a block that replaces does.

// FORMS-LABEL: @forms
// FORMS-SAME: }, %[[X:[^:]*]]: tensor<1x?x6xf32>, %[[R:[^:]*]]: tensor<1x?xf32>, %[[G:[^:]*]]: tensor<1x?xf32>
// FORMS: %[[I:.*]] = tensor.extract_slice
// FORMS: %[[T:.*]] = mod.gather %[[X]] at(%[[I]])
// FORMS: %[[W:.*]] = mod.softmax %[[R]] over(%[[I]])
// FORMS: %[[Y:.*]] = mod.scatter %[[T]] into %[[X]] at(%[[I]]) replace gate(raw, scale = 2.000000e+00) by(%[[W]])
// FORMS: %[[J:.*]] = tensor.extract_slice
// FORMS: mod.gather %[[Y]] at(%[[J]])
// FORMS: %[[S:.*]] = mod.gather %[[G]] at(%[[J]]) : (tensor<1x?xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
// FORMS: mod.scatter {{.*}} gate(sigmoid) by(%[[S]])
// FORMS: %[[A:.*]] = mod.softmax %[[G]] :
// FORMS: mod.scatter %{{.*}} into %[[Y]] at(%[[J]]) gate(raw) by(%[[A]])
func.func @forms(%tokens: tensor<1x9xi32> {mod.role = "tokens"}, %x: tensor<1x?x6xf32>, %r: tensor<1x?xf32>, %g: tensor<1x?xf32>) -> tensor<1x?x6xf32> {
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(softmax_topk, scale = 2.0) replace causal(router) {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  %z = mod.routed %y by(%r) select(expert_choice, capacity = 0.5) gate(softmax) by(%g) causal(router) {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>, %s: tensor<1x?xf32>):
    %u = mod.scatter %t into %t gate(sigmoid) by(%s) : (tensor<1x?x6xf32>, tensor<1x?x6xf32>, tensor<1x?xf32>) -> tensor<1x?x6xf32>
    mod.yield %u : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  return %z : tensor<1x?x6xf32>
}

// What is selected follows from the clauses; skipped tokens go through the
// bypass, in the place where the selected ones were written.

// FORMS-LABEL: @schemes
// FORMS-SAME: }, %[[X:[^:]*]]: tensor<1x?x6xf32>, %[[R:[^:]*]]: tensor<1x?xf32>
// FORMS: mod.select top_k(5.000000e-01, ties = none) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x3xi32>, index)
// FORMS: mod.select top_k(ceil(5.000000e-01)) above(1.000000e+00) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x5xi32>, index)
// FORMS: mod.select top_k(3, forced) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x9xi32>, index)
// FORMS: mod.select at_least(1.000000e+00) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x9xi32>, index)
// FORMS: %[[T:.*]] = mod.gather %[[V:.*]] at
// FORMS: %[[Y:.*]] = mod.scatter %[[T]] into %[[V]] at(%{{.*}}) gate(raw) by(%[[R]])
// FORMS: %[[ALL:.*]], %[[N:.*]] = mod.select rest at_least(1.000000e+00) %[[R]] : (tensor<1x?xf32>) -> (tensor<1x9xi32>, index)
// FORMS: %[[I:.*]] = tensor.extract_slice %[[ALL]][0, 0] [1, %[[N]]] [1, 1]
// FORMS: %[[S:.*]] = mod.gather %[[Y]] at(%[[I]])
// FORMS: %[[H:.*]] = math.tanh %[[S]]
// FORMS: mod.scatter %[[H]] into %[[Y]] at(%[[I]]) gate(none)
func.func @schemes(%tokens: tensor<1x9xi32> {mod.role = "tokens"}, %x: tensor<1x?x6xf32>, %r: tensor<1x?xf32>) -> tensor<1x?x6xf32> {
  %a = mod.routed %x by(%r) select(expert_choice, capacity = 0.5, ties = none) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  %b = mod.routed %a by(%r) select(token_choice, capacity = ceil(0.5)) gate(raw) causal(router, above = 1.0) {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  %c = mod.routed %b by(%r) select(expert_choice, capacity = 3, forced) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  %d = mod.routed %c by(%r) select(causal, capacity = 1.0) gate(raw) causal(router, at_least = 1.0) {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x6xf32>
  } bypass {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    %h = math.tanh %t : tensor<1x?x6xf32>
    mod.yield %h : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  return %d : tensor<1x?x6xf32>
}

// One token either goes through the block or through the bypass.

// FORMS-LABEL: @one
// FORMS: mod.trace_routing 0 scores(%{{.*}}) tested(%{{.*}}) passing(at_least(1.000000e+00))
// FORMS: arith.cmpf oge
// FORMS: scf.if
// FORMS: mod.scatter %{{.*}} into %[[X:.*]] replace gate(raw)
// FORMS: else
// FORMS: %[[H:.*]] = math.tanh %[[X]]
// FORMS: mod.scatter %[[H]] into %[[X]] replace gate(none)
func.func @one(%tokens: tensor<1x1xi32> {mod.role = "tokens"}, %trace: !mod.trace<1x9> {mod.role = "trace"}, %x: tensor<1x1x6xf32>, %r: tensor<1x1xf32>) -> tensor<1x1x6xf32> {
  %d = mod.routed %x by(%r) select(causal, capacity = 1.0) gate(raw) replace causal(router, at_least = 1.0) {
  ^bb0(%t: tensor<1x1x6xf32>, %p: tensor<1x1xi32>):
    mod.yield %t : tensor<1x1x6xf32>
  } bypass {
  ^bb0(%t: tensor<1x1x6xf32>, %p: tensor<1x1xi32>):
    %h = math.tanh %t : tensor<1x1x6xf32>
    mod.yield %h : tensor<1x1x6xf32>
  } : tensor<1x1x6xf32>
  return %d : tensor<1x1x6xf32>
}

// Those who took part in one block are the candidates of the next.

// FORMS-LABEL: @nested
// FORMS: %[[ALL:.*]], %[[N:.*]] = mod.select top_k(5.000000e-01) %[[R:.*]] :
// FORMS: %[[I:.*]] = tensor.extract_slice %[[ALL]][0, 0] [1, %[[N]]]
// FORMS: %[[INIT:.*]] = tensor.empty(%{{.*}}) : tensor<1x?xf32>
// FORMS: %[[M:.*]] = mod.members %[[I]] into(%[[INIT]])
// FORMS: %[[ORDER:.*]] = arith.addf %[[R]], %[[M]]
// FORMS: mod.select above(1.000000e+00) %[[ORDER]]
// FORMS-NOT: mod.members
// FORMS: return
func.func @nested(%tokens: tensor<1x9xi32> {mod.role = "tokens"}, %x: tensor<1x?x6xf32>, %r: tensor<1x?xf32>) -> tensor<1x?x6xf32> {
  %y, %first = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(none) causal(router) members {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  %order = arith.addf %r, %first : tensor<1x?xf32>
  %z, %second = mod.routed %y by(%order) select(causal, capacity = 0.5) gate(none) causal(router, above = 1.0) members {
  ^bb0(%t: tensor<1x?x6xf32>, %p: tensor<1x?xi32>):
    mod.yield %t : tensor<1x?x6xf32>
  } : tensor<1x?x6xf32>
  return %z : tensor<1x?x6xf32>
}

// A token by itself is a candidate where it passes.

// FORMS-LABEL: @nested_one
// FORMS-DAG: %[[IN:.*]] = arith.constant 0.000000e+00 : f32
// FORMS-DAG: %[[OUT:.*]] = arith.constant 0xFF800000 : f32
// FORMS: %[[P:.*]] = linalg.map ins(%[[R:.*]] : tensor<1x1xf32>)
// FORMS: %[[PASSES:.*]] = arith.cmpf ogt
// FORMS: arith.select %[[PASSES]], %[[IN]], %[[OUT]] : f32
// FORMS: scf.if
// FORMS: return %{{.*}}, %[[P]]
func.func @nested_one(%tokens: tensor<1x1xi32> {mod.role = "tokens"}, %x: tensor<1x1x6xf32>, %r: tensor<1x1xf32>) -> (tensor<1x1x6xf32>, tensor<1x1xf32>) {
  %y, %members = mod.routed %x by(%r) select(causal, capacity = 0.5) gate(none) causal(router) members {
  ^bb0(%t: tensor<1x1x6xf32>, %p: tensor<1x1xi32>):
    mod.yield %t : tensor<1x1x6xf32>
  } : tensor<1x1x6xf32>
  return %y, %members : tensor<1x1x6xf32>, tensor<1x1xf32>
}
