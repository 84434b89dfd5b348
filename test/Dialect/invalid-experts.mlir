// RUN: mod-opt %s --split-input-file --verify-diagnostics

// One case for each error of mixtures of experts.

func.func @shares(%l: tensor<1x8x4xf64>) {
  // expected-error @below {{logits has elements of 'f64', expected 'f32'}}
  %0 = mod.shares %l top(2) gate(softmax) : (tensor<1x8x4xf64>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{has the top 5 of 4 choices}}
  %0 = mod.shares %l top(5) gate(softmax) : (tensor<1x8x4xf32>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{attribute 'top' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
  %0 = mod.shares %l top(0) gate(softmax) : (tensor<1x8x4xf32>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{has shares that 'raw' would make negative: expected softmax, softmax_topk, sigmoid or none}}
  %0 = mod.shares %l top(2) gate(raw) : (tensor<1x8x4xf32>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{has shares that 'tanh' would make negative}}
  %0 = mod.shares %l top(2) gate(tanh) : (tensor<1x8x4xf32>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{needs a gate with a positive scale and without a bias}}
  %0 = mod.shares %l top(2) gate(sigmoid, scale = 0.0) : (tensor<1x8x4xf32>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{needs a gate with a positive scale and without a bias}}
  %0 = mod.shares %l top(2) gate(sigmoid, bias = 1.0) : (tensor<1x8x4xf32>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{has a gate 'softmax_topk' without 'top'}}
  %0 = mod.shares %l gate(softmax_topk) : (tensor<1x8x4xf32>) -> tensor<4x1x8xf32>
  return
}

// -----

func.func @shares(%l: tensor<1x8x4xf32>) {
  // expected-error @below {{gives values like 'tensor<4x1x8xf32>', not 'tensor<1x8x4xf32>'}}
  %0 = mod.shares %l top(2) gate(softmax) : (tensor<1x8x4xf32>) -> tensor<1x8x4xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x1xf32>) {
  // expected-error @below {{has 2 experts, but logits of type 'tensor<1x8x1xf32>'}}
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  }, {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x1xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x?xf32>) {
  // expected-error @below {{has 1 experts, but logits of type 'tensor<1x8x?xf32>'}}
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x?xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{has no expert}}
  %0 = mod.experts %x by(%l) top(1) gate(softmax) : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{does not say who goes where without the future: expected 'top' or 'causal'}}
  %0 = mod.experts %x by(%l) capacity(4) gate(softmax) {
  ^bb0(%t: tensor<1x4x4xf32>):
    mod.yield %t : tensor<1x4x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x7x2xf32>) {
  // expected-error @below {{logits has 7 in dimension 1, expected 8}}
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x7x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{has the top 3 of 2 choices}}
  %0 = mod.experts %x by(%l) top(3) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{capacity as a ratio must be in (0, 1], not 1.5}}
  %0 = mod.experts %x by(%l) top(1) capacity(1.5) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{has shares that 'raw' would make negative}}
  %0 = mod.experts %x by(%l) top(1) gate(raw) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{region #0 must take rows of 'tensor<1x8x4xf32>'}}
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>, %positions: tensor<1x8xi32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{region #1 must take rows of 'tensor<1x8x4xf32>'}}
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  }, {
  ^bb0(%t: tensor<1x8x5xf32>):
    mod.yield %t : tensor<1x8x5xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  // expected-error @below {{region #0 must end with 'mod.yield'}}
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    ub.unreachable
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x?x4xf32>):
    // expected-error @below {{gives 'tensor<1x8x4xf32>', expected 'tensor<1x?x4xf32>'}}
    mod.yield %x : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x2xf32>) {
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    // expected-error @below {{in an expert, which has each token by itself}}
    %a = mod.attention %t, %t, %t heads(1) kv_heads(1)
        : (tensor<1x8x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>) -> tensor<1x8x4xf32>
    mod.yield %a : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x2xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x1xf32>, %r: tensor<1x8xf32>) {
  %0 = mod.experts %x by(%l) top(1) gate(softmax) {
  ^bb0(%t: tensor<1x8x4xf32>):
    // expected-error @below {{in an expert, which has each token by itself}}
    %u = mod.routed %t by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
    ^bb0(%s: tensor<1x?x4xf32>, %p: tensor<1x?xi32>):
      mod.yield %s : tensor<1x?x4xf32>
    } : tensor<1x8x4xf32>
    mod.yield %u : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x1xf32>
  return
}

// -----

func.func @experts(%x: tensor<1x8x4xf32>, %l: tensor<1x8x1xf32>) {
  // expected-error @below {{expected 'positive', 'above' or 'at_least'}}
  %0 = mod.experts %x by(%l) gate(softmax) causal(most) {
  ^bb0(%t: tensor<1x8x4xf32>):
    mod.yield %t : tensor<1x8x4xf32>
  } : tensor<1x8x4xf32>, tensor<1x8x1xf32>
  return
}
