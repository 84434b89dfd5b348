//===- ModExpertOps.td - Mixtures of experts ---------------*- tablegen -*-===//
//
// Several networks of which each token goes through few.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_EXPERT_OPS
#define MOD_EXPERT_OPS

include "dialect/ModOpBase.td"

def Mod_ExpertsOp : Mod_Op<"experts", [
    RecursiveMemoryEffects, AllTypesMatch<["x", "result"]>]> {
  let summary = "a mixture of experts, one region each";
  let description = [{
    Each token goes through some of the regions, and what they give is added up,
    weighed by the token's share in each (Shazeer et al., arXiv:1701.06538):

    ```
    y[b, s, :] = sum_e shares[e, b, s] * expert_e(x[b, s, :])
    ```

    over the experts that take the token. A region computes from the tokens that
    its expert takes, `[batch, taken, width]`, in ascending order; each of them
    by itself, without attention. The shares are made of `logits`, `[batch,
    tokens, choices]`, as `mod.shares` says. Choices behind the last region are
    experts that do nothing: a token that goes there gets nothing added, as in
    integrated mixtures of depths and experts (arXiv:2404.02258, section 4.3).

    | clauses | an expert takes |
    |---|---|
    | `top(k)` | the tokens among whose k largest logits its own is: *token choice* (arXiv:2401.04088) |
    | `capacity(C)` | the tokens with the largest shares, as many as `C`, a ratio or a count, allows: *expert choice* (arXiv:2202.09368) |
    | `top(k) capacity(C)` | of the tokens of `top(k)` as many as `C` allows |
    | `causal(above(t))` alone | the tokens whose share passes the threshold |

    A capacity looks at the whole sequence. `mod-derive-programs` drops it where
    tokens arrive in order; what is left must say who goes where, so that one of
    `top` and `causal` is required.

    Example:

    ```mlir
    %y = mod.experts %x by(%logits) top(2) gate(softmax_topk) {
    ^bb0(%t: tensor<?x?x768xf32>):
      %u = mod.linear %t, %w0
          : (tensor<?x?x768xf32>, tensor<768x768xf32>) -> tensor<?x?x768xf32>
      mod.yield %u : tensor<?x?x768xf32>
    }, {
    ^bb0(%t: tensor<?x?x768xf32>):
      %u = mod.linear %t, %w1
          : (tensor<?x?x768xf32>, tensor<768x768xf32>) -> tensor<?x?x768xf32>
      mod.yield %u : tensor<?x?x768xf32>
    } : tensor<?x?x768xf32>, tensor<?x?x3xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[AnyFloat], [3]>:$x,
                       TensorRankOf<[F32], [3]>:$logits,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$top,
                       OptionalAttr<Mod_CapacityAttr>:$capacity,
                       Mod_GateAttr:$gate,
                       OptionalAttr<Mod_ThresholdAttr>:$threshold);
  let results = (outs TensorRankOf<[AnyFloat], [3]>:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$experts);
  let assemblyFormat = [{
    $x `by` `(` $logits `)` (`top` `(` $top^ `)`)?
    (`capacity` `(` custom<Capacity>($capacity)^ `)`)?
    `gate` `(` custom<Gate>($gate) `)`
    (`causal` `(` custom<Threshold>($threshold)^ `)`)?
    $experts attr-dict `:` type($x) `,` type($logits)
  }];
  let extraClassDeclaration = [{
    /// The choices that a token has, those that do nothing among them.
    int64_t getNumChoices();
    /// What a share must pass; null where a capacity alone decides.
    ThresholdAttr getPassed();
    /// Of the tokens that there are the share that an expert is expected to
    /// take.
    double getExpectedShare(int64_t tokens);
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Mod_SharesOp : Mod_DestinationOp<"shares"> {
  let summary = "how much of each token goes to each expert";
  let description = [{
    `result[e, b, s]` is the weight of what expert `e` makes of a token, 0 where
    `top` is given and the expert is not among the token's `k` largest logits, of
    equal ones the first:

    | gate | weight |
    |---|---|
    | `softmax` | the share in the softmax of all logits of the token |
    | `softmax_topk` | the share in the softmax of the k largest |
    | `sigmoid` | `sigmoid(logits[b, s, e])` |
    | `none` | 1 |

    It is multiplied by the gate's scale. Rows of the result are the scores of
    one expert, as `mod.select` and `mod.scatter` take them.

    Example:

    ```mlir
    %s = mod.shares %logits top(2) gate(softmax_topk)
        : (tensor<1x?x8xf32>) -> tensor<8x1x?xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$logits,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$top,
                       Mod_GateAttr:$gate, Optional<Mod_Shares>:$into);
  let results = (outs Optional<Mod_Shares>:$result);
  let assemblyFormat = [{
    $logits (`top` `(` $top^ `)`)? `gate` `(` custom<Gate>($gate) `)`
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$logits,
                                 "::mlir::IntegerAttr":$top,
                                 "::mlir::mod::GateAttr":$gate)>];
  let extraClassDeclaration = [{
    /// Experts come first.
    unsigned getSizeDim(unsigned dim) { return dim - 1; }
  }];
  let hasVerifier = 1;
}

#endif // MOD_EXPERT_OPS
