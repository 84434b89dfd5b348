// RUN: mod-opt %s --split-input-file --verify-diagnostics

// One case for each error of the ops' forms and the parts of a transformer.

func.func @rms_norm(%x: tensor<1x8x16xf32>, %g: memref<16xf32>) {
  // expected-error @below {{mixes tensors and memrefs}}
  %0 = mod.rms_norm %x, %g eps(0.0) : (tensor<1x8x16xf32>, memref<16xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rms_norm(%xm: memref<1x8x16xf32>, %g: memref<16xf32>) {
  // expected-error @below {{on memrefs needs 'into'}}
  mod.rms_norm %xm, %g eps(0.0) : (memref<1x8x16xf32>, memref<16xf32>) -> ()
  return
}

// -----

func.func @rms_norm(%xm: memref<1x8x16xf32>, %g: memref<16xf32>) {
  // expected-error @below {{on memrefs has no result}}
  %0 = mod.rms_norm %xm, %g eps(0.0) into(%xm) : (memref<1x8x16xf32>, memref<16xf32>, memref<1x8x16xf32>) -> memref<1x8x16xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<1x8x16xf32>, %g: tensor<16xf32>) {
  // expected-error @below {{on tensors needs a result}}
  mod.rms_norm %x, %g eps(0.0) into(%x) : (tensor<1x8x16xf32>, tensor<16xf32>, tensor<1x8x16xf32>) -> ()
  return
}

// -----

func.func @rms_norm(%x: tensor<1x8x16xf32>, %g: tensor<16xf32>, %i: tensor<1x?x16xf32>) {
  // expected-error @below {{has a destination of type 'tensor<1x?x16xf32>' for a result of type 'tensor<1x8x16xf32>'}}
  %0 = mod.rms_norm %x, %g eps(0.0) into(%i) : (tensor<1x8x16xf32>, tensor<16xf32>, tensor<1x?x16xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<1x8x?xf32>, %g: tensor<16xf32>) {
  // expected-error @below {{operand #0 must be 3D tensor or memref of floating-point values with a static width}}
  %0 = mod.rms_norm %x, %g eps(0.0) : (tensor<1x8x?xf32>, tensor<16xf32>) -> tensor<1x8x?xf32>
  return
}

// -----

func.func @linear(%x: tensor<1x8x16xf32>, %w: tensor<?x16xf32>) {
  // expected-error @below {{operand #1 must be 2D/3D/4D tensor or memref of floating-point or 8-bit signless integer or 32-bit signless integer values with a static shape}}
  %0 = mod.linear %x, %w : (tensor<1x8x16xf32>, tensor<?x16xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @embedding(%t: tensor<1x8xi32>, %e: tensor<256x16xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8x16xf32>', not 'tensor<1x8x32xf32>'}}
  %0 = mod.embedding %t, %e : (tensor<1x8xi32>, tensor<256x16xf32>) -> tensor<1x8x32xf32>
  return
}

// -----

func.func @embedding(%t: tensor<1x8xi32>, %e: tensor<256x16xbf16>) {
  // expected-error @below {{gives values like 'tensor<1x8x16xbf16>', not 'tensor<1x8x16xf32>'}}
  %0 = mod.embedding %t, %e : (tensor<1x8xi32>, tensor<256x16xbf16>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @positions(%t: tensor<1x8xi32>) {
  // expected-error @below {{gives values like 'tensor<1x8xi32>', not 'tensor<1x4xi32>'}}
  %0 = mod.positions %t : (tensor<1x8xi32>) -> tensor<1x4xi32>
  return
}

// -----

func.func @rms_norm(%x: tensor<1x8x16xf32>, %g: tensor<16xf32>) {
  // expected-error @below {{eps must not be negative}}
  %0 = mod.rms_norm %x, %g eps(-1.0) : (tensor<1x8x16xf32>, tensor<16xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<1x8x16xf32>, %g: tensor<8xf32>) {
  // expected-error @below {{scale has 8 in dimension 0, expected 16}}
  %0 = mod.rms_norm %x, %g eps(0.0) : (tensor<1x8x16xf32>, tensor<8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<1x8x16xf32>, %g: tensor<16xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8x16xf32>', not 'tensor<2x8x16xf32>'}}
  %0 = mod.rms_norm %x, %g eps(0.0) : (tensor<1x8x16xf32>, tensor<16xf32>) -> tensor<2x8x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<1x8x16xf32>, %w: tensor<30x8xf32>) {
  // expected-error @below {{weight has 8 in dimension 1, expected 16}}
  %0 = mod.linear %x, %w : (tensor<1x8x16xf32>, tensor<30x8xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @linear(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8x30xf32>', not 'tensor<1x8x32xf32>'}}
  %0 = mod.linear %x, %w : (tensor<1x8x16xf32>, tensor<30x16xf32>) -> tensor<1x8x32xf32>
  return
}

// -----

func.func @linear(%x: tensor<1x8x16xf32>, %w: tensor<3x16x8xf32>) {
  // expected-error @below {{packed weight has 3 panels of 8, expected 4 for 30 outputs}}
  %0 = mod.linear %x, %w : (tensor<1x8x16xf32>, tensor<3x16x8xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @linear(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %b: tensor<32xf32>) {
  // expected-error @below {{bias has 32 in dimension 0, expected 30}}
  %0 = mod.linear %x, %w bias(%b) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<32xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>) {
  // expected-error @below {{eps must not be negative}}
  %0 = mod.inverse_rms %x eps(-1.0) : (tensor<1x8x16xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %i: tensor<2x4xi32>) {
  // expected-error @below {{rows has 2 in dimension 0, expected 1}}
  %0 = mod.inverse_rms %x rows(%i) eps(0.0) : (tensor<1x8x16xf32>, tensor<2x4xi32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %i: tensor<1x4xi32>) {
  // expected-error @below {{gives values like 'tensor<1x4xf32>', not 'tensor<1x8xf32>'}}
  %0 = mod.inverse_rms %x rows(%i) eps(0.0) : (tensor<1x8x16xf32>, tensor<1x4xi32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %i: tensor<2x8xi32>) {
  // expected-error @below {{rows has 2 in dimension 0, expected 1}}
  %0 = mod.linear %x, %w rows(%i) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<2x8xi32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %i: tensor<1x4xi32>) {
  // expected-error @below {{gives values like 'tensor<1x4x30xf32>', not 'tensor<1x8x30xf32>'}}
  %0 = mod.linear %x, %w rows(%i) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x4xi32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %s: tensor<1x4xf32>) {
  // expected-error @below {{row_scales has 4 in dimension 1, expected 8}}
  %0 = mod.linear %x, %w row_scales(%s) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x4xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8x15xf32>', not 'tensor<1x8x30xf32>'}}
  %0 = mod.linear %x, %w glu(silu) : (tensor<1x8x16xf32>, tensor<30x16xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<31x16xf32>) {
  // expected-error @below {{weight has 31 outputs, expected an even number for 'glu'}}
  %0 = mod.linear %x, %w glu(silu) : (tensor<1x8x16xf32>, tensor<31x16xf32>) -> tensor<1x8x15xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<6x16x5xf32>) {
  // expected-error @below {{packed weight has panels of 5, expected an even number for 'glu'}}
  %0 = mod.linear %x, %w glu(silu) : (tensor<1x8x16xf32>, tensor<6x16x5xf32>) -> tensor<1x8x15xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<4x16x8xf32>) {
  // expected-error @below {{packed weight has 4 panels of 8, expected 8 for 60 outputs}}
  %0 = mod.linear %x, %w glu(silu) : (tensor<1x8x16xf32>, tensor<4x16x8xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>) {
  // expected-error @below {{unknown case 'gelu'}}
  %0 = mod.linear %x, %w glu(gelu) : (tensor<1x8x16xf32>, tensor<30x16xf32>) -> tensor<1x8x15xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %a: tensor<1x4x30xf32>) {
  // expected-error @below {{addend has 4 in dimension 1, expected 8}}
  %0 = mod.linear %x, %w plus(%a) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x4x30xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %a: tensor<1x8x16xf32>) {
  // expected-error @below {{addend has 16 in dimension 2, expected 30}}
  %0 = mod.linear %x, %w plus(%a) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x8x16xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>) {
  // expected-error @below {{'accumulate' needs 'into'}}
  %0 = mod.linear %x, %w accumulate : (tensor<1x8x16xf32>, tensor<30x16xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %s: tensor<1x8xf32>) {
  // expected-error @below {{'gate' needs 'into'}}
  %0 = mod.linear %x, %w gate(raw) by(%s) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x8xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %i: tensor<1x8xi32>) {
  // expected-error @below {{'at' needs 'into'}}
  %0 = mod.linear %x, %w at(%i) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x8xi32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %s: tensor<1x8xf32>, %d: tensor<1x8x30xf32>) {
  // expected-error @below {{gates each token by its own score, which 'softmax' does not: expected mod.softmax and gate(raw)}}
  %0 = mod.linear %x, %w gate(softmax) by(%s) into(%d) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x8xf32>, tensor<1x8x30xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %s: tensor<1x4xf32>, %d: tensor<1x8x30xf32>) {
  // expected-error @below {{scores has 4 in dimension 1, expected 8}}
  %0 = mod.linear %x, %w gate(raw) by(%s) accumulate into(%d) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x4xf32>, tensor<1x8x30xf32>) -> tensor<1x8x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %d: tensor<1x32x30xf32>, %i: tensor<1x4xi32>) {
  // expected-error @below {{indices has 4 in dimension 1, expected 8}}
  %0 = mod.linear %x, %w accumulate into(%d) at(%i) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x32x30xf32>, tensor<1x4xi32>) -> tensor<1x32x30xf32>
  return
}

// -----

func.func @clauses(%x: tensor<1x8x16xf32>, %w: tensor<30x16xf32>, %d: tensor<1x32x30xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8x30xf32>', not 'tensor<1x32x30xf32>'}}
  %0 = mod.linear %x, %w accumulate into(%d) : (tensor<1x8x16xf32>, tensor<30x16xf32>, tensor<1x32x30xf32>) -> tensor<1x32x30xf32>
  return
}

// -----

func.func @rope(%x: tensor<1x8x16xf32>, %p: tensor<1x8xi32>) {
  // expected-error @below {{x of width 16 cannot be cut into 3 heads}}
  %0 = mod.rope %x at(%p) heads(3) theta(1.0e4) : (tensor<1x8x16xf32>, tensor<1x8xi32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rope(%x: tensor<1x8x16xf32>, %p: tensor<1x4xi32>) {
  // expected-error @below {{positions has 4 in dimension 1, expected 8}}
  %0 = mod.rope %x at(%p) heads(2) theta(1.0e4) : (tensor<1x8x16xf32>, tensor<1x4xi32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rope(%x: tensor<1x8x16xf32>, %p: tensor<1x8xi32>) {
  // expected-error @below {{rotates pairs, but a head has 1 elements}}
  %0 = mod.rope %x at(%p) heads(16) theta(1.0e4) : (tensor<1x8x16xf32>, tensor<1x8xi32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rope(%x: tensor<1x8x16xf32>, %p: tensor<1x8xi32>) {
  // expected-error @below {{theta must be positive}}
  %0 = mod.rope %x at(%p) heads(2) theta(0.0) : (tensor<1x8x16xf32>, tensor<1x8xi32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @rope(%x: tensor<1x8x16xf32>, %p: tensor<1x8xi32>) {
  // expected-error @below {{gives values like 'tensor<1x8x16xf32>', not 'tensor<1x8x8xf32>'}}
  %0 = mod.rope %x at(%p) heads(2) theta(1.0e4) : (tensor<1x8x16xf32>, tensor<1x8xi32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x7x8xf32>, %v: tensor<1x7x8xf32>) {
  // expected-error @below {{has 7 keys for 8 queries}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x7x8xf32>, tensor<1x7x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x4x16xf32>, %k: tensor<1x8x8xf32>, %p: tensor<1x8xi32>) {
  // expected-error @below {{positions has 8 in dimension 1, expected 4}}
  %0 = mod.attention %q, %k, %k at(%p) heads(4) kv_heads(2) : (tensor<1x4x16xf32>, tensor<1x8x8xf32>, tensor<1x8x8xf32>, tensor<1x8xi32>) -> tensor<1x4x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xf32>, %v: tensor<2x8x8xf32>) {
  // expected-error @below {{value has 2 in dimension 0, expected 1}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x8xf32>, tensor<2x8x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xf32>, %v: tensor<1x8x16xf32>) {
  // expected-error @below {{value has 16 in dimension 2, expected 8}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x8xf32>, tensor<1x8x16xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xbf16>, %v: tensor<1x8x8xf32>) {
  // expected-error @below {{key has elements of 'bf16', expected 'f32'}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x8xbf16>, tensor<1x8x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xf32>, %v: tensor<1x8x8xbf16>) {
  // expected-error @below {{value has elements of 'bf16', expected 'f32'}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x8xf32>, tensor<1x8x8xbf16>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xf32>, %v: tensor<1x8x8xf32>) {
  // expected-error @below {{4 heads cannot share 3 key and value heads evenly}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(3) : (tensor<1x8x16xf32>, tensor<1x8x8xf32>, tensor<1x8x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xf32>, %v: tensor<1x8x8xf32>) {
  // expected-error @below {{query of width 16 cannot be cut into 6 heads}}
  %0 = mod.attention %q, %k, %v heads(6) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x8xf32>, tensor<1x8x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xf32>, %v: tensor<1x8x8xf32>) {
  // expected-error @below {{key has width 8, expected 4 heads of 4}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(4) : (tensor<1x8x16xf32>, tensor<1x8x8xf32>, tensor<1x8x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<1x8x8xf32>, %v: tensor<1x8x8xf32>) {
  // expected-error @below {{gives values like 'tensor<1x8x16xf32>', not 'tensor<1x8x8xf32>'}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<1x8x16xf32>, tensor<1x8x8xf32>, tensor<1x8x8xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @head_norms(%x: tensor<1x8x16xf32>, %g: tensor<16xf32>) {
  // expected-error @below {{x of width 16 cannot be cut into 3 heads}}
  %0 = mod.rms_norm %x, %g eps(0.0) heads(3) : (tensor<1x8x16xf32>, tensor<16xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

// expected-error @below {{expected 'linear', 'llama3' or 'yarn'}}
func.func private @scaling() attributes {mod.scaling = #mod.rope_scaling<ntk>}

// -----

// expected-error @below {{expected one of: factor, original, low, high, magnitude}}
func.func private @scaling() attributes {mod.scaling = #mod.rope_scaling<linear, share = 1.0>}

// -----

// expected-error @below {{factor must be positive}}
func.func private @scaling() attributes {mod.scaling = #mod.rope_scaling<linear, factor = 0.0>}

// -----

// expected-error @below {{low must be less than high}}
func.func private @scaling() attributes {mod.scaling = #mod.rope_scaling<llama3, low = 4.0, high = 2.0>}

// -----

func.func @attention(%q: tensor<1x8x16xf32>, %k: tensor<2x8x8xf32>, %v: tensor<2x8x8xf32>) {
  // expected-error @below {{key has 2 in dimension 0, expected 1}}
  %0 = mod.attention %q, %k, %v heads(4) kv_heads(2) : (tensor<1x8x16xf32>, tensor<2x8x8xf32>, tensor<2x8x8xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @sample(%logits: memref<1x?xf32>, %choice: memref<70xf64>, %next: memref<1x1xi32>) {
  // expected-error @below {{chooses from 1 to 4194304 tokens, not 'memref<1x?xf32>'}}
  mod.sample %logits by(%choice) into(%next) : memref<1x?xf32>, memref<70xf64>, memref<1x1xi32>
  return
}

// -----

func.func @sample(%logits: memref<1x8xf32>, %choice: memref<70xf64>, %next: memref<1x2xi32>) {
  // expected-error @below {{into has 2 in dimension 1, expected 1}}
  mod.sample %logits by(%choice) into(%next) : memref<1x8xf32>, memref<70xf64>, memref<1x2xi32>
  return
}

// -----

func.func @attention_among(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 4) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x4x16xf32>, %p: tensor<1x4xi32>):
    // expected-error @below {{among positions needs a window, and keys of the same tokens}}
    %a = mod.attention %t, %t, %t among(%p) heads(4) kv_heads(4) : (tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4xi32>) -> tensor<1x4x16xf32>
    mod.yield %a : tensor<1x4x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @attention_among(%x: tensor<1x8x16xf32>, %p: tensor<1x8xi32>) {
  // expected-error @below {{is among all tokens outside of routed blocks: expected no positions}}
  %0 = mod.attention %x, %x, %x among(%p) heads(4) kv_heads(4) window(3) : (tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8xi32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @attention_among(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>, %q: tensor<1x2x16xf32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 4) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x4x16xf32>, %p: tensor<1x4xi32>):
    // expected-error @below {{key has 4 in dimension 1, expected 2}}
    %a = mod.attention %q, %t, %t among(%p) heads(4) kv_heads(4) window(3) : (tensor<1x2x16xf32>, tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4xi32>) -> tensor<1x2x16xf32>
    mod.yield %t : tensor<1x4x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

func.func @attention_among(%x: tensor<1x8x16xf32>, %r: tensor<1x8xf32>, %p: tensor<1x5xi32>) {
  %0 = mod.routed %x by(%r) select(expert_choice, capacity = 4) gate(raw) causal(router) {
  ^bb0(%t: tensor<1x4x16xf32>, %own: tensor<1x4xi32>):
    // expected-error @below {{positions has 5 in dimension 1, expected 4}}
    %a = mod.attention %t, %t, %t among(%p) heads(4) kv_heads(4) window(3) : (tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x5xi32>) -> tensor<1x4x16xf32>
    mod.yield %a : tensor<1x4x16xf32>
  } : tensor<1x8x16xf32>
  return
}

// -----

// One case for each kind of operand.

func.func @ids(%x: tensor<8xi32>, %t: tensor<4x8xf32>) {
  // expected-error @below {{operand #0 must be 2D tensor or memref of 32-bit signless integer values with a static width}}
  %0 = mod.embedding %x, %t : (tensor<8xi32>, tensor<4x8xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @matrix(%x: tensor<1x8xi32>, %t: tensor<?x8xf32>) {
  // expected-error @below {{operand #1 must be 2D tensor or memref of floating-point values with a static shape}}
  %0 = mod.embedding %x, %t : (tensor<1x8xi32>, tensor<?x8xf32>) -> tensor<1x8x8xf32>
  return
}

// -----

func.func @vector(%x: tensor<1x8x16xf32>, %g: tensor<1x16xf32>) {
  // expected-error @below {{operand #1 must be 1D tensor or memref of floating-point values with a static shape}}
  %0 = mod.rms_norm %x, %g eps(0.0) : (tensor<1x8x16xf32>, tensor<1x16xf32>) -> tensor<1x8x16xf32>
  return
}

// -----

func.func @scores(%r: tensor<1x8xf64>) {
  // expected-error @below {{operand #0 must be 2D tensor or memref of 32-bit float values with a static width}}
  %0 = mod.pool mean %r : (tensor<1x8xf64>) -> tensor<1x8xf32>
  return
}

// -----

func.func @input(%x: tensor<1x8x16xi64>, %w: tensor<4x16xf32>) {
  // expected-error @below {{operand #0 must be 3D tensor or memref of floating-point or 8-bit signless integer or 16-bit signless integer values with a static width}}
  %0 = mod.linear %x, %w : (tensor<1x8x16xi64>, tensor<4x16xf32>) -> tensor<1x8x4xf32>
  return
}

// -----

func.func @per_token(%x: tensor<1x8x16xi64>, %i: tensor<1x4xi32>) {
  // expected-error @below {{operand #0 must be 2D/3D tensor or memref of floating-point or 32-bit signless integer values with a static width}}
  %0 = mod.gather %x at(%i) : (tensor<1x8x16xi64>, tensor<1x4xi32>) -> tensor<1x4x16xi64>
  return
}

// -----

func.func @yield(%x: tensor<1x8x16xf32>) {
  // expected-error @below {{expects parent op to be one of 'mod.routed, mod.experts'}}
  mod.yield %x : tensor<1x8x16xf32>
}

// -----

func.func @heads(%x: tensor<1x8x16xf32>) {
  // expected-error @below {{attribute 'heads' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
  %0 = mod.attention %x, %x, %x heads(0) kv_heads(1) : (tensor<1x8x16xf32>, tensor<1x8x16xf32>, tensor<1x8x16xf32>) -> tensor<1x8x16xf32>
  return
}
