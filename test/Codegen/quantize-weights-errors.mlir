// RUN: mod-opt %s --mod-quantize-weights=dtype=f64 --verify-diagnostics

// expected-error @+1 {{option 'dtype' is 'f64', expected f32, tf32, bf16, f16, i8 or i4}}
func.func @unknown() {
  return
}
