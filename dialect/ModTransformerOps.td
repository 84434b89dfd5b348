//===- ModTransformerOps.td - Parts of a transformer -------*- tablegen -*-===//
//
// The parts whose fused lowering and decode form the compiler recognises.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TRANSFORMER_OPS
#define MOD_TRANSFORMER_OPS

include "dialect/ModOpBase.td"

def Mod_EmbeddingOp : Mod_DestinationOp<"embedding"> {
  let summary = "look tokens up in a table";
  let description = [{
    `result[b, s, :] = table[tokens[b, s], :]`. Ids must be in `[0, vocab)`;
    the runtime checks them before a program starts.

    Example:

    ```mlir
    %x = mod.embedding %tokens, %table
        : (tensor<?x?xi32>, tensor<256x192xf32>) -> tensor<?x?x192xf32>
    ```
  }];
  let arguments = (ins Mod_Ids:$tokens, Mod_Matrix:$table,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $tokens `,` $table (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$tokens, "::mlir::Value":$table)>];
  let hasVerifier = 1;
}

def Mod_PositionsOp : Mod_DestinationOp<"positions", [AttrSizedOperandSegments]> {
  let summary = "the position of each token in its sequence";
  let description = [{
    `result[b, s] = start + s`, where `start` (0 if absent) is the number of
    tokens that the sequence had before these.

    Example:

    ```mlir
    %positions = mod.positions %tokens : (tensor<?x?xi32>) -> tensor<?x?xi32>
    %later = mod.positions %tokens from %start
        : (tensor<1x1xi32>, index) -> tensor<1x1xi32>
    ```
  }];
  let arguments = (ins Mod_Ids:$tokens, Optional<Index>:$start,
                       Optional<Mod_Ids>:$into);
  let results = (outs Optional<Mod_Ids>:$result);
  let assemblyFormat = [{
    $tokens (`from` $start^)? (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$tokens,
                                 CArg<"::mlir::Value", "{}">:$start)>];
  let hasVerifier = 1;
}

def Mod_RMSNormOp : Mod_DestinationOp<"rms_norm", [Mod_TokenwiseOpInterface]> {
  let summary = "root mean square layer normalisation";
  let description = [{
    `result = x / sqrt(mean(x^2) + eps) * scale`, over the last dimension, with
    the mean in f32 (Zhang and Sennrich, arXiv:1910.07467). With `heads`, each
    head is normalised by itself, all with the same scale of its width.

    Example:

    ```mlir
    %n = mod.rms_norm %x, %scale eps(1.0e-5)
        : (tensor<?x?x768xf32>, tensor<768xf32>) -> tensor<?x?x768xf32>
    %q = mod.rms_norm %p, %s eps(1.0e-6) heads(12)
        : (tensor<?x?x768xf32>, tensor<64xf32>) -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Mod_Vector:$scale, F64Attr:$eps,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$heads,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $x `,` $scale `eps` `(` custom<Float>($eps) `)` (`heads` `(` $heads^ `)`)?
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$scale,
                                 "double":$eps,
                                 CArg<"std::optional<int64_t>", "{}">:$heads)>];
  let extraClassDeclaration = [{
    /// The parts of a row that are normalised.
    int64_t getNumHeads() { return getHeads().value_or(1); }
  }];
  let hasVerifier = 1;
}

def Mod_InverseRMSOp : Mod_DestinationOp<"inverse_rms", [
    AttrSizedOperandSegments, Mod_TokenwiseOpInterface]> {
  let summary = "what root mean square normalisation multiplies a token by";
  let description = [{
    `result[b, s] = 1 / sqrt(mean(x[b, s, :]^2) + eps)`, in f32: `mod.rms_norm`
    without its scale and without writing the normalised values. With `rows`,
    token `s` is row `rows[b, s]` of `x`.

    Example:

    ```mlir
    %r = mod.inverse_rms %x eps(1.0e-5)
        : (tensor<?x?x768xf32>) -> tensor<?x?xf32>
    %s = mod.inverse_rms %x rows(%indices) eps(1.0e-5)
        : (tensor<1x?x768xf32>, tensor<1x?xi32>) -> tensor<1x?xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Optional<Mod_Ids>:$rows, F64Attr:$eps,
                       Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $x (`rows` `(` $rows^ `)`)? `eps` `(` custom<Float>($eps) `)`
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "double":$eps)>];
  let extraClassDeclaration = [{
    /// There are as many results as rows.
    unsigned getSizeOperand(unsigned dim) {
      return dim == 1 && getRows() ? 1 : 0;
    }
  }];
  let hasVerifier = 1;
}

def Mod_LinearOp : Mod_DestinationOp<"linear", [
    AttrSizedOperandSegments, Mod_TokenwiseOpInterface,
    DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
  let summary = "a product with a weight matrix";
  let description = [{
    `result[b, s, n] = sum_k input[b, s, k] * weight[n, k] + bias[n]`, with the
    weight stored `[out, in]` as checkpoints do.

    A weight of rank 3 or 4 is *packed* in panels of outputs, zero beyond the
    last output or input:

    | elements | shape | what |
    |---|---|---|
    | f32 | `[ceil(out / panel), in, panel]` | `[p, k, j]` is `weight[p * panel + j, k]` |
    | bf16, i8 | `[ceil(out / panel), ceil(in / g), panel, g]`, g = 2 | `[p, q, j, i]` is `weight[p * panel + j, q * g + i]` |
    | i8 | `[ceil(out / panel), ceil(in / 4) + 1, panel, 4]` | the same with g = 4; the last `[p, q, j, :]` is -128 times the sum of output `p * panel + j`, as one i32 |
    | i32 | `[ceil(out / panel), ceil(in / 32), 4, panel]` | `[p, q, e, j]` holds inputs `q * 32 + e * 8 + i`, i < 8, in four bits each, from bit `i % 2 * 16 + i / 2 * 4` on |

    The number of outputs is then taken from the result (or destination).

    Integers of a weight stand for numbers by a factor: `scales[n]` for output
    `n`, or `scales[n, k / 32]` for 32 inputs each, which four bits need; packed
    these are `[ceil(out / panel), ceil(in / 32), panel]`. Integers of an input,
    which `mod.quantize` makes, have theirs among the `row_scales`. Sums of
    products are made in f32, of integers in i32. A narrow input gives f32.

    Example:

    ```mlir
    %y = mod.linear %x, %w : (tensor<?x?x768xf32>, tensor<2048x768xf32>)
                           -> tensor<?x?x2048xf32>
    %z = mod.linear %x, %w bias(%b)
        : (tensor<?x?x768xf32>, tensor<2048x768xf32>, tensor<2048xf32>)
        -> tensor<?x?x2048xf32>
    ```

    What comes before and after a product may be a clause of it, so that its
    input and output are not written to memory in between. Clauses are applied
    in the order in which they are written, to `y[b, s, :]`, the product:

    | clause | what |
    |---|---|
    | `rows(%rows)` | token `s` is row `rows[b, s]` of the input |
    | `scales(%c)` | `y *= c[:]`, or the scales of groups |
    | `row_scales(%r)` | `y *= r[b, s]` |
    | `bias(%b)` | `y += b` |
    | `glu(silu)` | `y = silu(y[0 .. N]) * y[N .. 2 N]`, where the weight has 2 N outputs |
    | `plus(%a)` | `y += a[b, s, :]` |
    | `gate(kind) by(%scores)` | `y *= gate(scores[b, t])`, `t` being the row that is written |
    | `accumulate` | the destination is added to, not overwritten |
    | `into(%d) at(%indices)` | row `indices[b, s]` of the destination is written, not row `s`; indices are unique and the other rows stay |

    `accumulate`, `gate` and `at` need `into`. A packed weight of a
    product with `glu` has, in each panel, `panel / 2` rows of the first half of
    the outputs and then the same of the second; the bias is not rearranged.

    Example: the end of a routed block, `x[i] += r[i] * (h * w + a)`:

    ```mlir
    %y = mod.linear %h, %w plus(%a) gate(raw) by(%r)
        accumulate into(%x) at(%indices)
        : (tensor<1x?x2048xf32>, tensor<768x2048xf32>, tensor<1x?x768xf32>,
           tensor<1x?xf32>, tensor<1x?x768xf32>, tensor<1x?xi32>)
        -> tensor<1x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Input:$input, Mod_Weight:$weight,
                       Optional<Mod_Ids>:$rows,
                       Optional<Mod_Scales>:$scales,
                       Optional<Mod_Scores>:$row_scales,
                       Optional<Mod_Vector>:$bias,
                       OptionalAttr<Mod_ActivationAttr>:$glu,
                       Optional<Mod_Hidden>:$addend,
                       OptionalAttr<Mod_GateAttr>:$gate,
                       Optional<Mod_Scores>:$scores,
                       UnitAttr:$accumulate,
                       Optional<Mod_Hidden>:$into,
                       Optional<Mod_Ids>:$indices);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $input `,` $weight (`rows` `(` $rows^ `)`)? (`scales` `(` $scales^ `)`)?
    (`row_scales` `(` $row_scales^ `)`)? (`bias` `(` $bias^ `)`)?
    (`glu` `(` custom<Activation>($glu)^ `)`)? (`plus` `(` $addend^ `)`)?
    (`gate` `(` custom<Gate>($gate)^ `)` `by` `(` $scores `)`)?
    (`accumulate` $accumulate^)? (`into` `(` $into^ `)`)?
    (`at` `(` $indices^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$weight,
                                 CArg<"::mlir::Value", "{}">:$bias)>];
  let extraClassDeclaration = [{
    /// Inputs of one output that share a scale, where scales are in groups.
    static constexpr int64_t kGroup = 32;

    /// Whether the weight has a packed layout.
    bool isPacked();
    /// Whether the weight is packed in four bits.
    bool isFourBit();
    /// Whether the sums of its outputs are behind the inputs of the weight.
    bool hasOutputSums();
    /// The outputs of one panel of a packed weight.
    int64_t getPanel();
    /// The inputs of one output that lie together in a packed weight.
    int64_t getInputsTogether();
    /// Whether something of what the destination holds stays.
    bool keepsRows();
    /// Whether no clause makes a token's result depend on more than the token.
    bool isTokenwise();
    /// The number of outputs.
    int64_t getNumOutputs();
    /// The number of sums per token: two for each output with `glu`.
    int64_t getNumSums();
    /// The number of inputs.
    int64_t getNumInputs();
    /// There are as many results as rows.
    unsigned getSizeOperand(unsigned dim);
  }];
  let hasVerifier = 1;
}

def Mod_RowScalesOp : Mod_DestinationOp<"row_scales", [AttrSizedOperandSegments]> {
  let summary = "the factors by which tokens become integers";
  let description = [{
    `result[b, s] = max_k |x[b, s, k]| * (1 / limit)`, so that `x[b, s, :]` over
    its factor fits the integers up to `limit`. With `rows`, token `s` is row
    `rows[b, s]` of `x`.

    Example:

    ```mlir
    %r = mod.row_scales %x to(127) : (tensor<1x?x768xf32>) -> tensor<1x?xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Optional<Mod_Ids>:$rows,
                       ConfinedAttr<I64Attr, [IntPositive]>:$limit,
                       Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $x (`rows` `(` $rows^ `)`)? `to` `(` $limit `)` (`into` `(` $into^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$rows,
                                 "int64_t":$limit)>];
  let extraClassDeclaration = [{
    /// There are as many results as rows.
    unsigned getSizeOperand(unsigned dim) {
      return dim == 1 && getRows() ? 1 : 0;
    }
  }];
  let hasVerifier = 1;
}

def Mod_QuantizeOp : Mod_DestinationOp<"quantize", [AttrSizedOperandSegments]> {
  let summary = "tokens in a narrower type";
  let description = [{
    Integers: `result[b, s, k] = round(x[b, s, k] * (1 / scales[b, s]))`, ties
    to even; 0 where the scale is. Narrower floats, without scales: `x` rounded,
    ties to even. With `rows`, token `s` is row `rows[b, s]` of `x`. The result
    may be wider than `x`, and is zero there.

    Example:

    ```mlir
    %q = mod.quantize %x by(%r)
        : (tensor<1x?x765xf32>, tensor<1x?xf32>) -> tensor<1x?x766xi16>
    %h = mod.quantize %x : (tensor<1x?x768xf32>) -> tensor<1x?x768xbf16>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Optional<Mod_Ids>:$rows,
                       Optional<Mod_Scores>:$scales, Optional<Mod_Input>:$into);
  let results = (outs Optional<Mod_Input>:$result);
  let assemblyFormat = [{
    $x (`rows` `(` $rows^ `)`)? (`by` `(` $scales^ `)`)?
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$rows,
                                 "::mlir::Value":$scales,
                                 "::mlir::Type":$element, "int64_t":$width)>];
  let extraClassDeclaration = [{
    /// There are as many results as rows.
    unsigned getSizeOperand(unsigned dim) {
      return dim == 1 && getRows() ? 1 : 0;
    }
  }];
  let hasVerifier = 1;
}

def Mod_RopeOp : Mod_DestinationOp<"rope"> {
  let summary = "rotary position embedding";
  let description = [{
    Rotates each head of `x` by the token's position (Su et al.,
    arXiv:2104.09864), pairing element `i` of a head with element
    `i + head_dim / 2` as Llama checkpoints do:

    ```
    angle = position * theta^(-2 i / head_dim)
    result[i]                = x[i] cos(angle) - x[i + head_dim/2] sin(angle)
    result[i + head_dim / 2] = x[i + head_dim/2] cos(angle) + x[i] sin(angle)
    ```

    A routed block rotates by the tokens' *original* positions. The attribute
    `scaling` slows rotations for long contexts.

    Example:

    ```mlir
    %r = mod.rope %q at(%positions) heads(12) theta(1.0e4)
        : (tensor<?x?x768xf32>, tensor<?x?xi32>) -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Mod_Ids:$positions,
                       ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       F64Attr:$theta, OptionalAttr<Mod_RopeScalingAttr>:$scaling,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $x `at` `(` $positions `)` `heads` `(` $heads `)`
    `theta` `(` custom<Float>($theta) `)` (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$positions,
                                 "int64_t":$heads, "double":$theta,
                                 CArg<"RopeScalingAttr", "{}">:$scaling)>];
  let hasVerifier = 1;
}

def Mod_AttentionOp : Mod_DestinationOp<"attention", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
  let summary = "causal attention among the tokens that are given";
  let description = [{
    Scaled dot product attention with grouped queries: head `h` of `query`
    attends with key and value head `h / (heads / kv_heads)`. Token `i` attends
    to tokens `0..i`; only the tokens that the op was given can be attended to,
    and in a routed block these are tokens of the block.

    There may be more keys than queries: the query's tokens are the last of the
    key's, so that query `i` of `m` attends to keys `0..n - m + i` of `n`.

    ```
    scores[i, j] = dot(query[i], key[j]) / sqrt(head_dim)  for j <= n - m + i
    result[i]    = sum_j softmax(scores[i])[j] * value[j]
    ```

    With `window`, only the last so many of these keys are seen: those with
    `j > n - m + i - window` (Beltagy et al., arXiv:2004.05150). In a routed
    block these are tokens of the block. With `among(%positions)`, the region's,
    the window is of the whole sequence: query `i` sees the keys of its block
    with `positions[j] > positions[i] - window`.

    With `at(%positions)`, ascending, keys are those of all tokens of the
    sequence and queries those of some: query `i` attends to keys
    `0..positions[i]`, or to the last `window` of these. In a routed block the
    positions are the region's, and keys and values come from outside: skipped
    tokens have them too. Attentions with the same keys and values share a
    cache.

    Example:

    ```mlir
    %a = mod.attention %q, %k, %v heads(12) kv_heads(4)
        : (tensor<?x?x768xf32>, tensor<?x?x256xf32>, tensor<?x?x256xf32>)
        -> tensor<?x?x768xf32>
    %b = mod.attention %some, %k, %v at(%positions) heads(12) kv_heads(4)
        : (tensor<?x?x768xf32>, tensor<?x?x256xf32>, tensor<?x?x256xf32>,
           tensor<?x?xi32>) -> tensor<?x?x768xf32>
    %c = mod.attention %q, %k, %v among(%positions) heads(12) kv_heads(4)
        window(4096) : (tensor<?x?x768xf32>, tensor<?x?x256xf32>,
                        tensor<?x?x256xf32>, tensor<?x?xi32>)
        -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$query, Mod_Hidden:$key, Mod_Hidden:$value,
                       Optional<Mod_Ids>:$positions,
                       Optional<Mod_Ids>:$own_positions,
                       ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       ConfinedAttr<I64Attr, [IntPositive]>:$kv_heads,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$window,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`at` `(` $positions^ `)`)?
    (`among` `(` $own_positions^ `)`)? `heads` `(` $heads `)` `kv_heads` `(` $kv_heads `)`
    (`window` `(` $window^ `)`)? (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$query, "::mlir::Value":$key,
                                 "::mlir::Value":$value,
                                 "::mlir::Value":$positions,
                                 "::mlir::Value":$ownPositions,
                                 "int64_t":$heads, "int64_t":$kvHeads,
                                 CArg<"std::optional<int64_t>", "{}">:$window)>];
  let extraClassDeclaration = [{
    /// The width of one head.
    int64_t getHeadDim();
  }];
  let hasVerifier = 1;
}

def Mod_SampleOp : Mod_Op<"sample", [MemoryEffects<[MemWrite, MemRead]>]> {
  let summary = "choose the next token by its logits";
  let description = [{
    What a decode step of a GPU ends with. `choice` holds the numbers of
    `modrt_choice` (`runtime/modrt.h`): how to choose, and the recent tokens
    whose logits are penalized before, in place. The token is -1 where a logit
    is NaN or +inf, or none is finite.

    A token that is `n` bits less likely than the likeliest, with `n` its
    distance from the largest logit times `scale`, has the weight
    `floor(2^(40 - n))`, and 0 for `n >= 40`. It is computed in f32 and in
    integers, whose sums are the same in every order. The likeliest tokens, of
    equal ones the first, are kept: `top_k` of them, then those that reach the
    share `top_p` of the sum of weights at temperature 1, then those that have
    `min_weight` of these. Of their weights by `scale` in that order, the token
    is the one that reaches the share `draw` of the sum.

    Example:

    ```mlir
    mod.sample %logits by(%choice) into(%next)
        : memref<1x256xf32>, memref<70xf64>, memref<1x1xi32>
    ```
  }];
  let arguments = (ins MemRefRankOf<[F32], [2]>:$logits,
                       MemRefRankOf<[F64], [1]>:$choice,
                       MemRefRankOf<[I32], [2]>:$into);
  let assemblyFormat = [{
    $logits `by` `(` $choice `)` `into` `(` $into `)` attr-dict
    `:` type($logits) `,` type($choice) `,` type($into)
  }];
  let extraClassDeclaration = [{
    /// A sum of more weights than of so many tokens may not fit 63 bits.
    static constexpr int64_t kMostTokens = int64_t(1) << 22;
  }];

  let hasVerifier = 1;
}

#endif // MOD_TRANSFORMER_OPS
