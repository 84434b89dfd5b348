// RUN: mod-opt %s --mod-specialize=context=6 --split-input-file | FileCheck %s
// RUN: mod-opt %s --mod-specialize=context=6 --split-input-file \
// RUN:   --remarks-filter=mod-specialize 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK
// RUN: mod-opt %s --mod-specialize="batch=3 context=6 capacity=0.7" \
// RUN:   --split-input-file | FileCheck %s --check-prefix=BATCH
// RUN: mod-opt %s --mod-specialize=capacity=2 --split-input-file \
// RUN:   | FileCheck %s --check-prefix=WHOLE

// Every type follows from the context: k = max(1, floor(0.5 * 6)) in the region.

// CHECK: module attributes
// Outside: the router, 2 * 6, of 6 values of 4 bytes. Inside: one linear, 2 * 6 * 6,
// one attention, 4 * 6 per pair, weights of 36 + 6 values. The head: 2 * 6 * 5.
// CHECK-SAME: blocks = [
// CHECK-SAME: {cache_row_bytes = 0 : i64, capacity = 6 : i64, first_cache = 0 : i64, flops_per_key = 0 : i64, flops_per_pair = 0 : i64, flops_per_token = 12 : i64, layer = -1 : i64, num_caches = 0 : i64, weight_bytes = 24 : i64}
// CHECK-SAME: {cache_row_bytes = 48 : i64, capacity = 3 : i64, first_cache = 0 : i64, flops_per_key = 0 : i64, flops_per_pair = 24 : i64, flops_per_token = 72 : i64, layer = 7 : i64, num_caches = 1 : i64, weight_bytes = 168 : i64}
// CHECK-SAME: context = 6 : i64
// CHECK-SAME: logits_flops = 60 : i64, logits_weight_bytes = 120 : i64
// CHECK-SAME: parameter_bytes = 252 : i64, parameter_f32_bytes = 312 : i64, parameters = 78 : i64
// CHECK-SAME: routing_flops = 12 : i64

// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[TOKENS:.*]]: tensor<1x6xi32>) -> tensor<1x6x5xf32>
// CHECK: mod.embedding %[[TOKENS]], %{{.*}} -> tensor<1x6x6xf32>
// CHECK: mod.routed
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<1x3x6xf32>, %{{.*}}: tensor<1x3xi32>):
// CHECK: mod.linear {{.*}} -> tensor<1x3x6xf32>
// CHECK: mod.rope {{.*}} -> tensor<1x3x6xf32>
// CHECK: tensor.empty() : tensor<1x3x6xf32>
// CHECK-NOT: tensor.dim
// CHECK: linalg.map
// CHECK: mod.yield %{{.*}} : tensor<1x3x6xf32>
// CHECK-NEXT: } : tensor<1x6x6xf32>
// CHECK: mod.linear {{.*}} -> tensor<1x6x5xf32>

// The share of the routed block: 3 tokens * 72 + 6 pairs * 24 = 360 of
// 6 * 12 + 360 + 6 * 60 = 792.
// REMARK: remark: {{.*}}RoutedBlock
// REMARK-SAME: flops_share=45.45%, layer=7, of=6, tokens=3

// BATCH: @forward(%{{.*}}: tensor<3x6xi32>) -> tensor<3x6x5xf32>
// BATCH: capacity = 0.69999{{.*}}
// BATCH-NEXT: tensor<3x4x6xf32>, %{{.*}}: tensor<3x4xi32>

