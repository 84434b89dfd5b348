// RUN: mod-opt %s | mod-opt | FileCheck %s
// RUN: mod-opt %s --mlir-print-op-generic | mod-opt | FileCheck %s
// RUN: mod-opt %s --mod-interpret="function=mixtures" -o /dev/null | FileCheck %s --check-prefix=MEANING

// CHECK-LABEL: func @syntax
func.func @syntax(%x: tensor<?x?x16xf32>, %l: tensor<?x?x3xf32>, %lm: memref<1x?x3xf32>, %sm: memref<3x1x?xf32>, %e: tensor<3x?x?xf32>) -> tensor<?x?x16xf32> {
  // CHECK: mod.shares %{{.*}} top(2) gate(softmax_topk) : (tensor<?x?x3xf32>) -> tensor<3x?x?xf32>
  %s = mod.shares %l top(2) gate(softmax_topk) : (tensor<?x?x3xf32>) -> tensor<3x?x?xf32>
  // CHECK: mod.shares %{{.*}} gate(sigmoid, scale = 2.000000e+00) into(%{{.*}}) : (tensor<?x?x3xf32>, tensor<3x?x?xf32>) -> tensor<3x?x?xf32>
  %t = mod.shares %l gate(sigmoid, scale = 2.0) into(%e) : (tensor<?x?x3xf32>, tensor<3x?x?xf32>) -> tensor<3x?x?xf32>
  // CHECK: mod.shares %{{.*}} gate(none) into(%{{.*}}) : (memref<1x?x3xf32>, memref<3x1x?xf32>) -> ()
  mod.shares %lm gate(none) into(%sm) : (memref<1x?x3xf32>, memref<3x1x?xf32>) -> ()
  // CHECK: mod.experts %{{.*}} by(%{{.*}}) top(2) gate(softmax_topk) {
  // CHECK-NEXT: ^bb0(%[[T:.*]]: tensor<?x?x16xf32>):
  // CHECK-NEXT: mod.yield %[[T]] : tensor<?x?x16xf32>
  // CHECK-NEXT: }, {
  // CHECK: } : tensor<?x?x16xf32>, tensor<?x?x3xf32>
  %y = mod.experts %x by(%l) top(2) gate(softmax_topk) {
  ^bb0(%r: tensor<?x?x16xf32>):
    mod.yield %r : tensor<?x?x16xf32>
  }, {
  ^bb0(%r: tensor<?x?x16xf32>):
    mod.yield %r : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>, tensor<?x?x3xf32>
  // CHECK: mod.experts %{{.*}} by(%{{.*}}) capacity(2.500000e-01) gate(softmax) causal(above(5.000000e-01)) {
  %z = mod.experts %y by(%l) capacity(0.25) gate(softmax) causal(above(0.5)) {
  ^bb0(%r: tensor<?x?x16xf32>):
    mod.yield %r : tensor<?x?x16xf32>
  } : tensor<?x?x16xf32>, tensor<?x?x3xf32>
  return %z : tensor<?x?x16xf32>
}

// Of three choices the last does nothing; one expert doubles, one negates.

// Shares: the softmax of (2, 1, 0) is (0.665241, 0.244728, 0.0900306), that of
// the first two is (0.731059, 0.268941). Of equal logits the first are chosen.
// MEANING:      result 0: [3, 1, 3]
// MEANING-NEXT:   0.665241 0 0.333333
// MEANING-NEXT:   0.244728 0.244728 0.333333
// MEANING-NEXT:   0 0.665241 0
// MEANING-NEXT: result 1: [3, 1, 3]
// MEANING-NEXT:   0.731059 0 0.5
// MEANING-NEXT:   0.268941 0.268941 0.5
// MEANING-NEXT:   0 0.731059 0
// Two choices each, of weight 1: token 1 goes nowhere and to the second.
// MEANING-NEXT: result 2: [1, 3, 2]
// MEANING-NEXT:   1 0
// MEANING-NEXT:   0 -1
// MEANING-NEXT:   1 1
// Each expert takes the token with its largest share, sigmoid(2) = 0.880797 and
// sigmoid(1) = 0.731059: the first one.
// MEANING-NEXT: result 3: [1, 3, 2]
// MEANING-NEXT:   1.03054 0
// MEANING-NEXT:   0 0
// MEANING-NEXT:   0 0
// Each expert takes the tokens whose share is above 0.6.
// MEANING-NEXT: result 4: [1, 3, 2]
// MEANING-NEXT:   1.03054 0
// MEANING-NEXT:   0 -0.731059
// MEANING-NEXT:   0.731059 0.731059
// One choice each, of which experts keep the first token: of 0 and 2 the first.
// MEANING-NEXT: result 5: [1, 3, 2]
// MEANING-NEXT:   2 0
// MEANING-NEXT:   0 0
// MEANING-NEXT:   0 0
func.func @mixtures() -> (tensor<3x1x3xf32>, tensor<3x1x3xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) {
  %x = arith.constant dense<[[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]> : tensor<1x3x2xf32>
  %l = arith.constant dense<[[[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]]> : tensor<1x3x3xf32>
  %0 = mod.shares %l top(2) gate(softmax) : (tensor<1x3x3xf32>) -> tensor<3x1x3xf32>
  %1 = mod.shares %l top(2) gate(softmax_topk) : (tensor<1x3x3xf32>) -> tensor<3x1x3xf32>
  %2 = mod.experts %x by(%l) top(2) gate(none) {
  ^bb0(%t: tensor<1x?x2xf32>):
    %u = arith.addf %t, %t : tensor<1x?x2xf32>
    mod.yield %u : tensor<1x?x2xf32>
  }, {
  ^bb0(%t: tensor<1x?x2xf32>):
    %u = arith.negf %t : tensor<1x?x2xf32>
    mod.yield %u : tensor<1x?x2xf32>
  } : tensor<1x3x2xf32>, tensor<1x3x3xf32>
  %3 = mod.experts %x by(%l) capacity(1) gate(sigmoid) causal(positive) {
  ^bb0(%t: tensor<1x?x2xf32>):
    %u = arith.addf %t, %t : tensor<1x?x2xf32>
    mod.yield %u : tensor<1x?x2xf32>
  }, {
  ^bb0(%t: tensor<1x?x2xf32>):
    %u = arith.negf %t : tensor<1x?x2xf32>
    mod.yield %u : tensor<1x?x2xf32>
  } : tensor<1x3x2xf32>, tensor<1x3x3xf32>
  %4 = mod.experts %x by(%l) gate(sigmoid) causal(above(0.6)) {
  ^bb0(%t: tensor<1x?x2xf32>):
    %u = arith.addf %t, %t : tensor<1x?x2xf32>
    mod.yield %u : tensor<1x?x2xf32>
  }, {
  ^bb0(%t: tensor<1x?x2xf32>):
    %u = arith.negf %t : tensor<1x?x2xf32>
    mod.yield %u : tensor<1x?x2xf32>
  } : tensor<1x3x2xf32>, tensor<1x3x3xf32>
  %5 = mod.experts %x by(%l) top(1) capacity(0.5) gate(softmax_topk) {
  ^bb0(%t: tensor<1x?x2xf32>):
    %u = arith.addf %t, %t : tensor<1x?x2xf32>
    mod.yield %u : tensor<1x?x2xf32>
  } : tensor<1x3x2xf32>, tensor<1x3x3xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<3x1x3xf32>, tensor<3x1x3xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>
}
