// RUN: mod-opt %s --split-input-file --mod-export-programs --verify-diagnostics

// expected-error @+1 {{has no 'mod.budget'; run mod-specialize first}}
module {
  func.func @decode(%tokens: memref<1x1xi32> {mod.role = "tokens"}) { return }
}

// -----

module {
  // expected-error @+1 {{has an argument of unknown role 'colour'}}
  func.func @decode(%tokens: memref<1x1xi32> {mod.role = "colour"}) { return }
}
