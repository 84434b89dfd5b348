// RUN: mod-opt %s --mod-derive-programs=decode-routing=predictor --split-input-file --verify-diagnostics
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=decode-routing=random 2>&1 \
// RUN:   | FileCheck %s --check-prefix=OPTION
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=kv-tokens=-1 2>&1 \
// RUN:   | FileCheck %s --check-prefix=TOKENS
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=kv-dtype=i8 2>&1 \
// RUN:   | FileCheck %s --check-prefix=DTYPE
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=batch=0 2>&1 \
// RUN:   | FileCheck %s --check-prefix=BATCH
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs="batch=2 kv-tokens=3" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=BOTH
// RUN: not mod-opt %{examples}/adapter-bypass/model.mlir --mod-specialize --mod-derive-programs=kv-tokens=3 2>&1 \
// RUN:   | FileCheck %s --check-prefix=BYPASS
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=prefill-routing=random 2>&1 \
// RUN:   | FileCheck %s --check-prefix=PREFILL
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs=prefill-routing=predictor 2>&1 \
// RUN:   | FileCheck %s --check-prefix=PREDICTOR
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize --mod-derive-programs="prefill-routing=top_k kv-tokens=3" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=TOPK
// RUN: sed s/expert_choice/causal/ %S/Inputs/model.mlir > %t.mlir
// RUN: not mod-opt %t.mlir --mod-specialize --mod-derive-programs=prefill-routing=top_k 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ALONE
// RUN: not mod-opt %{examples}/sequence/model.mlir --mod-specialize --mod-derive-programs=prefill-routing=always 2>&1 \
// RUN:   | FileCheck %s --check-prefix=SEQUENCE
// SEQUENCE: is routed by what its prompt says of the sequence: expected no prefill-routing
// PREFILL: prefill-routing 'random' is not top_k, predictor, router or always
// PREDICTOR: has no predictor: prefill-routing=predictor needs one
// TOPK: routes prompts by top_k, expected a causal predicate with kv-tokens
// ALONE: selects each token by itself: expected no prefill-routing=top_k
// TOKENS: kv-tokens -1 is negative
// DTYPE: kv-dtype 'i8' is not f32, bf16 or f16
// BATCH: batch 0 is not positive
// BOTH: has kv-tokens, expected none with a batch of 2
// BYPASS: has a bypass, expected none with kv-tokens
// OPTION: decode-routing 'random' is not predictor, router or always

// RUN: not mod-opt %{examples}/kv-only/model.mlir --mod-specialize --mod-derive-programs=kv-tokens=3 2>&1 \
// RUN:   | FileCheck %s --check-prefix=DENSE
// DENSE: sees all tokens, expected those of the block with kv-tokens

// expected-error@below {{has no function @forward, the model}}
module {}

// -----

// expected-error@below {{has tokens of unknown shape 'tensor<?x?xi32>': programs are derived after mod-specialize}}
func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %table = arith.constant dense<1.0> : tensor<5x4xf32>
  %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
  return %x : tensor<?x?x4xf32>
}

// -----

// expected-error@below {{batch of 2 is not supported by programs}}
func.func @forward(%tokens: tensor<2x6xi32>) -> tensor<2x6x4xf32> {
  %table = arith.constant dense<1.0> : tensor<5x4xf32>
  %x = mod.embedding %tokens, %table : (tensor<2x6xi32>, tensor<5x4xf32>) -> tensor<2x6x4xf32>
  return %x : tensor<2x6x4xf32>
}

// -----

func.func @forward(%tokens: tensor<1x6xi32>) -> tensor<1x6x4xf32> {
  %table = arith.constant dense<1.0> : tensor<5x4xf32>
  %w = arith.constant dense<1.0> : tensor<1x4xf32>
  %x = mod.embedding %tokens, %table : (tensor<1x6xi32>, tensor<5x4xf32>) -> tensor<1x6x4xf32>
  %r = mod.router %x, %w : (tensor<1x6x4xf32>, tensor<1x4xf32>) -> tensor<1x6xf32>
  // expected-error@below {{has no predictor: decode-routing=predictor needs one}}
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x3x4xf32>, %positions: tensor<1x3xi32>):
    mod.yield %t : tensor<1x3x4xf32>
  } : tensor<1x6x4xf32>
  return %y : tensor<1x6x4xf32>
}

