//===- ModRoutingOps.td - Who takes part in a block --------*- tablegen -*-===//
//
// Router, predictor, routed block, selection, gather and scatter.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_ROUTING_OPS
#define MOD_ROUTING_OPS

include "dialect/ModOpBase.td"

def Mod_RouterOp : Mod_DestinationOp<"router", [
    AttrSizedOperandSegments, Mod_TokenwiseOpInterface,
    DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
  let summary = "one score per token";
  let description = [{
    `r[b, s] = dot(x[b, s, :], weight) + bias`, in f32 (Raposo et al.,
    arXiv:2404.02258, section 3.4). The score orders the tokens and, through
    the gate, weighs the block's update.

    Example:

    ```mlir
    %r = mod.router %x, %w : (tensor<?x?x768xf32>, tensor<1x768xf32>)
                           -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Mod_Matrix:$weight,
                       Optional<Mod_Vector>:$bias, Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $x `,` $weight (`bias` `(` $bias^ `)`)? (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$weight,
                                 CArg<"::mlir::Value", "{}">:$bias)>];
  let hasVerifier = 1;
}

def Mod_PredictorOp : Mod_DestinationOp<"predictor", [
    Mod_TokenwiseOpInterface,
    DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
  let summary = "predict from one token whether it is among the top k";
  let description = [{
    The auxiliary predictor, a small MLP on the block's input:
    `logit = up(silu(down(x)))` with `down: [hidden, width]` and
    `up: [1, hidden]`, both with bias. A positive logit routes the token.

    Example:

    ```mlir
    %l = mod.predictor %x, %w0, %b0, %w2, %b2
        : (tensor<?x?x768xf32>, tensor<32x768xf32>, tensor<32xf32>,
           tensor<1x32xf32>, tensor<1xf32>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Mod_Matrix:$down_weight,
                       Mod_Vector:$down_bias, Mod_Matrix:$up_weight,
                       Mod_Vector:$up_bias, Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $x `,` $down_weight `,` $down_bias `,` $up_weight `,` $up_bias
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$downWeight,
                                 "::mlir::Value":$downBias,
                                 "::mlir::Value":$upWeight,
                                 "::mlir::Value":$upBias)>];
  let hasVerifier = 1;
}

def Mod_NoiseOp : Mod_DestinationOp<"noise", [Mod_TokenwiseOpInterface]> {
  let summary = "a random number for each position";
  let description = [{
    Almost a standard normal number, the same wherever the position and the seed
    are, for stochastic routing. With `mix(x)` in 32 bits

    ```
    x ^= x >> 16;  x *= 0x7feb352d;  x ^= x >> 15;  x *= 0x846ca68b;  x ^= x >> 16
    h[j]   = mix(mix(position + mix(seed)) + j)                for j in 0..5
    result = (sum_j (h[j] & 0xffff) + (h[j] >> 16) - 393210) / 65536
    ```

    the sum of twelve uniform numbers, less their mean. It is exact in f32.

    Example:

    ```mlir
    %z = mod.noise %positions seed(7) : (tensor<?x?xi32>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins Mod_Ids:$positions, I64Attr:$seed,
                       Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $positions `seed` `(` $seed `)` (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$positions, "int64_t":$seed)>];
  let hasVerifier = 1;
}

def Mod_RoutedOp : Mod_Op<"routed", [
    AttrSizedOperandSegments, RecursiveMemoryEffects, SingleBlock,
    AllTypesMatch<["x", "result"]>]> {
  let summary = "a block that only the selected tokens go through";
  let description = [{
    The region computes the update of the selected tokens from their values
    (`[batch, capacity, width]`) and their original positions
    (`[batch, capacity]`), both in ascending order of position; in a program
    whose tokens start later in their sequence, positions count from its `start`:

    ```
    y = x;  y[selected] += gate(scores[selected]) * update
    ```

    With `replace` the product takes the place of the tokens: `y[selected] =
    gate(scores[selected]) * update`. The gate reads the scores that order the
    tokens, or those of its own `by`. A region that asks for them as a third
    argument has them of its tokens, `[batch, capacity]`, so that it can gate a
    part of the block; `gate(none)` then leaves the update as it is.

    | `select(...)` | selected are |
    |---|---|
    | `expert_choice, capacity = C` | the tokens with the k largest scores |
    | `token_choice, capacity = C` | of these the ones whose own score passes the threshold |
    | `causal, capacity = C` | each token by itself, as the `causal` clause says; the capacity is what the budget expects |

    `C` is a ratio of the n valid tokens, k = `max(1, floor(C * n))`, or a count,
    k = `min(C, n)`; `ceil(0.125)` and `nearest(0.125)` round otherwise. Of
    scores that equal the k-th largest the first ones take part, with `ties =
    all` all and with `ties = none` none of them. With `forced` a score of +inf
    is beyond all this: such a token takes part in any case, one with -inf never
    does, and k counts the others alone.

    `causal` says which tokens take part where the future is unknown: `router`
    (their score passes the threshold), `predictor` (their value in the second
    operand does) or `always`. The threshold is `above = 0.0`, that is positive,
    or as it says: `causal(router, at_least = -0.4)`. A model is written with
    any `select`; `mod-derive-programs` rewrites it to `causal` where tokens
    arrive in order.

    `prefill = ...` behind it says how prompts are routed, where that differs:
    by another of these predicates, or `top_k`, as `select` says, among the
    tokens of one run. Logits are then no longer those of token by token.

    Skipped tokens stay as they are, or go through a region of their own behind
    `bypass`, which is treated as the first, without the gate. Each token is by
    itself there: no attention.

    With `members` there is a second result, which says who took part: 0 for
    these tokens, -inf for the others. Added to the scores that order a later
    block, it leaves that block these candidates and no others, as steps of a
    recursion are nested. The later block must not ask for more tokens than
    there are members.

    Example:

    ```mlir
    %y = mod.routed %x by(%scores) select(expert_choice, capacity = 0.125)
        gate(sigmoid) causal(predictor, %logits) {
    ^bb0(%t: tensor<?x?x768xf32>, %positions: tensor<?x?xi32>):
      %n = mod.rms_norm %t, %g eps(1.0e-5)
          : (tensor<?x?x768xf32>, tensor<768xf32>) -> tensor<?x?x768xf32>
      mod.yield %n : tensor<?x?x768xf32>
    } : tensor<?x?x768xf32>
    %z = mod.routed %x by(%scores)
        select(token_choice, capacity = 0.5, ties = all) gate(tanh, scale = 0.2)
        replace causal(router, at_least = 0.5, prefill = top_k) {
    ^bb0(%t: tensor<?x?x768xf32>, %positions: tensor<?x?xi32>):
      mod.yield %t : tensor<?x?x768xf32>
    } bypass {
    ^bb0(%t: tensor<?x?x768xf32>, %positions: tensor<?x?xi32>, %r: tensor<?x?xf32>):
      %gated = mod.scatter %t into %t replace gate(tanh) by(%r)
          : (tensor<?x?x768xf32>, tensor<?x?x768xf32>, tensor<?x?xf32>)
          -> tensor<?x?x768xf32>
      mod.yield %gated : tensor<?x?x768xf32>
    } : tensor<?x?x768xf32>
    %first, %members = mod.routed %x by(%scores)
        select(expert_choice, capacity = 0.5) gate(none) causal(router) members {
    ^bb0(%t: tensor<?x?x768xf32>, %positions: tensor<?x?xi32>):
      mod.yield %t : tensor<?x?x768xf32>
    } : tensor<?x?x768xf32>
    %order = arith.addf %scores, %members : tensor<?x?xf32>
    %second = mod.routed %first by(%order)
        select(expert_choice, capacity = 0.25) gate(none) causal(router) {
    ^bb0(%t: tensor<?x?x768xf32>, %positions: tensor<?x?xi32>):
      mod.yield %t : tensor<?x?x768xf32>
    } : tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[AnyFloat], [3]>:$x,
                       TensorRankOf<[F32], [2]>:$scores,
                       Optional<TensorRankOf<[F32], [2]>>:$gate_scores,
                       Optional<TensorRankOf<[F32], [2]>>:$logits,
                       Mod_SelectionAttr:$selection,
                       Mod_CapacityAttr:$capacity,
                       DefaultValuedAttr<Mod_TiesAttr, "Ties::first">:$ties,
                       UnitAttr:$forced,
                       Mod_GateAttr:$gate, UnitAttr:$replace,
                       Mod_CausalAttr:$causal,
                       OptionalAttr<Mod_ThresholdAttr>:$threshold,
                       OptionalAttr<Mod_PrefillAttr>:$prefill);
  let results = (outs TensorRankOf<[AnyFloat], [3]>:$result,
                      Optional<TensorRankOf<[F32], [2]>>:$members);
  let regions = (region SizedRegion<1>:$body, AnyRegion:$bypass);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// What the tested value must pass: above 0 if nothing is said.
    ThresholdAttr getCausalThreshold();
    /// How prompts are routed: as single tokens if nothing is said.
    Prefill getPrefillRouting() {
      return getPrefill().value_or(static_cast<Prefill>(getCausal()));
    }
    /// Whether a tested value decides about some token.
    bool usesThreshold();
    /// Whether prompts or single tokens are routed so.
    bool routesBy(Causal causal) {
      return getCausal() == causal ||
             getPrefill() == static_cast<Prefill>(causal);
    }
    /// The scores that the gate reads.
    ::mlir::Value getGatedBy() {
      return getGateScores() ? getGateScores() : getScores();
    }
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Mod_YieldOp : Mod_Op<"yield", [
    Pure, Terminator, ReturnLike, ParentOneOf<["RoutedOp", "ExpertsOp"]>]> {
  let summary = "the update of a region's tokens";
  let description = [{
    Ends a region of `mod.routed` or `mod.experts` with one update per token.

    Example: `mod.yield %update : tensor<?x?x768xf32>`
  }];
  let arguments = (ins AnyRankedTensor:$update);
  let assemblyFormat = "$update attr-dict `:` type($update)";
}

def Mod_SelectOp : Mod_Op<"select", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>, AlwaysSpeculatable,
    DeclareOpInterfaceMethods<Mod_DestinationOpInterface>,
    DeclareOpInterfaceMethods<ValueBoundsOpInterface,
                              ["populateBoundsForIndexValue"]>]> {
  let summary = "the ascending indices of the selected tokens of a sequence";
  let description = [{
    | clause | selects |
    |---|---|
    | `top_k(C)` | the k largest scores, of equal ones the first; C is as in `mod.routed` |
    | `top_k(C, ties = all, forced)` | the same with other ties, and scores of +inf and -inf beyond the capacity |
    | `positive`, `above(t)`, `at_least(t)` | the scores > 0, > t, >= t |

    Of both, what both select; with `rest` in front, all others. The first
    `count` indices are valid and ascending; `count` never exceeds the static
    length of `indices`.

    Example:

    ```mlir
    %indices, %count = mod.select top_k(0.125) %scores
        : (tensor<1x?xf32>) -> (tensor<1x256xi32>, index)
    %others, %n = mod.select rest top_k(0.125) above(0.5) %scores
        : (tensor<1x?xf32>) -> (tensor<1x2048xi32>, index)
    ```
  }];
  let arguments = (ins Mod_Scores:$scores, UnitAttr:$rest,
                       OptionalAttr<Mod_CapacityAttr>:$capacity,
                       DefaultValuedAttr<Mod_TiesAttr, "Ties::first">:$ties,
                       UnitAttr:$forced,
                       OptionalAttr<Mod_ThresholdAttr>:$threshold,
                       Optional<Mod_Ids>:$into);
  let results = (outs Optional<TensorRankOf<[I32], [2]>>:$indices, Index:$count);
  let assemblyFormat = [{
    custom<Select>($rest, $capacity, $ties, $forced, $threshold) $scores
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// The static length of the index buffer.
    int64_t getMaxCount();
    /// The most of `tokens` tokens that it may select.
    int64_t getBound(int64_t tokens);
  }];
  let hasVerifier = 1;
}

def Mod_SoftmaxOp : Mod_DestinationOp<"softmax", [AttrSizedOperandSegments]> {
  let summary = "the shares of tokens in a softmax of their scores";
  let description = [{
    `result[b, s] = exp(scores[b, s]) / sum_i exp(scores[b, indices[b, i]])` for
    the tokens that the indices name, 0 for the others. Without indices these
    are all tokens. It is what the gates `softmax_topk` and `softmax` become.

    Example:

    ```mlir
    %w = mod.softmax %scores over(%indices)
        : (tensor<1x?xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
    ```
  }];
  let arguments = (ins Mod_Scores:$scores, Optional<Mod_Ids>:$indices,
                       Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $scores (`over` `(` $indices^ `)`)? (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$scores,
                                 "::mlir::Value":$indices)>];
  let hasVerifier = 1;
}

def Mod_MembersOp : Mod_DestinationOp<"members"> {
  let summary = "which tokens of a sequence are among some";
  let description = [{
    `into[b, s] = 0` for the tokens that the indices name, -inf for the others.
    It is what the second result of `mod.routed` becomes, and always has a
    destination, which says how many tokens there are.

    Example:

    ```mlir
    %m = mod.members %indices into(%init)
        : (tensor<1x?xi32>, tensor<1x?xf32>) -> tensor<1x?xf32>
    ```
  }];
  let arguments = (ins Mod_Ids:$indices, Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $indices `into` `(` $into `)` attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Mod_PoolOp : Mod_DestinationOp<"pool"> {
  let summary = "one score for all tokens of a sequence";
  let description = [{
    `result[b, s]` is the mean of `scores[b, :]`, or its first or last element:
    a routed block that is ordered by it takes all tokens of a sequence or none.
    Where tokens arrive in order, those of the first call speak for the sequence:
    `mod-derive-programs` keeps what they say by `mod.latch`.

    Example:

    ```mlir
    %s = mod.pool mean %r : (tensor<?x?xf32>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins Mod_PoolingAttr:$pooling, Mod_Scores:$scores,
                       Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $pooling $scores (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::mod::Pooling":$pooling,
                                 "::mlir::Value":$scores)>];
  let hasVerifier = 1;
}

def Mod_GatherOp : Mod_DestinationOp<"gather"> {
  let summary = "the rows of the selected tokens";
  let description = [{
    `result[b, i, ...] = x[b, indices[b, i], ...]`.

    Example:

    ```mlir
    %t = mod.gather %x at(%indices)
        : (tensor<1x?x768xf32>, tensor<1x?xi32>) -> tensor<1x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_PerToken:$x, Mod_Ids:$indices,
                       Optional<Mod_PerToken>:$into);
  let results = (outs Optional<Mod_PerToken>:$result);
  let assemblyFormat = [{
    $x `at` `(` $indices `)` (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$indices)>];
  let extraClassDeclaration = [{
    /// There are as many rows as indices.
    unsigned getSizeOperand(unsigned dim) { return dim == 1 ? 1 : 0; }
  }];
  let hasVerifier = 1;
}

def Mod_ScatterOp : Mod_Op<"scatter", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>, AlwaysSpeculatable]> {
  let summary = "add gated updates to the rows of the selected tokens";
  let description = [{
    `result = x; result[b, indices[b, i], :] += gate(scores[b, indices[b, i]])
    * update[b, i, :]`. With `replace` the row becomes the product, without what
    it was. Without indices, token `i` is row `i`. Indices are unique. On memrefs, `x` is updated in place and there is no result; on
    tensors bufferization makes it so wherever `x` is not used again.

    Example:

    ```mlir
    %y = mod.scatter %update into %x at(%indices) gate(sigmoid) by(%scores)
        : (tensor<1x?x768xf32>, tensor<1x?x768xf32>, tensor<1x?xi32>,
           tensor<1x?xf32>) -> tensor<1x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$update, Mod_Hidden:$x,
                       Optional<Mod_Ids>:$indices, UnitAttr:$replace,
                       Mod_Scores:$scores, Mod_GateAttr:$gate);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $update `into` $x (`at` `(` $indices^ `)`)? (`replace` $replace^)?
    `gate` `(` custom<Gate>($gate) `)` `by` `(` $scores `)` attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

#endif // MOD_ROUTING_OPS
