//===- ModStateOps.td - State that outlives a run ----------*- tablegen -*-===//
//
// KV caches, the panels that they are kept in, and traces.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_STATE_OPS
#define MOD_STATE_OPS

include "dialect/ModOpBase.td"

def Mod_TemporaryCacheOp : Mod_Op<"temporary_cache", [
    MemoryEffects<[MemAlloc]>]> {
  let summary = "a cache that lasts as long as one run of a program";
  let description = [{
    An empty cache for one attention whose keys are those of one append: what
    attends among the tokens of a program reads keys and values as what
    attends over a session's.

    Example:

    ```mlir
    %cache = mod.temporary_cache : !mod.kv_cache<2048x768xf32>
    ```
  }];
  let arguments = (ins);
  let results = (outs Mod_KVCacheType:$cache);
  let assemblyFormat = "attr-dict `:` qualified(type($cache))";
}

def Mod_CacheAppendOp : Mod_Op<"cache_append", [
    AttrSizedOperandSegments, MemoryEffects<[MemWrite, MemRead]>]> {
  let summary = "add the keys and values of new tokens to a cache";
  let description = [{
    Writes the rows of `key` and `value` behind those in use and grows the
    number in use by as many. Keys may be rotated on their way, as `mod.rope`
    does, also with its `scaling`. A cache of narrower floats rounds what is
    written to it. A cache with positions takes those of the rows, ascending,
    `at(%positions)`. Of several sequences, row `i` is the next one of sequence
    `sequences[i]`; no sequence has two of them.

    Example:

    ```mlir
    mod.cache_append %cache, %k, %v : !mod.kv_cache<2048x768xf32>,
        tensor<1x?x768xf32>, tensor<1x?x768xf32>
    mod.cache_append %cache, %k, %v rotated(%positions heads(12) theta(1.0e4))
        : !mod.kv_cache<2048x768xf32>, tensor<1x?x768xf32>,
          tensor<1x?x768xf32>, tensor<1x?xi32>
    mod.cache_append %some, %k, %v at(%positions)
        : !mod.kv_cache<2048x768xf32, positions>, tensor<1x?x768xf32>,
          tensor<1x?x768xf32> at tensor<1x?xi32>
    mod.cache_append %caches, %k, %v of(%sequences)
        : !mod.kv_cache<8x2048x768xf32>, tensor<1x?x768xf32>,
          tensor<1x?x768xf32> of tensor<1x?xi32>
    ```
  }];
  let arguments = (ins Mod_KVCacheType:$cache, Mod_Hidden:$key, Mod_Hidden:$value,
                       Optional<Mod_Ids>:$sequences,
                       Optional<Mod_Ids>:$row_positions,
                       Optional<Mod_Ids>:$positions,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$heads,
                       OptionalAttr<F64Attr>:$theta,
                       OptionalAttr<Mod_RopeScalingAttr>:$scaling);
  let assemblyFormat = [{
    $cache `,` $key `,` $value (`of` `(` $sequences^ `)`)?
    (`at` `(` $row_positions^ `)`)?
    (`rotated` `(` $positions^ `heads` `(` $heads `)`
     `theta` `(` custom<Float>($theta) `)` `)`)? attr-dict
    `:` qualified(type($cache)) `,` type($key) `,` type($value)
    (`,` type($positions)^)? (`at` type($row_positions)^)?
    (`of` type($sequences)^)?
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$cache, "::mlir::Value":$key,
                                 "::mlir::Value":$value,
                                 CArg<"::mlir::Value", "{}">:$sequences,
                                 CArg<"::mlir::Value", "{}">:$rowPositions)>];
  let hasVerifier = 1;
}

def Mod_CacheRoomOp : Mod_Op<"cache_room", [MemoryEffects<[MemRead]>]> {
  let summary = "how many more tokens a cache can hold";
  let description = [{
    The rows of a cache that are not in use. What appends to a cache that is
    shorter than a sequence asks before it chooses tokens.

    Example:

    ```mlir
    %room = mod.cache_room %cache : !mod.kv_cache<256x768xf32>
    ```
  }];
  let arguments = (ins Mod_KVCacheType:$cache);
  let results = (outs Index:$room);
  let assemblyFormat = "$cache attr-dict `:` qualified(type($cache))";
}

