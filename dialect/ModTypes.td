//===- ModTypes.td - Types of the mod dialect --------------*- tablegen -*-===//
//
// Handles of state that outlives one run of a program.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TYPES
#define MOD_TYPES

include "dialect/ModDialect.td"
include "mlir/IR/AttrTypeBase.td"

class Mod_Type<string name, string typeMnemonic> : TypeDef<Mod_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def Mod_KVCacheType : Mod_Type<"KVCache", "kv_cache"> {
  let summary = "keys and values of the tokens that one attention has seen";
  let description = [{
    A handle on the keys and values that one attention of one session keeps:
    two buffers of at most `length` rows of `width` values, and the number of
    rows in use. A routed block's cache holds the tokens that were routed,
    no others; with `positions` it keeps where in their sequence they are, as
    windows ask. Of several sequences each has a cache of its own.

    Example: `!mod.kv_cache<2048x768xf32>`, of 8 sequences
    `!mod.kv_cache<8x2048x768xf32>`, with positions
    `!mod.kv_cache<2048x768xf32, positions>`
  }];
  let parameters = (ins "int64_t":$sequences, "int64_t":$length,
                        "int64_t":$width, "::mlir::Type":$elementType,
                        "bool":$hasPositions);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Mod_TraceType : Mod_Type<"Trace", "trace"> {
  let summary = "where a program reports its routing decisions";
  let description = [{
    A handle on a buffer `[layers][4][length]` of f32: for each routed layer
    and token its router score, the value its causal predicate tests, whether
    it passes, and whether the token took part. The buffer may be absent; then nothing is written.
    Of several sequences each has such a buffer.

    Example: `!mod.trace<4x2048>`, of 8 sequences `!mod.trace<8x4x2048>`
  }];
  let parameters = (ins "int64_t":$sequences, "int64_t":$layers,
                        "int64_t":$length);
  let hasCustomAssemblyFormat = 1;
}

def Mod_LatchType : Mod_Type<"Latch", "latch"> {
  let summary = "a score that holds for the rest of a sequence";
  let description = [{
    A handle on one f32 of each sequence, which `mod.latch` writes where the
    sequence begins and reads where it goes on.

    Example: `!mod.latch<1>`, of 8 sequences `!mod.latch<8>`
  }];
  let parameters = (ins "int64_t":$sequences);
  let assemblyFormat = "`<` $sequences `>`";
  let genVerifyDecl = 1;
}

#endif // MOD_TYPES
