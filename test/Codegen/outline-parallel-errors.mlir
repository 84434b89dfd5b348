// RUN: mod-opt %s --mod-outline-parallel --verify-diagnostics

func.func @two_dimensions(%x: memref<?x?xf32>, %n: index, %v: f32) {
  // expected-error @+1 {{must count from 0 in steps of 1 in one dimension}}
  scf.forall (%i, %j) in (%n, %n) {
    memref.store %v, %x[%i, %j] : memref<?x?xf32>
  }
  return
}
