// RUN: mod-opt %s --mod-interpret="function=parts" -o /dev/null | FileCheck %s --check-prefix=PARTS
// RUN: mod-opt %s --mod-interpret="function=clauses" -o /dev/null | FileCheck %s --check-prefix=CLAUSES
// RUN: mod-opt %s --mod-interpret="function=attention" -o /dev/null | FileCheck %s --check-prefix=ATTENTION
// RUN: mod-opt %s --mod-interpret="function=caches" -o /dev/null | FileCheck %s --check-prefix=CACHES
// RUN: mod-opt %s --mod-interpret="function=routing" -o /dev/null | FileCheck %s --check-prefix=ROUTING
// RUN: mod-opt %s --mod-interpret="function=tensors" -o /dev/null | FileCheck %s --check-prefix=TENSORS
// RUN: mod-opt %s --mod-interpret="function=block tokens=0,1,2,3" -o /dev/null | FileCheck %s --check-prefix=BLOCK
// RUN: mod-opt %s --mod-interpret="function=decode tokens=0,2,1" -o /dev/null | FileCheck %s --check-prefix=DECODE
// RUN: mod-opt %s --mod-interpret="function=nested tokens=0,1,2,3" -o /dev/null | FileCheck %s --check-prefix=NESTED
// RUN: mod-opt %s --mod-interpret="function=latched tokens=0,3,2" -o /dev/null | FileCheck %s --check-prefix=LATCHED
// RUN: mod-opt %s --mod-interpret="function=causal tokens=0,1,2,3" -o /dev/null | FileCheck %s --check-prefix=CAUSAL

