//===- ModStateOps.td - State that outlives a run ----------*- tablegen -*-===//
//
// KV caches and traces.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_STATE_OPS
#define MOD_STATE_OPS

include "dialect/ModOpBase.td"

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

#endif // MOD_STATE_OPS
