// RUN: mod-opt %s --mod-lower-launches --verify-diagnostics

// expected-error @below {{has no 'mod.kernels'; run mod-compile-kernels first}}
module {
}
