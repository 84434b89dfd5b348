// RUN: mod-opt %s --mod-specialize=context=6 --split-input-file --verify-diagnostics
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize=context=-1 2>&1 | FileCheck %s --check-prefix=CONTEXT
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize=batch=0 2>&1 | FileCheck %s --check-prefix=BATCH
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize=capacity=1.5 2>&1 | FileCheck %s --check-prefix=RATIO
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize=capacity=half 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize=capacity=-3 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not mod-opt %S/Inputs/model.mlir --mod-specialize=capacity=10 2>&1 | FileCheck %s --check-prefix=MANY
// RUN: echo 'func.func @forward(%%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> { %%c = ub.poison : tensor<?x?x4xf32> return %%c : tensor<?x?x4xf32> }' \
// RUN:   | not mod-opt --mod-specialize 2>&1 | FileCheck %s --check-prefix=NONE
// CONTEXT: error: context must be at least 1, not -1
// BATCH: error: batch must be at least 1, not 0
// RATIO: capacity '1.5' is neither a ratio in (0, 1] nor a count of at least 1
// TEXT: capacity 'half' is neither
// COUNT: capacity '-3' is neither
// MANY: capacity of 10 tokens exceeds the context of 9
// NONE: has no context: expected mod.model = {context = N} or the option context

// expected-error@below {{has no function @forward, the model}}
module {}

// -----

module {
  // expected-error@below {{must be of the form (tensor<?x?xi32>) -> tensor<?x?xVxf32>}}
  func.func @forward(%tokens: tensor<?xi32>) -> tensor<?xi32> {
    return %tokens : tensor<?xi32>
  }
}

// -----

module {
  // expected-error@below {{must have a body of one block}}
  func.func private @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32>
}

// -----

// expected-error@below {{has a vocabulary of 5 : i64, but logits of type 'tensor<?x?x4xf32>'}}
module attributes {mod.model = {vocab = 5 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    return %x : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<3x4xf32>
    // expected-error@below {{has a table of 3 tokens, but the model has logits for 4}}
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<3x4xf32>) -> tensor<?x?x4xf32>
    return %x : tensor<?x?x4xf32>
  }
}

// -----

// expected-error@below {{context of 6 exceeds the model's context of 5}}
module attributes {mod.model = {context = 5 : i64}} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    return %x : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %w = arith.constant dense<1.0> : tensor<1x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    %r = mod.router %x, %w : (tensor<?x?x4xf32>, tensor<1x4xf32>) -> tensor<?x?xf32>
    // expected-error@below {{capacity of 7 tokens exceeds the context of 6}}
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 7) gate(raw) causal(router) {
    ^bb0(%t: tensor<?x?x4xf32>, %positions: tensor<?x?xi32>):
      mod.yield %t : tensor<?x?x4xf32>
    } : tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %w = arith.constant dense<1.0> : tensor<1x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    %r = mod.router %x, %w : (tensor<?x?x4xf32>, tensor<1x4xf32>) -> tensor<?x?xf32>
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
    ^bb0(%t: tensor<?x?x4xf32>, %positions: tensor<?x?xi32>):
      %q = mod.router %t, %w : (tensor<?x?x4xf32>, tensor<1x4xf32>) -> tensor<?x?xf32>
      // expected-error@below {{inside another routed block is not supported}}
      %u = mod.routed %t by(%q) select(expert_choice, capacity = 0.5) gate(raw) causal(router) {
      ^bb0(%t2: tensor<?x?x4xf32>, %positions2: tensor<?x?xi32>):
        mod.yield %t2 : tensor<?x?x4xf32>
      } : tensor<?x?x4xf32>
      mod.yield %u : tensor<?x?x4xf32>
    } : tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    // expected-error@below {{'tensor.cast' op on a tensor that depends on tokens: the types of its results cannot be inferred}}
    %c = tensor.cast %x : tensor<?x?x4xf32> to tensor<?x?x?xf32>
    %y = tensor.cast %c : tensor<?x?x?xf32> to tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    %one = arith.constant 1 : index
    // expected-error@below {{takes some of the tokens}}
    %y = tensor.extract_slice %x[0, 0, 0] [%one, %one, 4] [1, 1, 1] : tensor<?x?x4xf32> to tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    // expected-error@below {{joins tensors along their tokens}}
    %y = tensor.concat dim(1) %x, %x : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  ml_program.global private @mask(#ml_program.extern : tensor<?x?x4xf32>) : tensor<?x?x4xf32>
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %mask = ml_program.global_load_const @mask : tensor<?x?x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    // expected-error@below {{operand #1 becomes 'tensor<?x?x4xf32>' beside 'tensor<1x6x4xf32>'}}
    %y = arith.addf %x, %mask : tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    // expected-error@below {{is not part of the functional form of a model}}
    %y = mod.gather %x at(%tokens) : (tensor<?x?x4xf32>, tensor<?x?xi32>) -> tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    // expected-error@below {{drops dimensions of a tensor that depends on tokens}}
    %row = tensor.extract_slice %x[0, 0, 0] [1, 1, 4] [1, 1, 1] : tensor<?x?x4xf32> to tensor<4xf32>
    %y = linalg.broadcast ins(%row : tensor<4xf32>) outs(%x : tensor<?x?x4xf32>) dimensions = [0, 1]
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  ml_program.global private @place(#ml_program.extern : tensor<?x?x4xf32>) : tensor<?x?x4xf32>
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    %place = ml_program.global_load_const @place : tensor<?x?x4xf32>
    // expected-error@below {{init cannot be made with the shape of its inputs}}
    %y = linalg.add ins(%x, %x : tensor<?x?x4xf32>, tensor<?x?x4xf32>) outs(%place : tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}

// -----

module {
  ml_program.global private @place(#ml_program.extern : tensor<?xf32>) : tensor<?xf32>
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = arith.constant dense<1.0> : tensor<5x4xf32>
    %x = mod.embedding %tokens, %table : (tensor<?x?xi32>, tensor<5x4xf32>) -> tensor<?x?x4xf32>
    // expected-error@below {{has a result of unknown shape 'tensor<?xf32>'}}
    %free = ml_program.global_load_const @place : tensor<?xf32>
    %zero = arith.constant 0 : index
    %first = tensor.extract %free[%zero] : tensor<?xf32>
    %row = tensor.splat %first : tensor<4xf32>
    %y = linalg.broadcast ins(%row : tensor<4xf32>) outs(%x : tensor<?x?x4xf32>) dimensions = [0, 1]
    return %y : tensor<?x?x4xf32>
  }
}