// -----

// A mean over tokens sees the future.
func.func @forward(%tokens: tensor<1x6xi32>) -> tensor<1x6x4xf32> {
  %table = arith.constant dense<1.0> : tensor<5x4xf32>
  %zero = arith.constant dense<0.0> : tensor<1x4xf32>
  %place = tensor.empty() : tensor<1x6x4xf32>
  %x = mod.embedding %tokens, %table : (tensor<1x6xi32>, tensor<5x4xf32>) -> tensor<1x6x4xf32>
  // expected-error@below {{mixes tokens outside mod.attention: it cannot be run token by token}}
  %sum = linalg.reduce {arith.addf} ins(%x : tensor<1x6x4xf32>) outs(%zero : tensor<1x4xf32>) dimensions = [1]
  %all = linalg.broadcast ins(%sum : tensor<1x4xf32>) outs(%place : tensor<1x6x4xf32>) dimensions = [1]
  %y = arith.addf %x, %all : tensor<1x6x4xf32>
  return %y : tensor<1x6x4xf32>
}

// -----

// The number of tokens is another for each token.
func.func @forward(%tokens: tensor<1x6xi32>) -> tensor<1x6x4xf32> {
  %table = arith.constant dense<1.0> : tensor<5x4xf32>
  %c1 = arith.constant 1 : index
  %x = mod.embedding %tokens, %table : (tensor<1x6xi32>, tensor<5x4xf32>) -> tensor<1x6x4xf32>
  // expected-error@below {{asks for the number of tokens, which is not known where tokens arrive one by one}}
  %s = tensor.dim %x, %c1 : tensor<1x6x4xf32>
  %i = arith.index_cast %s : index to i32
  %f = arith.sitofp %i : i32 to f32
  %n = tensor.splat %f : tensor<1x6x4xf32>
  %y = arith.divf %x, %n : tensor<1x6x4xf32>
  return %y : tensor<1x6x4xf32>
}

// -----

func.func @forward(%tokens: tensor<1x6xi32>) -> tensor<1x6x4xf32> {
  %table = arith.constant dense<1.0> : tensor<5x4xf32>
  %doubled = arith.addi %tokens, %tokens : tensor<1x6xi32>
  // expected-error@below {{must be those of the model's tokens}}
  %p = mod.positions %doubled : (tensor<1x6xi32>) -> tensor<1x6xi32>
  %x = mod.embedding %p, %table : (tensor<1x6xi32>, tensor<5x4xf32>) -> tensor<1x6x4xf32>
  return %x : tensor<1x6x4xf32>
}

// -----

func.func @forward(%tokens: tensor<1x6xi32>) -> tensor<1x6x4xf32> {
  %table = arith.constant dense<1.0> : tensor<5x4xf32>
  %w = arith.constant dense<1.0> : tensor<1x4xf32>
  %x = mod.embedding %tokens, %table : (tensor<1x6xi32>, tensor<5x4xf32>) -> tensor<1x6x4xf32>
  %r = mod.router %x, %w : (tensor<1x6x4xf32>, tensor<1x4xf32>) -> tensor<1x6xf32>
  %y = mod.routed %x by(%r) select(expert_choice, capacity = 3) gate(none) causal(predictor, %r) {
  ^bb0(%t: tensor<1x3x4xf32>, %p: tensor<1x3xi32>):
    %a = mod.attention %t, %t, %t among(%p) heads(1) kv_heads(1) window(3) : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3xi32>) -> tensor<1x3x4xf32>
    // expected-error@below {{has a window of as many keys, but another attention to these has one of positions}}
    %b = mod.attention %a, %t, %t heads(1) kv_heads(1) window(2) : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    mod.yield %b : tensor<1x3x4xf32>
  } : tensor<1x6x4xf32>
  return %y : tensor<1x6x4xf32>
}
