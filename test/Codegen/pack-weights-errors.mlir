// RUN: mod-opt %s --mod-pack-weights=panel=0 --verify-diagnostics

// expected-error @below {{option 'panel' is 0, expected at least 1}}
func.func @f() {
  return
}