// WHOLE: mod.model = {context = 9 : i64, vocab = 5 : i64}
// WHOLE: @forward(%{{.*}}: tensor<1x9xi32>)
// WHOLE: capacity = 2)
// WHOLE-NEXT: tensor<1x2x6xf32>
module attributes {mod.model = {context = 9 : i64}} {
  ml_program.global private @table(#ml_program.extern : tensor<5x6xbf16>) : tensor<5x6xbf16>
  ml_program.global private @q(#ml_program.extern : tensor<6x6xf32>) : tensor<6x6xf32>
  ml_program.global private @norm(#ml_program.extern : tensor<6xf32>) : tensor<6xf32>
  ml_program.global private @router(#ml_program.extern : tensor<1x6xf32>) : tensor<1x6xf32>
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x5xf32> {
    %stored = ml_program.global_load_const @table : tensor<5x6xbf16>
    %table = arith.extf %stored : tensor<5x6xbf16> to tensor<5x6xf32>
    %q = ml_program.global_load_const @q : tensor<6x6xf32>
    %norm = ml_program.global_load_const @norm : tensor<6xf32>
    %w = ml_program.global_load_const @router : tensor<1x6xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x6xf32>) -> tensor<?x?x6xf32>
    %r = mod.router %x, %w : (tensor<?x?x6xf32>, tensor<1x6xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router)
        attributes {mod.layer = 7 : i64} {
    ^bb0(%t: tensor<?x?x6xf32>, %positions: tensor<?x?xi32>):
      %n = mod.rms_norm %t, %norm eps(1.0e-5) : (tensor<?x?x6xf32>, tensor<6xf32>) -> tensor<?x?x6xf32>
      %p = mod.linear %n, %q : (tensor<?x?x6xf32>, tensor<6x6xf32>) -> tensor<?x?x6xf32>
      %k = mod.rope %p at(%positions) heads(1) theta(1.0e4) : (tensor<?x?x6xf32>, tensor<?x?xi32>) -> tensor<?x?x6xf32>
      %a = mod.attention %k, %k, %p heads(1) kv_heads(1)
          : (tensor<?x?x6xf32>, tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %b = tensor.dim %a, %c0 : tensor<?x?x6xf32>
      %s = tensor.dim %a, %c1 : tensor<?x?x6xf32>
      %init = tensor.empty(%b, %s) : tensor<?x?x6xf32>
      %u = linalg.map {math.exp} ins(%a : tensor<?x?x6xf32>) outs(%init : tensor<?x?x6xf32>)
      %sum = arith.addf %a, %u : tensor<?x?x6xf32>
      mod.yield %sum : tensor<?x?x6xf32>
    } : tensor<?x?x6xf32>
    %l = mod.linear %y, %table : (tensor<?x?x6xf32>, tensor<5x6xf32>) -> tensor<?x?x5xf32>
    return %l : tensor<?x?x5xf32>
  }
}

// -----

// Ops of other dialects: slices and joins along the width, splats, fills,
// broadcasts and reductions along the width.

// CHECK-LABEL: @forward(
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 2] [1, 6, 2] [1, 1, 1] : tensor<1x6x4xf32> to tensor<1x6x2xf32>
// CHECK: tensor.concat dim(2) {{.*}} -> tensor<1x6x4xf32>
// CHECK: tensor.splat %{{.*}} : tensor<1x6x4xf32>
// CHECK: linalg.fill {{.*}} -> tensor<1x6xf32>
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x6xf32>)
// CHECK: linalg.broadcast {{.*}} outs(%{{.*}} : tensor<1x6x4xf32>)
// CHECK: arith.select %{{.*}} : tensor<1x6x4xi1>, tensor<1x6x4xf32>
module attributes {mod.model = {context = 9 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %zero = arith.constant 0.0 : f32
    %b = tensor.dim %x, %c0 : tensor<?x?x4xf32>
    %s = tensor.dim %x, %c1 : tensor<?x?x4xf32>
    %low = tensor.extract_slice %x[0, 0, 0] [%b, %s, 2] [1, 1, 1] : tensor<?x?x4xf32> to tensor<?x?x2xf32>
    %high = tensor.extract_slice %x[0, 0, 2] [%b, %s, 2] [1, 1, 1] : tensor<?x?x4xf32> to tensor<?x?x2xf32>
    %swapped = tensor.concat dim(2) %high, %low : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
    %zeros = tensor.splat %zero[%b, %s] : tensor<?x?x4xf32>
    %empty = tensor.empty(%b, %s) : tensor<?x?xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x?xf32>) -> tensor<?x?xf32>
    %sums = linalg.generic {
        indexing_maps = [affine_map<(b, s, d) -> (b, s, d)>, affine_map<(b, s, d) -> (b, s)>],
        iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%swapped : tensor<?x?x4xf32>) outs(%init : tensor<?x?xf32>) {
    ^bb0(%in: f32, %out: f32):
      %add = arith.addf %in, %out : f32
      linalg.yield %add : f32
    } -> tensor<?x?xf32>
    %place = tensor.empty(%b, %s) : tensor<?x?x4xf32>
    %all = linalg.broadcast ins(%sums : tensor<?x?xf32>) outs(%place : tensor<?x?x4xf32>) dimensions = [2]
    %positive = arith.cmpf ogt, %all, %zeros : tensor<?x?x4xf32>
    %y = arith.select %positive, %x, %zeros : tensor<?x?x4xi1>, tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}
