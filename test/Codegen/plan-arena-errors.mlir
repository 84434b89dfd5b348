// RUN: mod-opt %s --mod-plan-arena --verify-diagnostics

func.func @forward(%count: index {mod.role = "count"}) {
  // expected-error @+1 {{has a size without a static upper bound}}
  %a = memref.alloc(%count) : memref<?xf32>
  memref.dealloc %a : memref<?xf32>
  return
}
