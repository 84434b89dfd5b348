//===- ModOps.td - Operations of the mod dialect -----------*- tablegen -*-===//
//
// The ops: parts of a transformer, routing, and state.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_OPS
#define MOD_OPS

include "dialect/ModAttrs.td"
include "dialect/ModDialect.td"
include "dialect/ModInterfaces.td"
include "dialect/ModTypes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ValueBoundsOpInterface.td"

class Mod_Op<string mnemonic, list<Trait> traits = []>
    : Op<Mod_Dialect, mnemonic, traits>;

/// A ranked tensor, or the memref that it becomes. Dimensions from `dynamic` on
/// are static: only batch, tokens and capacity are ever unknown.
class Mod_Shaped<list<Type> elements, list<int> ranks, int dynamic>
    : ConfinedType<
          AnyTypeOf<[TensorRankOf<elements, ranks>, MemRefRankOf<elements, ranks>]>,
          [CPred<"!::llvm::is_contained(::llvm::cast<::mlir::ShapedType>($_self)"
                 ".getShape().drop_front(" # dynamic # "), "
                 "::mlir::ShapedType::kDynamic)">],
          !interleave(!foreach(rank, ranks, rank # "D"), "/")
          # " tensor or memref of "
          # !interleave(!foreach(type, elements, type.summary), " or ")
          # " values with a static " # !if(dynamic, "width", "shape")>;

def Mod_Ids : Mod_Shaped<[I32], [2], 2>;            // [batch, tokens]
def Mod_Scores : Mod_Shaped<[F32], [2], 2>;         // [batch, tokens]
def Mod_Hidden : Mod_Shaped<[AnyFloat], [3], 2>;    // [batch, tokens, width]
def Mod_Vector : Mod_Shaped<[AnyFloat], [1], 0>;    // [width]
def Mod_Matrix : Mod_Shaped<[AnyFloat], [2], 0>;    // [out, in]
def Mod_Weight : Mod_Shaped<[AnyFloat], [2, 3], 0>; // [out, in] or packed
def Mod_PerToken : Mod_Shaped<[AnyFloat, I32], [2, 3], 2>;

/// An op with the three forms that the dialect's description lists. Its memory
/// effects follow from its operands: reads of memrefs, a write to `into`.
class Mod_DestinationOp<string mnemonic, list<Trait> traits = []>
    : Mod_Op<mnemonic, traits # [
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        AlwaysSpeculatable,
        DeclareOpInterfaceMethods<Mod_DestinationOpInterface>]>;

//===----------------------------------------------------------------------===//
// Parts of a transformer
//===----------------------------------------------------------------------===//

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
    the mean in f32 (Zhang and Sennrich, arXiv:1910.07467).

    Example:

    ```mlir
    %n = mod.rms_norm %x, %scale eps(1.0e-5)
        : (tensor<?x?x768xf32>, tensor<768xf32>) -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Mod_Vector:$scale, F64Attr:$eps,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $x `,` $scale `eps` `(` custom<Float>($eps) `)` (`into` `(` $into^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$scale,
                                 "double":$eps)>];
  let hasVerifier = 1;
}

def Mod_LinearOp : Mod_DestinationOp<"linear", [
    AttrSizedOperandSegments, Mod_TokenwiseOpInterface,
    DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
  let summary = "a product with a weight matrix";
  let description = [{
    `result[b, s, n] = sum_k input[b, s, k] * weight[n, k] + bias[n]`, with the
    weight stored `[out, in]` as checkpoints do.

    A weight of rank 3 is *packed*: `[ceil(out / panel), in, panel]`, element
    `[p, k, j]` being `weight[p * panel + j, k]`, zero beyond `out`. The number
    of outputs is then taken from the result (or destination).

    Example:

    ```mlir
    %y = mod.linear %x, %w : (tensor<?x?x768xf32>, tensor<2048x768xf32>)
                           -> tensor<?x?x2048xf32>
    %z = mod.linear %x, %w bias(%b)
        : (tensor<?x?x768xf32>, tensor<2048x768xf32>, tensor<2048xf32>)
        -> tensor<?x?x2048xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$input, Mod_Weight:$weight,
                       Optional<Mod_Vector>:$bias, Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `)`)? (`into` `(` $into^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$weight,
                                 CArg<"::mlir::Value", "{}">:$bias)>];
  let extraClassDeclaration = [{
    /// Whether the weight has the packed layout.
    bool isPacked();
    /// The number of outputs.
    int64_t getNumOutputs();
    /// The number of inputs.
    int64_t getNumInputs();
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

    A routed block rotates by the tokens' *original* positions.

    Example:

    ```mlir
    %r = mod.rope %q at(%positions) heads(12) theta(1.0e4)
        : (tensor<?x?x768xf32>, tensor<?x?xi32>) -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$x, Mod_Ids:$positions,
                       ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       F64Attr:$theta, Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $x `at` `(` $positions `)` `heads` `(` $heads `)`
    `theta` `(` custom<Float>($theta) `)` (`into` `(` $into^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "::mlir::Value":$positions,
                                 "int64_t":$heads, "double":$theta)>];
  let hasVerifier = 1;
}

def Mod_AttentionOp : Mod_DestinationOp<"attention", [
    DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
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

    Example:

    ```mlir
    %a = mod.attention %q, %k, %v heads(12) kv_heads(4)
        : (tensor<?x?x768xf32>, tensor<?x?x256xf32>, tensor<?x?x256xf32>)
        -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$query, Mod_Hidden:$key, Mod_Hidden:$value,
                       ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       ConfinedAttr<I64Attr, [IntPositive]>:$kv_heads,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value `heads` `(` $heads `)` `kv_heads` `(` $kv_heads `)`
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$query, "::mlir::Value":$key,
                                 "::mlir::Value":$value, "int64_t":$heads,
                                 "int64_t":$kvHeads)>];
  let extraClassDeclaration = [{
    /// The width of one head.
    int64_t getHeadDim();
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

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

def Mod_RoutedOp : Mod_Op<"routed", [
    RecursiveMemoryEffects, SingleBlock, AllTypesMatch<["x", "result"]>]> {
  let summary = "a block that only the selected tokens go through";
  let description = [{
    The region computes the update of the selected tokens from their values
    (`[batch, capacity, width]`) and their original positions
    (`[batch, capacity]`), both in ascending order of position; in a program
    whose tokens start later in their sequence, positions count from its `start`:

    ```
    y = x;  y[selected] += gate(scores[selected]) * update
    ```

    `select(expert_choice)` selects the tokens with the k largest scores, ties
    to the lowest index; `capacity` says what k is: `max(1, floor(capacity * n))`
    of n valid tokens for a ratio, `min(capacity, n)` for a count.
    `select(causal)` decides for each token by itself as the `causal` clause
    says: `router` (its score is positive), `predictor` (its value in the second
    operand is positive) or `always`. A model is written with `expert_choice`;
    `mod-derive-programs` rewrites it to `causal` where tokens arrive in order.

    Example:

    ```mlir
    %y = mod.routed %x by(%scores) select(expert_choice, capacity = 0.125)
        gate(sigmoid) causal(predictor, %logits) {
    ^bb0(%t: tensor<?x?x768xf32>, %positions: tensor<?x?xi32>):
      %n = mod.rms_norm %t, %g eps(1.0e-5)
          : (tensor<?x?x768xf32>, tensor<768xf32>) -> tensor<?x?x768xf32>
      mod.yield %n : tensor<?x?x768xf32>
    } : tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[AnyFloat], [3]>:$x,
                       TensorRankOf<[F32], [2]>:$scores,
                       Optional<TensorRankOf<[F32], [2]>>:$logits,
                       Mod_SelectionAttr:$selection,
                       Mod_CapacityAttr:$capacity,
                       Mod_GateAttr:$gate, Mod_CausalAttr:$causal);
  let results = (outs TensorRankOf<[AnyFloat], [3]>:$result);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Mod_YieldOp : Mod_Op<"yield", [
    Pure, Terminator, ReturnLike, HasParent<"RoutedOp">]> {
  let summary = "the update of a routed block's tokens";
  let description = [{
    Ends the region of `mod.routed` with one update per selected token.

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
    `top_k(capacity)` selects the k largest scores, ties to the lowest index;
    `positive` selects the scores > 0. The first `count` indices are valid and
    ascending; `count` never exceeds the static length of `indices`.

    Example:

    ```mlir
    %indices, %count = mod.select top_k(0.125) %scores
        : (tensor<1x?xf32>) -> (tensor<1x256xi32>, index)
    ```
  }];
  let arguments = (ins Mod_Scores:$scores, OptionalAttr<Mod_CapacityAttr>:$capacity,
                       Optional<Mod_Ids>:$into);
  let results = (outs Optional<TensorRankOf<[I32], [2]>>:$indices, Index:$count);
  let assemblyFormat = [{
    (`top_k` `(` custom<Capacity>($capacity)^ `)`) : (`positive`)? $scores
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// The static length of the index buffer.
    int64_t getMaxCount();
  }];
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
    * update[b, i, :]`. Without indices, token `i` is row `i`. Indices are
    unique. On memrefs, `x` is updated in place and there is no result; on
    tensors bufferization makes it so wherever `x` is not used again.

    Example:

    ```mlir
    %y = mod.scatter %update into %x at(%indices) gate(sigmoid) by(%scores)
        : (tensor<1x?x768xf32>, tensor<1x?x768xf32>, tensor<1x?xi32>,
           tensor<1x?xf32>) -> tensor<1x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$update, Mod_Hidden:$x,
                       Optional<Mod_Ids>:$indices, Mod_Scores:$scores,
                       Mod_GateAttr:$gate);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $update `into` $x (`at` `(` $indices^ `)`)? `gate` `(` custom<Gate>($gate) `)`
    `by` `(` $scores `)` attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

def Mod_CacheAppendOp : Mod_Op<"cache_append", [
    MemoryEffects<[MemWrite, MemRead]>]> {
  let summary = "add the keys and values of new tokens to a cache";
  let description = [{
    Writes the rows of `key` and `value` behind those in use and grows the
    number in use by as many.

    Example:

    ```mlir
    mod.cache_append %cache, %k, %v : !mod.kv_cache<2048x768xf32>,
        tensor<1x?x768xf32>, tensor<1x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_KVCacheType:$cache, Mod_Hidden:$key, Mod_Hidden:$value);
  let assemblyFormat = [{
    $cache `,` $key `,` $value attr-dict
    `:` qualified(type($cache)) `,` type($key) `,` type($value)
  }];
  let hasVerifier = 1;
}

def Mod_CachedAttentionOp : Mod_Op<"cached_attention", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<Mod_DestinationOpInterface>,
    DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
  let summary = "causal attention of new tokens over a cache";
  let description = [{
    As `mod.attention`, with keys and values from a cache whose last rows are
    those of the query's tokens: with `n` rows in use, query `i` of `m` attends
    to rows `0..n - m + i`.

    Example:

    ```mlir
    %a = mod.cached_attention %q over %cache heads(12) kv_heads(4)
        : (tensor<1x?x768xf32>, !mod.kv_cache<2048x256xf32>)
        -> tensor<1x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$query, Mod_KVCacheType:$cache,
                       ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       ConfinedAttr<I64Attr, [IntPositive]>:$kv_heads,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $query `over` $cache `heads` `(` $heads `)` `kv_heads` `(` $kv_heads `)`
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$query, "::mlir::Value":$cache,
                                 "int64_t":$heads, "int64_t":$kvHeads)>];
  let hasVerifier = 1;
}

def Mod_TraceRoutingOp : Mod_Op<"trace_routing", [
    AttrSizedOperandSegments, MemoryEffects<[MemWrite, MemRead]>]> {
  let summary = "report the routing decisions of one block";
  let description = [{
    Writes, for the tokens at `start`, `start + 1`, ..., the router's score,
    the value that the causal predicate tests, and 1.0 or 0.0 for whether the
    token took part, to row `ordinal` of the trace; nothing where the trace is
    absent. Without indices the tokens whose tested value is positive took part.

    Example:

    ```mlir
    mod.trace_routing 3 scores(%r) tested(%l) selected(%indices) to %trace
        : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xi32>, !mod.trace<4x2048>
    ```
  }];
  let arguments = (ins I64Attr:$ordinal, Mod_Scores:$scores, Mod_Scores:$tested,
                       Optional<Mod_Ids>:$selected, Optional<Index>:$start,
                       Mod_TraceType:$trace);
  let assemblyFormat = [{
    $ordinal `scores` `(` $scores `)` `tested` `(` $tested `)`
    (`selected` `(` $selected^ `)`)? (`from` $start^)? `to` $trace attr-dict
    `:` type(operands)
  }];
  let hasVerifier = 1;
}

#endif // MOD_OPS
