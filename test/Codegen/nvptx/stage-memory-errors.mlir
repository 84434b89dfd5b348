// RUN: mod-opt %s --mod-stage-memory --verify-diagnostics

// expected-error @below {{has no arena; run mod-plan-arena first}}
func.func @decode(%tokens: memref<1x1xi32> {mod.role = "tokens"}) {
  return
}
