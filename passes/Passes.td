//===- Passes.td - Passes from mod to mod ------------------*- tablegen -*-===//
//
// What makes a model static, derives its programs and fuses their ops.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES
#define MOD_PASSES

include "mlir/Pass/PassBase.td"

def SpecializePass : Pass<"mod-specialize", "::mlir::ModuleOp"> {
  let summary = "fix batch, context and capacity; state the budget";
  let description = [{
    Gives `@forward` static shapes: its tokens become `tensor<BxSxi32>`, and the
    types of all other values follow from their operands. The region of a routed
    block gets as many tokens as its capacity allows: `max(1, floor(ratio * S))`
    or `min(count, S)`.

    `context` 0 means the context of the module (`mod.model = {context = N}`),
    which is also the most that can be asked for. `capacity` overrides that of
    every routed block, as a ratio (`0.125`) or as a count (`256`).

    Types are inferred for the ops of the dialect, elementwise ops on tensors,
    `linalg` ops and the `tensor` ops that make or cut tensors along the width.
    Another op on a tensor that depends on tokens is an error.

    What the model costs is now known: it becomes the module's `mod.budget`
    (`passes/Budget.h`), and one remark per routed block says what share of the
    model's FLOPs is its.

    Example, of `mod-specialize="context=32"`:

    ```mlir
    func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x256xf32> {
      %x = mod.embedding %tokens, %e
          : (tensor<?x?xi32>, tensor<256x16xf32>) -> tensor<?x?x16xf32>
      ...
    ```

    becomes

    ```mlir
    func.func @forward(%tokens: tensor<1x32xi32>) -> tensor<1x32x256xf32> {
      %x = mod.embedding %tokens, %e
          : (tensor<1x32xi32>, tensor<256x16xf32>) -> tensor<1x32x16xf32>
      ...
    ```
  }];
  let options = [
    Option<"batch", "batch", "int64_t", "1", "sequences that run together">,
    Option<"context", "context", "int64_t", "0",
           "most tokens of a sequence; 0: as the module says">,
    Option<"capacity", "capacity", "std::string", "\"0\"",
           "capacity of every routed block, a ratio or a count; 0: as written">,
    Option<"dtype", "dtype", "std::string", "\"f32\"",
           "type that products will have, for the budget">
  ];
  let dependentDialects = [
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def DeriveProgramsPass : Pass<"mod-derive-programs", "::mlir::ModuleOp"> {
  let summary = "make forward, prefill and decode of one forward pass";
  let description = [{
    Replaces the static `@forward` by three programs over the same parameters:

    | program | tokens | attention | routing |
    |---|---|---|---|
    | `@forward` | `tensor<1x?x...>`, up to `%count` | over caches of its own | as written |
    | `@prefill` | `tensor<1x?x...>`, up to `%count` | over the session's caches | causal, or as `prefill = ...` says |
    | `@decode` | `tensor<1x1x...>` | over the session's caches | causal |
    | `@decode_batch` | `tensor<1x?x...>`, up to `%count` | over the caches of each token's sequence | causal |

    Their arguments carry a `mod.role`; see `docs/architecture.md`. The logits
    are written into an argument. `@prefill` computes those of the tokens from
    `%from` on: the slice is taken before the last ops that treat each token by
    itself (the final norm and the head).

    `decode-routing` overrides the causal clause of every routed block:
    `predictor`, `router` or `always`; `prefill-routing` what it says of
    prompts, also `top_k`. Without such a clause both are alike, and `@prefill`
    gives what `@decode` gives token by token. The attribute `mod.routing` of
    the module has both of each block. `kv-dtype` is what caches hold (`f32`,
    `bf16` or `f16`), in `@forward` too, where this is not what is computed.
    `kv-tokens` is how many tokens a session's cache holds in a routed block:
    how many a causal predicate chooses is not known before. A token that finds
    the cache full bypasses the block (`mod-fuse-routing`); 0 leaves room for
    all.

    With a `batch` above 1 there is a fourth, `@decode_batch`: one token each of
    up to so many sequences, with the sequence and the position of each. What
    treats tokens by themselves does not ask whose they are, so a routed block
    computes the tokens that take part, whichever sequences they are of.

    What `mod.pool` says of a sequence is said by its first tokens: `@prefill`
    pools those of the call, and `mod.latch` keeps it for the calls that follow;
    a token that comes alone needs no pooling.

    An op that mixes tokens outside `mod.attention` and `mod.pool` cannot be run
    token by token and is an error, as is a batch other than 1.

    Example: of

    ```mlir
    %a = mod.attention %q, %k, %v heads(2) kv_heads(1) : ...
    ```

    `@decode` gets

    ```mlir
    mod.cache_append %cache, %k, %v : !mod.kv_cache<32x8xf32>,
        tensor<1x1x8xf32>, tensor<1x1x8xf32>
    %a = mod.cached_attention %q over %cache heads(2) kv_heads(1)
        : (tensor<1x1x16xf32>, !mod.kv_cache<32x8xf32>) -> tensor<1x1x16xf32>
    ```
  }];
  let options = [
    Option<"decodeRouting", "decode-routing", "std::string", "\"\"",
           "causal predicate of every routed block: predictor, router or "
           "always; empty: as written">,
    Option<"prefillRouting", "prefill-routing", "std::string", "\"\"",
           "the same of prompts, or top_k; empty: as written">,
    Option<"kvDtype", "kv-dtype", "std::string", "\"\"",
           "what caches hold: f32, bf16 or f16; empty: what is computed">,
    Option<"kvTokens", "kv-tokens", "int64_t", "0",
           "tokens that a cache of a routed block holds; 0: a context">,
    Option<"batch", "batch", "int64_t", "1",
           "sequences that @decode_batch takes; 1: there is no such program">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def FuseProjectionsPass : Pass<"mod-fuse-projections", "::mlir::func::FuncOp"> {
  let summary = "one product for all linears that read the same value";
  let description = [{
    Linears of one block that read the same value become one linear over the
    concatenation of their weights (and biases), and one slice of its result
    for each: the input is read once, and the product is wider. This makes one
    product of Q, K and V, and one of gate and up.

    Only linears with plain (unpacked) weights of one element type are fused,
    and only where all or none have a bias and where weights can be computed
    before the first of them. A remark says what was fused or why not.

    Example:

    ```mlir
    %g = mod.linear %x, %wg : (tensor<1x?x16xf32>, tensor<24x16xf32>)
                            -> tensor<1x?x24xf32>
    %u = mod.linear %x, %wu : (tensor<1x?x16xf32>, tensor<24x16xf32>)
                            -> tensor<1x?x24xf32>
    ```

    becomes

    ```mlir
    %w = tensor.concat dim(0) %wg, %wu
        : (tensor<24x16xf32>, tensor<24x16xf32>) -> tensor<48x16xf32>
    %y = mod.linear %x, %w : (tensor<1x?x16xf32>, tensor<48x16xf32>)
                           -> tensor<1x?x48xf32>
    %g = tensor.extract_slice %y[0, 0, 0] [1, %n, 24] [1, 1, 1] : ...
    %u = tensor.extract_slice %y[0, 0, 24] [1, %n, 24] [1, 1, 1] : ...
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"
  ];
}

def FuseRoutingPass : Pass<"mod-fuse-routing", "::mlir::func::FuncOp"> {
  let summary = "make routed blocks explicit";
  let description = [{
    Replaces each `mod.routed` of a program by what it means:

    | selection | tokens | becomes |
    |---|---|---|
    | `expert_choice`, `token_choice` | any | select top k, gather, region, scatter |
    | `causal` | one | a branch on the tested value around region and scatter |
    | `causal` | more | select positive, gather, region, scatter |
    | `causal(always)` | any | region and scatter on all tokens |

    A bypass becomes the same for the rest of the tokens, in the place where the
    selected ones were written, or the other side of the branch. A gate that is
    a softmax becomes `mod.softmax` and `gate(raw)`. Where a later block asks for
    the `members`, these are marked by `mod.members`, of a single token by a
    select on the tested value.

    `mod.scatter` updates the residual in place once it is bufferized, so that a
    token that is not selected costs nothing. Positions are gathered only where
    the region uses them. Where the program has a `trace` argument, each block
    reports its decisions to it, under its number in the program. One remark
    per block says which form it took and how many tokens it is bound to.

    Where the block's caches are shorter than a sequence (`kv-tokens` of
    `mod-derive-programs`), it takes the first of the chosen tokens for which
    there is room (`mod.cache_room`); the others bypass it, and the trace says
    that they took no part. Another remark says so.

    Example:

    ```mlir
    %y = mod.routed %x by(%r) select(expert_choice, capacity = 0.125)
        gate(sigmoid) causal(router) {
    ^bb0(%t: tensor<1x?x16xf32>, %p: tensor<1x?xi32>):
      %u = mod.rms_norm %t, %g eps(1.0e-5)
          : (tensor<1x?x16xf32>, tensor<16xf32>) -> tensor<1x?x16xf32>
      mod.yield %u : tensor<1x?x16xf32>
    } : tensor<1x?x16xf32>
    ```

    becomes, for a context of 32,

    ```mlir
    %indices, %k = mod.select top_k(0.125) %r
        : (tensor<1x?xf32>) -> (tensor<1x4xi32>, index)
    %i = tensor.extract_slice %indices[0, 0] [1, %k] [1, 1]
        : tensor<1x4xi32> to tensor<1x?xi32>
    %t = mod.gather %x at(%i)
        : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    %u = mod.rms_norm %t, %g eps(1.0e-5)
        : (tensor<1x?x16xf32>, tensor<16xf32>) -> tensor<1x?x16xf32>
    %y = mod.scatter %u into %x at(%i) gate(sigmoid) by(%r)
        : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>,
           tensor<1x?xf32>) -> tensor<1x?x16xf32>
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect",
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
}

def FoldNormsPass : Pass<"mod-fold-norms", "::mlir::func::FuncOp"> {
  let summary = "norms become factors of the products that read them";
  let description = [{
    A norm that only products read is not written to memory: its scale is
    multiplied into their weights, which is done once, by the compiler, and the
    factor of each token is applied to their sums:

    ```
    (x * r * scale) . w = r * (x . (scale * w))
    ```

    A norm that something else reads stays, as does one before a weight that is
    packed or not computed from parameters alone. A remark says so.

    Example:

    ```mlir
    %n = mod.rms_norm %x, %g eps(1.0e-5)
        : (tensor<1x?x16xf32>, tensor<16xf32>) -> tensor<1x?x16xf32>
    %y = mod.linear %n, %w : (tensor<1x?x16xf32>, tensor<24x16xf32>)
                           -> tensor<1x?x24xf32>
    ```

    becomes

    ```mlir
    %scales = linalg.broadcast ins(%g : tensor<16xf32>)
        outs(%empty : tensor<24x16xf32>) dimensions = [0]
    %v = arith.mulf %w, %scales : tensor<24x16xf32>
    %r = mod.inverse_rms %x eps(1.0e-5)
        : (tensor<1x?x16xf32>) -> tensor<1x?xf32>
    %y = mod.linear %x, %v row_scales(%r)
        : (tensor<1x?x16xf32>, tensor<24x16xf32>, tensor<1x?xf32>)
        -> tensor<1x?x24xf32>
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

def FuseExpertsPass : Pass<"mod-fuse-experts", "::mlir::func::FuncOp"> {
  let summary = "make mixtures of experts explicit";
  let description = [{
    Replaces each `mod.experts` of a program by what it means, expert by expert,
    so that products are over the rows of the expert's tokens alone:

    | tokens | becomes |
    |---|---|
    | more | shares, and for each expert: select, gather, region, scatter |
    | one | shares, and for each expert a branch on its share around region and scatter |

    With one token the weights of experts that do not take it are not read.
    Where the mixture is only added to something that is there before, it is
    added up in that place. One remark per mixture says which form it took and
    how many tokens an expert is bound to.

    Example:

    ```mlir
    %y = mod.experts %x by(%logits) top(1) gate(softmax) {
    ^bb0(%t: tensor<1x?x16xf32>):
      %u = mod.linear %t, %w
          : (tensor<1x?x16xf32>, tensor<16x16xf32>) -> tensor<1x?x16xf32>
      mod.yield %u : tensor<1x?x16xf32>
    } : tensor<1x?x16xf32>, tensor<1x?x2xf32>
    ```

    becomes, for a context of 32,

    ```mlir
    %shares = mod.shares %logits top(1) gate(softmax) into(%empty)
        : (tensor<1x?x2xf32>, tensor<2x1x?xf32>) -> tensor<2x1x?xf32>
    %r = tensor.extract_slice %shares[0, 0, 0] [1, 1, %n] [1, 1, 1]
        : tensor<2x1x?xf32> to tensor<1x?xf32>
    %indices, %k = mod.select positive %r
        : (tensor<1x?xf32>) -> (tensor<1x32xi32>, index)
    %i = tensor.extract_slice %indices[0, 0] [1, %k] [1, 1]
        : tensor<1x32xi32> to tensor<1x?xi32>
    %t = mod.gather %x at(%i)
        : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    %u = mod.linear %t, %w
        : (tensor<1x?x16xf32>, tensor<16x16xf32>) -> tensor<1x?x16xf32>
    %y = mod.scatter %u into %zeros at(%i) gate(raw) by(%r)
        : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>,
           tensor<1x?xf32>) -> tensor<1x?x16xf32>
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"
  ];
}

def FuseEpiloguesPass : Pass<"mod-fuse-epilogues", "::mlir::func::FuncOp"> {
  let summary = "what follows a product becomes a clause of it";
  let description = [{
    What is done to each element of a product's result and nothing else is done
    while the sums are in registers:

    | what | becomes the clause |
    |---|---|
    | `silu(gate) * up` of the halves of one product | `glu(silu)` |
    | a sum with the product | `accumulate into(...)`: the sum replaces the other operand |
    | `mod.scatter` of the product, or of its sum | `gate(...) by(...) accumulate into(...) at(...)`, with `plus(...)` for the other operand |

    `silu(g)` is recognised in ops of `arith` and `math` on tensors and in
    elementwise `linalg` ops, as `g / (1 + exp(-g))` and other ways to write it;
    where gate and up stand the wrong way round, the halves of the weight are
    exchanged. One remark per clause says that it was made or why not.

    Example:

    ```mlir
    %d = mod.linear %h, %w : (tensor<1x?x32xf32>, tensor<16x32xf32>)
                           -> tensor<1x?x16xf32>
    %u = arith.addf %o, %d : tensor<1x?x16xf32>
    %y = mod.scatter %u into %x at(%i) gate(sigmoid) by(%r)
        : (tensor<1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>,
           tensor<1x?xf32>) -> tensor<1x?x16xf32>
    ```

    becomes

    ```mlir
    %y = mod.linear %h, %w plus(%o) gate(sigmoid) by(%r)
        accumulate into(%x) at(%i)
        : (tensor<1x?x32xf32>, tensor<16x32xf32>, tensor<1x?x16xf32>,
           tensor<1x?xf32>, tensor<1x?x16xf32>, tensor<1x?xi32>)
        -> tensor<1x?x16xf32>
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def FuseGathersPass : Pass<"mod-fuse-gathers", "::mlir::func::FuncOp"> {
  let summary = "products read the rows of selected tokens where they are";
  let description = [{
    A gather of tokens that only products and `mod.inverse_rms` read is not
    made: they read the rows of its operand in place. Where something else reads
    the tokens too, a residual sum for example, they are gathered once for all;
    a remark says so.

    Example:

    ```mlir
    %t = mod.gather %x at(%i)
        : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    %y = mod.linear %t, %w : (tensor<1x?x16xf32>, tensor<24x16xf32>)
                           -> tensor<1x?x24xf32>
    ```

    becomes

    ```mlir
    %y = mod.linear %x, %w rows(%i)
        : (tensor<1x?x16xf32>, tensor<24x16xf32>, tensor<1x?xi32>)
        -> tensor<1x?x24xf32>
    ```
  }];
}

def ExpandPredictorsPass
    : Pass<"mod-expand-predictors", "::mlir::func::FuncOp"> {
  let summary = "predictors become products";
  let description = [{
    Says `mod.predictor` as a product, an activation and a router, so that its
    hidden layer is computed by the kernel of products.

    Example:

    ```mlir
    %l = mod.predictor %x, %w0, %b0, %w2, %b2
        : (tensor<1x?x16xf32>, tensor<4x16xf32>, tensor<4xf32>,
           tensor<1x4xf32>, tensor<1xf32>) -> tensor<1x?xf32>
    ```

    becomes

    ```mlir
    %h = mod.linear %x, %w0 bias(%b0)
        : (tensor<1x?x16xf32>, tensor<4x16xf32>, tensor<4xf32>)
        -> tensor<1x?x4xf32>
    %a = linalg.map ins(%h : tensor<1x?x4xf32>)
        outs(%empty : tensor<1x?x4xf32>) (%in: f32, %out: f32) { ... }
    %l = mod.router %a, %w2 bias(%b2)
        : (tensor<1x?x4xf32>, tensor<1x4xf32>, tensor<1xf32>)
        -> tensor<1x?xf32>
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

def FuseRopePass : Pass<"mod-fuse-rope", "::mlir::func::FuncOp"> {
  let summary = "rotate keys while they are written to their cache";
  let description = [{
    A `mod.cache_append` whose keys a `mod.rope` makes takes the keys as they
    were and rotates them itself: they are read and written once less. The
    `mod.rope` goes with its last use. One remark per append says whether its
    keys were rotated before.

    Example:

    ```mlir
    %r = mod.rope %k at(%p) heads(2) theta(1.0e4)
        : (tensor<1x?x16xf32>, tensor<1x?xi32>) -> tensor<1x?x16xf32>
    mod.cache_append %cache, %r, %v : !mod.kv_cache<32x16xf32>,
        tensor<1x?x16xf32>, tensor<1x?x16xf32>
    ```

    becomes

    ```mlir
    mod.cache_append %cache, %k, %v rotated(%p heads(2) theta(1.0e4))
        : !mod.kv_cache<32x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>,
          tensor<1x?xi32>
    ```
  }];
}

def InterpretPass : Pass<"mod-interpret", "::mlir::ModuleOp"> {
  let summary = "run a function with the reference interpreter";
  let description = [{
    Runs a function of the functional form, on tensors, with plain loops in f32
    (`dialect/interpreter/Interpreter.h`) and prints the shape and the values of
    each result to standard output, one row of the last dimension a line. The
    module is left as it is.

    A function without roles takes tokens or nothing. Of a program
    (`docs/architecture.md`), `tokens` are the valid tokens, padded with zeros;
    they are the first of their sequence, and the caches are empty. `decode` runs
    once for each of them, in the same caches.

    Example, `mod-interpret="function=forward tokens=1,2"`, prints

    ```
    result 0: [1, 2, 4]
      0.5 1 0 -2.25
      0.5 0 1 0.125
    ```
  }];
  let options = [
    Option<"function", "function", "std::string", "\"forward\"",
           "name of the function">,
    ListOption<"tokens", "tokens", "int64_t", "the tokens of one sequence">
  ];
}

#endif // MOD_PASSES
