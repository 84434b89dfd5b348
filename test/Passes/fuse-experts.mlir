// RUN: mod-opt %s --mod-specialize --mod-derive-programs --mod-fuse-experts | FileCheck %s
// RUN: mod-opt %s --mod-specialize --mod-derive-programs --mod-fuse-experts \
// RUN:   --remarks-filter="mod-fuse-experts|mod-derive-programs" 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK
// RUN: mod-opt %s --mod-specialize | FileCheck %s --check-prefix=BUDGET
// RUN: mod-opt %s --mod-interpret="function=forward tokens=3,0,2,1,3,0,2,0,1" -o /dev/null > %t.meant
// RUN: mod-opt %s --mod-specialize --mod-derive-programs --mod-fuse-experts \
// RUN:   --mod-interpret="function=forward tokens=3,0,2,1,3,0,2,0,1" -o /dev/null > %t.fused
// RUN: diff %t.meant %t.fused

// REMARK-DAG: Function=prefill | Reason="experts take all of their tokens where these arrive in order", by=causal
// REMARK-DAG: Function=decode | Reason="experts take all of their tokens where these arrive in order", by=causal
// REMARK-DAG: Function=forward | bound=9, experts=2, form=selection
// REMARK-DAG: Function=forward | bound=4, experts=1, form=selection
// REMARK-DAG: Function=prefill | bound=9, experts=2, form=selection
// REMARK-DAG: Function=decode | bound=1, experts=2, form=branch

// A token costs 8 FLOPs for its logits, one of two experts of 8 each, and 4
// times in 9 the third.
// BUDGET: flops_per_token = 20 : i64

module attributes {mod.model = {context = 9 : i64}} {
  // CHECK-LABEL: @forward
  // CHECK: %[[N:.*]] = affine.min
  // CHECK: %[[X:.*]] = mod.embedding
  // CHECK: %[[L:.*]] = mod.linear %[[X]]
  // CHECK: %[[E:.*]] = tensor.empty(%[[N]]) : tensor<2x1x?xf32>
  // CHECK: %[[S:.*]] = mod.shares %[[L]] top(1) gate(softmax) into(%[[E]])
  // CHECK: %[[S0:.*]] = tensor.extract_slice %[[S]][0, 0, 0] [1, 1, %[[N]]] [1, 1, 1] : tensor<2x1x?xf32> to tensor<1x?xf32>
  // CHECK: %[[ALL:.*]], %[[K:.*]] = mod.select positive %[[S0]] : (tensor<1x?xf32>) -> (tensor<1x9xi32>, index)
  // CHECK: %[[I:.*]] = tensor.extract_slice %[[ALL]][0, 0] [1, %[[K]]] [1, 1]
  // CHECK: %[[T:.*]] = mod.gather %[[X]] at(%[[I]])
  // CHECK: %[[U:.*]] = mod.linear %[[T]]
  // What the mixture is added to is where it is added up.
  // CHECK: %[[Y0:.*]] = mod.scatter %[[U]] into %[[X]] at(%[[I]]) gate(raw) by(%[[S0]])
  // CHECK: %[[S1:.*]] = tensor.extract_slice %[[S]][1, 0, 0]
  // CHECK: %[[Y1:.*]] = mod.scatter %{{.*}} into %[[Y0]] at(%{{.*}}) gate(raw) by(%[[S1]])
  // Experts that choose: at most 4 of 9 tokens, added up from zero.
  // CHECK: %[[Z:.*]] = linalg.fill
  // CHECK: mod.shares %{{.*}} gate(sigmoid)
  // CHECK: mod.select top_k(5.000000e-01) %{{.*}} : (tensor<1x?xf32>) -> (tensor<1x4xi32>, index)
  // CHECK: mod.scatter %{{.*}} into %[[Z]]
  // CHECK-NOT: mod.experts

  // CHECK-LABEL: @prefill
  // CHECK: mod.select above(5.000000e-01)

  // One token: the weights of an expert that does not take it are not read.
  // CHECK-LABEL: @decode
  // CHECK: %[[X:.*]] = mod.embedding
  // CHECK: %[[S0:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0] [1, 1, 1] [1, 1, 1] : tensor<2x1x1xf32> to tensor<1x1xf32>
  // CHECK: %[[SHARE:.*]] = tensor.extract %[[S0]]
  // CHECK: %[[TAKES:.*]] = arith.cmpf ogt, %[[SHARE]], %{{.*}} : f32
  // CHECK: scf.if %[[TAKES]] -> (tensor<1x1x2xf32>) {
  // CHECK: %[[U:.*]] = mod.linear %[[X]]
  // CHECK: mod.scatter %[[U]] into %[[X]] gate(raw) by(%[[S0]])
  // CHECK: } else {
  // CHECK: scf.yield %[[X]]
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<[[1.0, 0.0], [0.0, 2.0], [3.0, -1.0], [-2.0, 1.0]]> : tensor<4x2xf32>
    %w = arith.constant dense<[[0.5, 0.25], [-0.5, 1.0]]> : tensor<2x2xf32>
    %a = arith.constant dense<[[0.5, 1.0], [1.5, 2.0]]> : tensor<2x2xf32>
    %b = arith.constant dense<[[2.0, -1.0], [0.0, 1.0]]> : tensor<2x2xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<4x2xf32>) -> tensor<?x?x2xf32>
    %l = mod.linear %x, %w : (tensor<?x?x2xf32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
    %m = mod.experts %x by(%l) top(1) gate(softmax) {
    ^bb0(%t: tensor<?x?x2xf32>):
      %u = mod.linear %t, %a : (tensor<?x?x2xf32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
      mod.yield %u : tensor<?x?x2xf32>
    }, {
    ^bb0(%t: tensor<?x?x2xf32>):
      %u = mod.linear %t, %b : (tensor<?x?x2xf32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
      mod.yield %u : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>, tensor<?x?x2xf32>
    %y = arith.addf %x, %m : tensor<?x?x2xf32>
    %z = mod.experts %y by(%l) capacity(0.5) gate(sigmoid) causal(above(0.5)) {
    ^bb0(%t: tensor<?x?x2xf32>):
      %u = mod.linear %t, %b : (tensor<?x?x2xf32>, tensor<2x2xf32>) -> tensor<?x?x2xf32>
      mod.yield %u : tensor<?x?x2xf32>
    } : tensor<?x?x2xf32>, tensor<?x?x2xf32>
    %logits = mod.linear %z, %table : (tensor<?x?x2xf32>, tensor<4x2xf32>) -> tensor<?x?x4xf32>
    return %logits : tensor<?x?x4xf32>
  }
}