def Mod_CachedAttentionOp : Mod_Op<"cached_attention", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<Mod_DestinationOpInterface>,
    DeclareOpInterfaceMethods<Mod_FlopsOpInterface>]> {
  let summary = "causal attention of new tokens over a cache";
  let description = [{
    As `mod.attention`, with keys and values from a cache whose last rows are
    those of the query's tokens: with `n` rows in use, query `i` of `m` attends
    to rows `0..n - m + i`. Of several sequences, query `i` attends to all rows
    of sequence `sequences[i]`. With `at(%positions)` the cache has a row for
    each token of the sequence, and query `i` attends to rows `0..positions[i]`.
    With `window`, only the last so many of these are seen; of a cache with
    positions the rows whose position is above that of the query less the window.

    Example:

    ```mlir
    %a = mod.cached_attention %q over %cache heads(12) kv_heads(4)
        : (tensor<1x?x768xf32>, !mod.kv_cache<2048x256xf32>)
        -> tensor<1x?x768xf32>
    %b = mod.cached_attention %q over %caches of(%sequences) heads(12)
        kv_heads(4) : (tensor<1x?x768xf32>, !mod.kv_cache<8x2048x256xf32>,
                       tensor<1x?xi32>) -> tensor<1x?x768xf32>
    %c = mod.cached_attention %q over %cache at(%positions) heads(12)
        kv_heads(4) : (tensor<1x?x768xf32>, !mod.kv_cache<2048x256xf32>,
                       tensor<1x?xi32>) -> tensor<1x?x768xf32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$query, Mod_KVCacheType:$cache,
                       Optional<Mod_Ids>:$sequences,
                       Optional<Mod_Ids>:$positions,
                       ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       ConfinedAttr<I64Attr, [IntPositive]>:$kv_heads,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$window,
                       Optional<Mod_Hidden>:$into);
  let results = (outs Optional<Mod_Hidden>:$result);
  let assemblyFormat = [{
    $query `over` $cache (`of` `(` $sequences^ `)`)?
    (`at` `(` $positions^ `)`)? `heads` `(` $heads `)` `kv_heads` `(` $kv_heads `)`
    (`window` `(` $window^ `)`)? (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$query, "::mlir::Value":$cache,
                                 "int64_t":$heads, "int64_t":$kvHeads,
                                 CArg<"::mlir::Value", "{}">:$sequences,
                                 CArg<"::mlir::Value", "{}">:$positions,
                                 CArg<"std::optional<int64_t>", "{}">:$window)>];
  let hasVerifier = 1;
}

def Mod_AppendPanelsOp : Mod_Op<"append_panels", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "write the keys and values of new tokens into panels";
  let description = [{
    The buffer form of `mod.cache_append`: writes the rows of `key` and `value`
    to the tokens `first`, `first + 1`, ... of

    | buffer | shape | element `[h][p][i][j]` |
    |---|---|---|
    | `keys` | `[kv_heads][tokens / panel][head_dim][panel]` | element `i` of the key of token `p * panel + j` |
    | `values` | `[kv_heads][head_dim / panel][tokens][panel]` | element `p * panel + j` of the value of token `i` |

    Numbers of panels are rounded up; each buffer has a panel of its own width.
    Elements of values beyond `head_dim` are written as zero.

    With a fifth dimension, what is summed up by products with either buffer
    lies in pairs, as instructions for narrow numbers take it:

    | buffer | shape | element `[h][p][i][j][e]` |
    |---|---|---|
    | `keys` | `[kv_heads][tokens / panel][head_dim / 2][panel][2]` | element `2 * i + e` of the key of token `p * panel + j` |
    | `values` | `[kv_heads][head_dim / panel][tokens / 2][panel][2]` | element `p * panel + j` of the value of token `2 * i + e` |

    A token whose pair is not written yet has a value of zero beside it.

    With `keeping(%positions in %kept)`, `kept[first + i] = positions[i]`.

    Example:

    ```mlir
    mod.append_panels %k, %v at(%first)
        rotated(%positions theta(1.0e4)) into(%keys, %values)
        : memref<1x?x256xf32>, memref<1x?x256xf32>,
          memref<4x128x64x16xf32>, memref<4x4x2048x16xf32>, memref<1x?xi32>
    mod.append_panels %k, %v at(%first) into(%keys16, %values16)
        : memref<1x?x256xf32>, memref<1x?x256xf32>,
          memref<4x64x32x32x2xbf16>, memref<4x2x1024x32x2xbf16>
    mod.append_panels %k, %v at(%first) keeping(%positions in %kept)
        into(%keys, %values)
        : memref<1x?x256xf32>, memref<1x?x256xf32>,
          memref<4x128x64x16xf32>, memref<4x4x2048x16xf32>
          keeping memref<1x?xi32> in memref<2048xi32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$key, Mod_Hidden:$value, Index:$first,
                       Optional<Mod_Ids>:$positions, OptionalAttr<F64Attr>:$theta,
                       OptionalAttr<Mod_RopeScalingAttr>:$scaling,
                       Optional<Mod_Ids>:$row_positions,
                       Optional<MemRefRankOf<[I32], [1]>>:$kept,
                       Mod_Panels:$keys, Mod_Panels:$values);
  let assemblyFormat = [{
    $key `,` $value `at` `(` $first `)`
    (`rotated` `(` $positions^ `theta` `(` custom<Float>($theta) `)` `)`)?
    (`keeping` `(` $row_positions^ `in` $kept `)`)?
    `into` `(` $keys `,` $values `)` attr-dict
    `:` type($key) `,` type($value) `,` type($keys) `,` type($values)
    (`,` type($positions)^)? (`keeping` type($row_positions)^ `in` type($kept))?
  }];
  let hasVerifier = 1;
}

def Mod_PanelAttentionOp : Mod_Op<"panel_attention", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "causal attention over keys and values in panels";
  let description = [{
    The buffer form of `mod.cached_attention`, over the first `count` tokens of
    panels that `mod.append_panels` describes. The query's tokens are the last
    of these. With `at(%positions)` in place of the count, query `i` sees the
    first `positions[i] + 1` tokens. A window is of the positions that are
    `kept` of the tokens, if there are such.

    A single query may share its keys out among tasks: `partials`, `[heads]
    [splits][head_dim + 2]`, is memory for what each makes of its part.

    Example:

    ```mlir
    mod.panel_attention %q, %keys, %values of(%count) heads(12) into(%a)
        : memref<1x?x768xf32>, memref<4x128x64x16xf32>, memref<4x4x2048x16xf32>,
          memref<1x?x768xf32>
    mod.panel_attention %q, %keys, %values at(%positions) heads(12) into(%a)
        : memref<1x?x768xf32>, memref<4x128x64x16xf32>, memref<4x4x2048x16xf32>,
          memref<1x?x768xf32> at memref<1x?xi32>
    mod.panel_attention %q, %keys, %values of(%count) heads(12) window(512)
        kept(%kept) into(%a)
        : memref<1x?x768xf32>, memref<4x128x64x16xf32>, memref<4x4x2048x16xf32>,
          memref<1x?x768xf32> kept memref<2048xi32>
    ```
  }];
  let arguments = (ins Mod_Hidden:$query, Mod_Panels:$keys, Mod_Panels:$values,
                       Optional<Index>:$count, Optional<Mod_Ids>:$positions,
                       ConfinedAttr<I64Attr, [IntPositive]>:$heads,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$window,
                       Optional<MemRefRankOf<[I32], [1]>>:$kept,
                       Optional<MemRefRankOf<[F32], [3]>>:$partials,
                       Mod_Hidden:$into);
  let assemblyFormat = [{
    $query `,` $keys `,` $values (`of` `(` $count^ `)`)?
    (`at` `(` $positions^ `)`)? `heads` `(` $heads `)`
    (`window` `(` $window^ `)`)? (`kept` `(` $kept^ `)`)? (`partials` `(` $partials^ `)`)? `into` `(` $into `)` attr-dict
    `:` type($query) `,` type($keys) `,` type($values) `,` type($into)
    (`,` type($partials)^)? (`at` type($positions)^)? (`kept` type($kept)^)?
  }];
  let extraClassDeclaration = [{
    /// The heads of keys and values, and the width of one head.
    int64_t getKvHeads();
    int64_t getHeadDim();
    /// How far behind a query a key of its window is at most, as an i32.
    int32_t getMostBehind();
  }];
  let hasVerifier = 1;
}