// x = (3, 4) has mean(x^2) = 12.5, so x / sqrt(12.5) = (0.848528, 1.13137).
// PARTS:      result 0: [1, 1, 2]
// PARTS-NEXT:   0.848528 2.26274
// A product with rows (1, 2), (0, -1), (1, 1) and bias (0, 1, 0), then the same
// with the rows packed by two, the last panel half empty.
// PARTS-NEXT: result 1: [1, 1, 3]
// PARTS-NEXT:   11 -3 7
// PARTS-NEXT: result 2: [1, 1, 3]
// PARTS-NEXT:   11 -3 7
// Two heads of two at position 5: cos(5) = 0.283662, sin(5) = -0.958924.
// PARTS-NEXT: result 3: [1, 1, 4]
// PARTS-NEXT:   0.283662 -0.958924 0.958924 0.283662
func.func @parts() -> (tensor<1x1x2xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>, tensor<1x1x4xf32>) {
  %x = arith.constant dense<[[[3.0, 4.0]]]> : tensor<1x1x2xf32>
  %g = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %n = mod.rms_norm %x, %g eps(0.0) : (tensor<1x1x2xf32>, tensor<2xf32>) -> tensor<1x1x2xf32>
  %w = arith.constant dense<[[1.0, 2.0], [0.0, -1.0], [1.0, 1.0]]> : tensor<3x2xf32>
  %b = arith.constant dense<[0.0, 1.0, 0.0]> : tensor<3xf32>
  %l = mod.linear %x, %w bias(%b) : (tensor<1x1x2xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<1x1x3xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x2x2xf32>
  %p = linalg.pack %w padding_value(%zero : f32) inner_dims_pos = [0] inner_tiles = [2] into %e : tensor<3x2xf32> -> tensor<2x2x2xf32>
  %m = mod.linear %x, %p bias(%b) : (tensor<1x1x2xf32>, tensor<2x2x2xf32>, tensor<3xf32>) -> tensor<1x1x3xf32>
  %q = arith.constant dense<[[[1.0, 0.0, 0.0, 1.0]]]> : tensor<1x1x4xf32>
  %at = arith.constant 5 : index
  %t = arith.constant dense<0> : tensor<1x1xi32>
  %pos = mod.positions %t from %at : (tensor<1x1xi32>, index) -> tensor<1x1xi32>
  %r = mod.rope %q at(%pos) heads(2) theta(1.0e4) : (tensor<1x1x4xf32>, tensor<1x1xi32>) -> tensor<1x1x4xf32>
  return %n, %l, %m, %r : tensor<1x1x2xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>, tensor<1x1x4xf32>
}

// Row (1, 0) has mean(x^2) = 1/2, to which 1/2 is added.
// CLAUSES:      result 0: [1, 1]
// CLAUSES-NEXT:   1
// Rows (1, 0) and (3, 4) times (1, 2) and (0, -1) are (1, 0) and (11, -4); the
// first is doubled, (0, 1) and (10, 20) are added to both.
// CLAUSES-NEXT: result 1: [1, 2, 2]
// CLAUSES-NEXT:   12 21
// CLAUSES-NEXT:   21 17
// Twice (11, -4), as the score of row 1 says, is added to row 1.
// CLAUSES-NEXT: result 2: [1, 2, 2]
// CLAUSES-NEXT:   1 1
// CLAUSES-NEXT:   23 -7
// Gates of ln(3), silu(ln(3)) = 3/4 ln(3), times 1, 2 and 3; then the same with
// the rows packed by four, two of either half.
// CLAUSES-NEXT: result 3: [1, 1, 3]
// CLAUSES-NEXT:   0.823959 1.64792 2.47188
// CLAUSES-NEXT: result 4: [1, 1, 3]
// CLAUSES-NEXT:   0.823959 1.64792 2.47188
func.func @clauses() -> (tensor<1x1xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>) {
  %x = arith.constant dense<[[[3.0, 4.0], [1.0, 0.0]]]> : tensor<1x2x2xf32>
  %first = arith.constant dense<0> : tensor<1x1xi32>
  %second = arith.constant dense<1> : tensor<1x1xi32>
  %swapped = arith.constant dense<[[1, 0]]> : tensor<1x2xi32>
  %s = mod.inverse_rms %x rows(%second) eps(0.5) : (tensor<1x2x2xf32>, tensor<1x1xi32>) -> tensor<1x1xf32>
  %w = arith.constant dense<[[1.0, 2.0], [0.0, -1.0]]> : tensor<2x2xf32>
  %scales = arith.constant dense<[[2.0, 1.0]]> : tensor<1x2xf32>
  %b = arith.constant dense<[0.0, 1.0]> : tensor<2xf32>
  %a = arith.constant dense<[[[10.0, 20.0], [10.0, 20.0]]]> : tensor<1x2x2xf32>
  %y = mod.linear %x, %w rows(%swapped) row_scales(%scales) bias(%b) plus(%a)
      : (tensor<1x2x2xf32>, tensor<2x2xf32>, tensor<1x2xi32>, tensor<1x2xf32>, tensor<2xf32>, tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %d = arith.constant dense<1.0> : tensor<1x2x2xf32>
  %scores = arith.constant dense<[[0.5, 2.0]]> : tensor<1x2xf32>
  %z = mod.linear %x, %w rows(%first) gate(raw) by(%scores) accumulate into(%d) at(%second)
      : (tensor<1x2x2xf32>, tensor<2x2xf32>, tensor<1x1xi32>, tensor<1x2xf32>, tensor<1x2x2xf32>, tensor<1x1xi32>) -> tensor<1x2x2xf32>
  %one = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %gates = arith.constant dense<[[0.0], [1.0986123], [0.0], [1.0], [2.0], [3.0]]> : tensor<6x1xf32>
  %bias = arith.constant dense<[1.0986123, 0.0, 1.0986123, 0.0, 0.0, 0.0]> : tensor<6xf32>
  %g = mod.linear %one, %gates bias(%bias) glu(silu) : (tensor<1x1x1xf32>, tensor<6x1xf32>, tensor<6xf32>) -> tensor<1x1x3xf32>
  %packed = arith.constant dense<[[[0.0, 1.0986123, 1.0, 2.0]], [[0.0, 0.0, 3.0, 0.0]]]> : tensor<2x1x4xf32>
  %h = mod.linear %one, %packed bias(%bias) glu(silu) : (tensor<1x1x1xf32>, tensor<2x1x4xf32>, tensor<6xf32>) -> tensor<1x1x3xf32>
  return %s, %y, %z, %g, %h : tensor<1x1xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>
}

// Two heads of two share one key and value head. Token 0 sees itself alone; for
// token 1, head 0 has equal scores, so the mean of the values, and head 1 has
// scores 0 and ln(3), so weights 1/4 and 3/4: 2 * 0.776836 / sqrt(2) = ln(3).
// ATTENTION:      result 0: [1, 2, 4]
// ATTENTION-NEXT:   4 8 4 8
// ATTENTION-NEXT:   2 4 1 2
// The last query by itself, with both keys.
// ATTENTION-NEXT: result 1: [1, 1, 4]
// ATTENTION-NEXT:   2 4 1 2
func.func @attention() -> (tensor<1x2x4xf32>, tensor<1x1x4xf32>) {
  %q = arith.constant dense<[[[1.0, 1.0, 1.0, 1.0], [0.0, 7.0, 2.0, 0.0]]]> : tensor<1x2x4xf32>
  %k = arith.constant dense<[[[0.0, 0.0], [0.776836, 0.0]]]> : tensor<1x2x2xf32>
  %v = arith.constant dense<[[[4.0, 8.0], [0.0, 0.0]]]> : tensor<1x2x2xf32>
  %a = mod.attention %q, %k, %v heads(2) kv_heads(1) : (tensor<1x2x4xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>) -> tensor<1x2x4xf32>
  %last = tensor.extract_slice %q[0, 1, 0] [1, 1, 4] [1, 1, 1] : tensor<1x2x4xf32> to tensor<1x1x4xf32>
  %b = mod.attention %last, %k, %v heads(2) kv_heads(1) : (tensor<1x1x4xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>) -> tensor<1x1x4xf32>
  return %a, %b : tensor<1x2x4xf32>, tensor<1x1x4xf32>
}

// The same numbers, one token at a time through a cache.
// CACHES:      result 0: [1, 1, 4]
// CACHES-NEXT:   4 8 4 8
// CACHES-NEXT: result 1: [1, 1, 4]
// CACHES-NEXT:   2 4 1 2
// CACHES-NEXT: result 2: []
// CACHES-NEXT:   1
func.func @caches(%cache: !mod.kv_cache<2x2xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, index) {
  %q0 = arith.constant dense<1.0> : tensor<1x1x4xf32>
  %k0 = arith.constant dense<0.0> : tensor<1x1x2xf32>
  %v0 = arith.constant dense<[[[4.0, 8.0]]]> : tensor<1x1x2xf32>
  mod.cache_append %cache, %k0, %v0 : !mod.kv_cache<2x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  %a0 = mod.cached_attention %q0 over %cache heads(2) kv_heads(1) : (tensor<1x1x4xf32>, !mod.kv_cache<2x2xf32>) -> tensor<1x1x4xf32>
  %q1 = arith.constant dense<[[[0.0, 7.0, 2.0, 0.0]]]> : tensor<1x1x4xf32>
  %k1 = arith.constant dense<[[[0.776836, 0.0]]]> : tensor<1x1x2xf32>
  %room = mod.cache_room %cache : !mod.kv_cache<2x2xf32>
  mod.cache_append %cache, %k1, %k0 : !mod.kv_cache<2x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  %a1 = mod.cached_attention %q1 over %cache heads(2) kv_heads(1) : (tensor<1x1x4xf32>, !mod.kv_cache<2x2xf32>) -> tensor<1x1x4xf32>
  return %a0, %a1, %room : tensor<1x1x4xf32>, tensor<1x1x4xf32>, index
}

// Ties go to the lowest index; indices ascend; what is not valid is zero.
// ROUTING:      result 0: [1, 3]
// ROUTING-NEXT:   0 1 0
// ROUTING-NEXT: result 1: []
// ROUTING-NEXT:   2
// ROUTING-NEXT: result 2: [1, 4]
// ROUTING-NEXT:   0 1 3 0
// ROUTING-NEXT: result 3: []
// ROUTING-NEXT:   3
// Rows 0 and 1 doubled by the gate none, row 1 first.
// ROUTING-NEXT: result 4: [1, 4, 1]
// ROUTING-NEXT:   2
// ROUTING-NEXT:   4
// ROUTING-NEXT:   3
// ROUTING-NEXT:   4
// The predictor: hidden (0, ln 3), silu(ln 3) = 0.823959, logit = 2 * silu - 1.
// ROUTING-NEXT: result 5: [1, 1]
// ROUTING-NEXT:   0.64791{{[89]}}
func.func @routing() -> (tensor<1x3xi32>, index, tensor<1x4xi32>, index, tensor<1x4x1xf32>, tensor<1x1xf32>) {
  %r = arith.constant dense<[[2.0, 1.0, -1.0, 1.0]]> : tensor<1x4xf32>
  %i, %n = mod.select top_k(0.5) %r : (tensor<1x4xf32>) -> (tensor<1x3xi32>, index)
  %j, %m = mod.select positive %r : (tensor<1x4xf32>) -> (tensor<1x4xi32>, index)
  %x = arith.constant dense<[[[1.0], [2.0], [3.0], [4.0]]]> : tensor<1x4x1xf32>
  %at = arith.constant dense<[[1, 0]]> : tensor<1x2xi32>
  %t = mod.gather %x at(%at) : (tensor<1x4x1xf32>, tensor<1x2xi32>) -> tensor<1x2x1xf32>
  %y = mod.scatter %t into %x at(%at) gate(none) by(%r) : (tensor<1x2x1xf32>, tensor<1x4x1xf32>, tensor<1x2xi32>, tensor<1x4xf32>) -> tensor<1x4x1xf32>
  %one = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %w0 = arith.constant dense<[[0.0], [1.0]]> : tensor<2x1xf32>
  %b0 = arith.constant dense<[0.0, 0.0986123]> : tensor<2xf32>
  %w2 = arith.constant dense<[[5.0, 2.0]]> : tensor<1x2xf32>
  %b2 = arith.constant dense<-1.0> : tensor<1xf32>
  %l = mod.predictor %one, %w0, %b0, %w2, %b2 : (tensor<1x1x1xf32>, tensor<2x1xf32>, tensor<2xf32>, tensor<1x2xf32>, tensor<1xf32>) -> tensor<1x1xf32>
  return %i, %n, %j, %m, %y, %l : tensor<1x3xi32>, index, tensor<1x4xi32>, index, tensor<1x4x1xf32>, tensor<1x1xf32>
}

// TENSORS:      result 0: [2, 2]
// TENSORS-NEXT:   1 2
// TENSORS-NEXT:   10 5
// TENSORS-NEXT: result 1: [2]
// TENSORS-NEXT:   10 5
// TENSORS-NEXT: result 2: [2, 2]
// TENSORS-NEXT:   2 4
// TENSORS-NEXT:   20 10
// TENSORS-NEXT: result 3: []
// TENSORS-NEXT:   2
// TENSORS-NEXT: result 4: [2, 2]
// TENSORS-NEXT:   3 3
// TENSORS-NEXT:   3 3
// TENSORS-NEXT: result 5: [2, 2]
// TENSORS-NEXT:   -2 -2
// TENSORS-NEXT:   -2 -2
// The logarithms of 1 + 3 and of 3, and the magnitude of -2.
// TENSORS-NEXT: result 6: [2, 2]
// TENSORS-NEXT:   4.48491 4.48491
// TENSORS-NEXT:   4.48491 4.48491
// TENSORS-NEXT: result 7: [2, 2]
// TENSORS-NEXT:   5 5
// TENSORS-NEXT:   6 6
func.func @tensors() -> (tensor<2x2xf32>, tensor<?xf32>, tensor<2x2xf32>, index, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %h = ml_program.global_load_const @half : tensor<1x2xbf16>
  %a = arith.extf %h : tensor<1x2xbf16> to tensor<1x2xf32>
  %r = ml_program.global_load_const @resource : tensor<1x2xf32>
  %c = tensor.concat dim(0) %a, %r : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<2x2xf32>
  %b = arith.constant dense<10.0> : tensor<1x1xf32>
  %d = tensor.insert_slice %b into %c[1, 0] [1, 1] [1, 1] : tensor<1x1xf32> into tensor<2x2xf32>
  %c7 = arith.constant 7 : index
  %n = affine.min affine_map<()[s0] -> (s0, 2)>()[%c7]
  %e = tensor.extract_slice %d[1, 0] [1, %n] [1, 1] : tensor<2x2xf32> to tensor<?xf32>
  %i = tensor.empty() : tensor<2x2xf32>
  %m = linalg.map ins(%d : tensor<2x2xf32>) outs(%i : tensor<2x2xf32>) (%x: f32, %o: f32) {
    %s = arith.addf %x, %x : f32
    linalg.yield %s : f32
  }
  %three = arith.constant 3.0 : f32
  %f = linalg.fill ins(%three : f32) outs(%i : tensor<2x2xf32>) -> tensor<2x2xf32>
  %two = arith.constant -2.0 : f32
  %s = tensor.splat %two : tensor<2x2xf32>
  %p = bufferization.materialize_in_destination %s in %i : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %more = math.log1p %f : tensor<2x2xf32>
  %log = math.log %f : tensor<2x2xf32>
  %abs = math.absf %s : tensor<2x2xf32>
  %logs = arith.addf %more, %log : tensor<2x2xf32>
  %sum = arith.addf %logs, %abs : tensor<2x2xf32>
  %row = arith.constant dense<[5.0, 6.0]> : tensor<2xf32>
  %columns = linalg.broadcast ins(%row : tensor<2xf32>) outs(%i : tensor<2x2xf32>) dimensions = [1]
  return %d, %e, %m, %n, %f, %p, %sum, %columns
      : tensor<2x2xf32>, tensor<?xf32>, tensor<2x2xf32>, index, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
ml_program.global private @half(dense<[[1.0, 2.0]]> : tensor<1x2xbf16>) : tensor<1x2xbf16>
ml_program.global private @resource(dense_resource<five> : tensor<1x2xf32>) : tensor<1x2xf32>

// A routed block, computed by the equations in NumPy: with
//   x = table[tokens], r = x w, selected = the 2 largest of r, ascending,
//   n = x[selected] / sqrt(mean(x[selected]^2) + eps) * scale,
//   q = k = n rotated by `selected`, a = softmax(causal(q k^T / sqrt(2))) n,
//   y = x; y[selected] += sigmoid(r[selected]) a
// r = (0.5, 0.5, 1.25, -0.75), selected = (0, 2).
// BLOCK:      result 0: [1, 4, 2]
// BLOCK-NEXT:   1.88028 0
// BLOCK-NEXT:   0 2
// BLOCK-NEXT:   4.05184 -1.14611
// BLOCK-NEXT:   -2 1
func.func @block(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
  %table = ml_program.global_load_const @table : tensor<4x2xf32>
  %w = arith.constant dense<[[0.5, 0.25]]> : tensor<1x2xf32>
  %scale = arith.constant dense<[1.0, 0.5]> : tensor<2xf32>
  %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<4x2xf32>) -> tensor<?x?x2xf32>
  %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(sigmoid) causal(router) {
  ^bb0(%t: tensor<?x?x2xf32>, %p: tensor<?x?xi32>):
    %n = mod.rms_norm %t, %scale eps(1.0e-5) : (tensor<?x?x2xf32>, tensor<2xf32>) -> tensor<?x?x2xf32>
    %q = mod.rope %n at(%p) heads(1) theta(1.0e4) : (tensor<?x?x2xf32>, tensor<?x?xi32>) -> tensor<?x?x2xf32>
    %a = mod.attention %q, %q, %n heads(1) kv_heads(1) : (tensor<?x?x2xf32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
    mod.yield %a : tensor<?x?x2xf32>
  } : tensor<?x?x2xf32>
  return %y : tensor<?x?x2xf32>
}

// By the router's sign the tokens 0, 1 and 2 take part; each update is one.
// CAUSAL:      result 0: [1, 4, 2]
// CAUSAL-NEXT:   1.5 0.5
// CAUSAL-NEXT:   0.5 2.5
// CAUSAL-NEXT:   4.25 0.25
// CAUSAL-NEXT:   -2 1
func.func @causal(%tokens: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
  %table = ml_program.global_load_const @table : tensor<4x2xf32>
  %w = arith.constant dense<[[0.5, 0.25]]> : tensor<1x2xf32>
  %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<4x2xf32>) -> tensor<?x?x2xf32>
  %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
  %y = mod.routed %x by(%r) select(causal, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<?x?x2xf32>, %p: tensor<?x?xi32>):
    %zero = arith.subf %t, %t : tensor<?x?x2xf32>
    %one = math.exp %zero : tensor<?x?x2xf32>
    mod.yield %one : tensor<?x?x2xf32>
  } : tensor<?x?x2xf32>
  return %y : tensor<?x?x2xf32>
}

// The scores are 0.5, 0.5, 1.25 and -0.75. The first three take part, then the
// one of these with the least score and the lowest index: token 3, whose score
// is less, is no candidate.
// NESTED:      result 0: [1, 4, 2]
// NESTED-NEXT:   4 0
// NESTED-NEXT:   0 4
// NESTED-NEXT:   6 -2
// NESTED-NEXT:   -2 1
// NESTED-NEXT: result 1: [1, 4]
// NESTED-NEXT:   0 -inf -inf -inf
// The mean of all four scores, and what the first and the last say.
// NESTED-NEXT: result 2: [1, 4]
// NESTED-NEXT:   0.375 0.375 0.375 0.375
// NESTED-NEXT: result 3: [1, 4]
// NESTED-NEXT:   0.5 0.5 0.5 0.5
// NESTED-NEXT: result 4: [1, 4]
// NESTED-NEXT:   -0.75 -0.75 -0.75 -0.75
func.func @nested(%tokens: tensor<?x?xi32>) -> (tensor<?x?x2xf32>, tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>) {
  %table = ml_program.global_load_const @table : tensor<4x2xf32>
  %w = arith.constant dense<[[0.5, 0.25]]> : tensor<1x2xf32>
  %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<4x2xf32>) -> tensor<?x?x2xf32>
  %r = mod.router %x, %w : (tensor<?x?x2xf32>, tensor<1x2xf32>) -> tensor<?x?xf32>
  %y, %first = mod.routed %x by(%r) select(expert_choice, capacity = 3) gate(none) causal(router) members {
  ^bb0(%t: tensor<?x?x2xf32>, %p: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x2xf32>
  } : tensor<?x?x2xf32>
  %least = arith.negf %r : tensor<?x?xf32>
  %order = arith.addf %least, %first : tensor<?x?xf32>
  %z, %second = mod.routed %y by(%order) select(expert_choice, capacity = 1) gate(none) causal(router) members {
  ^bb0(%t: tensor<?x?x2xf32>, %p: tensor<?x?xi32>):
    mod.yield %t : tensor<?x?x2xf32>
  } : tensor<?x?x2xf32>
  %mean = mod.pool mean %r : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %from = mod.pool first %r : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %to = mod.pool last %r : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %z, %second, %mean, %from, %to : tensor<?x?x2xf32>, tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>
}

// The score of the first token holds for those that follow.
// LATCHED:      result 0: [1, 1]
// LATCHED-NEXT:   0.5
// LATCHED-NEXT: result 0: [1, 1]
// LATCHED-NEXT:   0.5
// LATCHED-NEXT: result 0: [1, 1]
// LATCHED-NEXT:   0.5
func.func @latched(%tokens: tensor<1x1xi32> {mod.role = "tokens"}, %start: index {mod.role = "start"}, %latch: !mod.latch<1> {mod.role = "latch"}) -> tensor<1x1xf32> {
  %table = ml_program.global_load_const @table : tensor<4x2xf32>
  %w = arith.constant dense<[[0.5, 0.25]]> : tensor<1x2xf32>
  %x = mod.embedding %tokens, %table : (tensor<1x1xi32>, tensor<4x2xf32>) -> tensor<1x1x2xf32>
  %r = mod.router %x, %w : (tensor<1x1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  %l = mod.latch %r in %latch from %start : (tensor<1x1xf32>, !mod.latch<1>, index) -> tensor<1x1xf32>
  return %l : tensor<1x1xf32>
}

// One run for each token, in one cache: the mean of the tokens' embeddings so
// far, and where the token stands.
// DECODE:      result 0: [1, 1, 2]
// DECODE-NEXT:   1 0
// DECODE-NEXT: result 1: [1, 1]
// DECODE-NEXT:   0
// DECODE-NEXT: result 0: [1, 1, 2]
// DECODE-NEXT:   2 -0.5
// DECODE-NEXT: result 1: [1, 1]
// DECODE-NEXT:   1
// DECODE-NEXT: result 0: [1, 1, 2]
// DECODE-NEXT:   1.33333 0.333333
// DECODE-NEXT: result 1: [1, 1]
// DECODE-NEXT:   2
func.func @decode(%tokens: tensor<1x1xi32> {mod.role = "tokens"}, %start: index {mod.role = "start"}, %cache: !mod.kv_cache<3x2xf32> {mod.role = "cache"}) -> (tensor<1x1x2xf32>, tensor<1x1xi32>) {
  %table = ml_program.global_load_const @table : tensor<4x2xf32>
  %x = mod.embedding %tokens, %table : (tensor<1x1xi32>, tensor<4x2xf32>) -> tensor<1x1x2xf32>
  %p = mod.positions %tokens from %start : (tensor<1x1xi32>, index) -> tensor<1x1xi32>
  %q = arith.constant dense<0.0> : tensor<1x1x2xf32>
  mod.cache_append %cache, %x, %x : !mod.kv_cache<3x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  %mean = mod.cached_attention %q over %cache heads(1) kv_heads(1) : (tensor<1x1x2xf32>, !mod.kv_cache<3x2xf32>) -> tensor<1x1x2xf32>
  return %mean, %p : tensor<1x1x2xf32>, tensor<1x1xi32>
}

ml_program.global private @table(dense<[[1.0, 0.0], [0.0, 2.0], [3.0, -1.0], [-2.0, 1.0]]> : tensor<4x2xf32>) : tensor<4x2xf32>

{-#
  dialect_resources: {
    builtin: {
      // 4.0 and 5.0
      five: "0x04000000000080400000A040"
    }
  }
#-}
