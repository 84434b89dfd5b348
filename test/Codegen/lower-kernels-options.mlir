// RUN: not mod-opt %s --mod-lower-kernels=vector-bits=64 2>&1 | FileCheck %s
// CHECK: error: no vectors have 64 bits; expected 128, 256 or 512