def Mod_TraceRoutingOp : Mod_Op<"trace_routing", [
    AttrSizedOperandSegments, MemoryEffects<[MemWrite, MemRead]>]> {
  let summary = "report the routing decisions of one block";
  let description = [{
    Writes, for the tokens at `start`, `start + 1`, ..., the router's score,
    the value that the causal predicate tests, and 1.0 or 0.0 for whether it
    passes the threshold (positive values do where there is none) and whether
    the token took part, to row `ordinal` of the trace; nothing where the trace
    is absent. Without indices the tokens that pass took part. Of several
    sequences, token `i` is at position `start[i]` of sequence `sequences[i]`.

    Example:

    ```mlir
    mod.trace_routing 3 scores(%r) tested(%l) selected(%indices) to %trace
        : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xi32>, !mod.trace<4x2048>
    mod.trace_routing 3 scores(%r) tested(%l) of(%sequences) from %positions
        to %traces : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xi32>,
                     tensor<1x?xi32>, !mod.trace<8x4x2048>
    ```
  }];
  let arguments = (ins I64Attr:$ordinal, Mod_Scores:$scores, Mod_Scores:$tested,
                       OptionalAttr<Mod_ThresholdAttr>:$threshold,
                       Optional<Mod_Ids>:$selected,
                       Optional<Mod_Ids>:$sequences,
                       Optional<AnyTypeOf<[Index, Mod_Ids]>>:$start,
                       Mod_TraceType:$trace);
  let assemblyFormat = [{
    $ordinal `scores` `(` $scores `)` `tested` `(` $tested `)`
    (`passing` `(` custom<Threshold>($threshold)^ `)`)?
    (`selected` `(` $selected^ `)`)? (`of` `(` $sequences^ `)`)?
    (`from` $start^)? `to` $trace attr-dict
    `:` type(operands)
  }];
  let hasVerifier = 1;
}

def Mod_LatchOp : Mod_Op<"latch", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<Mod_DestinationOpInterface>]> {
  let summary = "the score that a sequence began with";
  let description = [{
    Where `start` is 0 a sequence begins: its scores are the result, and the
    last of them is kept. Elsewhere the result is what was kept. Of several
    sequences, token `i` is at position `start[i]` of sequence `sequences[i]`;
    no sequence has two of them.

    Example:

    ```mlir
    %s = mod.latch %pooled in %latch from %start
        : (tensor<1x?xf32>, !mod.latch<1>, index) -> tensor<1x?xf32>
    %t = mod.latch %r in %latches of(%sequences) from %positions
        : (tensor<1x?xf32>, !mod.latch<8>, tensor<1x?xi32>, tensor<1x?xi32>)
        -> tensor<1x?xf32>
    ```
  }];
  let arguments = (ins Mod_Scores:$scores, Mod_LatchType:$latch,
                       Optional<Mod_Ids>:$sequences,
                       AnyTypeOf<[Index, Mod_Ids]>:$start,
                       Optional<Mod_Scores>:$into);
  let results = (outs Optional<Mod_Scores>:$result);
  let assemblyFormat = [{
    $scores `in` $latch (`of` `(` $sequences^ `)`)? `from` $start
    (`into` `(` $into^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$scores, "::mlir::Value":$latch,
                                 "::mlir::Value":$sequences,
                                 "::mlir::Value":$start)>];
  let hasVerifier = 1;
}

#endif // MOD_STATE_OPS
