// RUN: mod-opt %s --mod-hoist-weights | FileCheck %s
// RUN: mod-opt %s --mod-hoist-weights | FileCheck %s --check-prefix=ONCE
// RUN: mod-opt %s --mod-hoist-weights --remarks-filter="mod-hoist-weights" 2>&1 | FileCheck %s --check-prefix=REMARK

// 4096 bytes of header; 192 + 160 + 96 + 32 + 12 bytes of data.
// CHECK: module attributes {mod.weights = {bytes = 4588 : i64, hash = {{-?[0-9]+}} : i64, offset = 4096 : i64}}

// REMARK: remark: {{.*}}Remark="weights computed once", bytes=492, parameters=6, uses=7, weights=5

ml_program.global private @norm(#ml_program.extern : tensor<8xbf16>) : tensor<8xbf16>
ml_program.global private @layers.0.q_proj.weight(#ml_program.extern : tensor<4x8xf32>) : tensor<4x8xf32>
ml_program.global private @layers.0.k_proj.weight(#ml_program.extern : tensor<2x8xf32>) : tensor<2x8xf32>
ml_program.global private @table(#ml_program.extern : tensor<5x8xf32>) : tensor<5x8xf32>
ml_program.global private @bias(#ml_program.extern : tensor<3xf32>) : tensor<3xf32>
ml_program.global private @head(#ml_program.extern : tensor<3x8xf32>) : tensor<3x8xf32>

// Those whose sizes are multiples of 64 come first, then of 32, then the rest.
// CHECK-DAG: ml_program.global private @"prepared.layers.0.{q,k}_proj.weight"(#{{.*}}) : tensor<6x8xf32> {mod.offset = 0 : i64}
// CHECK-DAG: ml_program.global private @prepared.table(#{{.*}}) : tensor<5x8xf32> {mod.offset = 192 : i64}
// CHECK-DAG: ml_program.global private @prepared.head(#{{.*}}) : tensor<3x8xf32> {mod.offset = 352 : i64}
// CHECK-DAG: ml_program.global private @prepared.norm(#{{.*}}) : tensor<8xf32> {mod.offset = 448 : i64}
// CHECK-DAG: ml_program.global private @prepared.bias(#{{.*}}) : tensor<3xf32> {mod.offset = 480 : i64}

// CHECK-LABEL: func.func @forward(
// CHECK-NOT: tensor.concat
// CHECK-NOT: arith.extf
// CHECK: %[[T:.+]] = ml_program.global_load_const @prepared.table
// CHECK: mod.embedding %{{.+}}, %[[T]]
// CHECK: %[[N:.+]] = ml_program.global_load_const @prepared.norm : tensor<8xf32>
// CHECK: mod.rms_norm %{{.+}}, %[[N]]
// CHECK: %[[QK:.+]] = ml_program.global_load_const @"prepared.layers.0.{q,k}_proj.weight" : tensor<6x8xf32>
// CHECK: mod.linear %{{.+}}, %[[QK]]
func.func @forward(%tokens: tensor<1x4xi32> {mod.role = "tokens"}) -> tensor<1x4x6xf32> {
  %table = ml_program.global_load_const @table : tensor<5x8xf32>
  %x = mod.embedding %tokens, %table : (tensor<1x4xi32>, tensor<5x8xf32>) -> tensor<1x4x8xf32>
  %norm = ml_program.global_load_const @norm : tensor<8xbf16>
  %scale = arith.extf %norm : tensor<8xbf16> to tensor<8xf32>
  %n = mod.rms_norm %x, %scale eps(1.0e-5) : (tensor<1x4x8xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
  %q = ml_program.global_load_const @layers.0.q_proj.weight : tensor<4x8xf32>
  %k = ml_program.global_load_const @layers.0.k_proj.weight : tensor<2x8xf32>
  %qk = tensor.concat dim(0) %q, %k : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<6x8xf32>
  %y = mod.linear %n, %qk : (tensor<1x4x8xf32>, tensor<6x8xf32>) -> tensor<1x4x6xf32>
  return %y : tensor<1x4x6xf32>
}

// The second program shares the weights of the first, also within a branch.
// CHECK-LABEL: func.func @decode(
// CHECK: %[[N:.+]] = ml_program.global_load_const @prepared.norm : tensor<8xf32>
// CHECK: scf.if
// CHECK: ml_program.global_load_const @"prepared.layers.0.{q,k}_proj.weight" : tensor<6x8xf32>
// CHECK: ml_program.global_load_const @prepared.bias
func.func @decode(%x: tensor<1x1x8xf32> {mod.role = "logits"}, %c: i1) -> (tensor<1x1x6xf32>, tensor<1x1x3xf32>) {
  %norm = ml_program.global_load_const @norm : tensor<8xbf16>
  %scale = arith.extf %norm : tensor<8xbf16> to tensor<8xf32>
  %n = mod.rms_norm %x, %scale eps(1.0e-5) : (tensor<1x1x8xf32>, tensor<8xf32>) -> tensor<1x1x8xf32>
  %y = scf.if %c -> (tensor<1x1x6xf32>) {
    %q = ml_program.global_load_const @layers.0.q_proj.weight : tensor<4x8xf32>
    %k = ml_program.global_load_const @layers.0.k_proj.weight : tensor<2x8xf32>
    %qk = tensor.concat dim(0) %q, %k : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<6x8xf32>
    %product = mod.linear %n, %qk : (tensor<1x1x8xf32>, tensor<6x8xf32>) -> tensor<1x1x6xf32>
    scf.yield %product : tensor<1x1x6xf32>
  } else {
    %zero = arith.constant dense<0.0> : tensor<1x1x6xf32>
    scf.yield %zero : tensor<1x1x6xf32>
  }
  %w = ml_program.global_load_const @head : tensor<3x8xf32>
  %b = ml_program.global_load_const @bias : tensor<3xf32>
  %z = mod.linear %n, %w bias(%b) : (tensor<1x1x8xf32>, tensor<3x8xf32>, tensor<3xf32>) -> tensor<1x1x3xf32>
  return %y, %z : tensor<1x1x6xf32>, tensor<1x1x3xf32>
}

// No program, so left alone.
// CHECK-LABEL: func.func @helper
// CHECK: ml_program.global_load_const @table
func.func @helper() -> tensor<5x8xf32> {
  %table = ml_program.global_load_const @table : tensor<5x8xf32>
  return %table : tensor<5x8xf32>
}

// CHECK: func.func @prepare_weights(
// CHECK-SAME: tensor<5x8xf32> {mod.parameter = "table"}
// CHECK-SAME: tensor<8xbf16> {mod.parameter = "norm"}
// CHECK-SAME: -> (tensor<6x8xf32> {mod.offset = 0 : i64, mod.weight = "layers.0.{q,k}_proj.weight"}, tensor<5x8xf32> {mod.offset = 192 : i64, mod.weight = "table"}

// Each is computed once.
// ONCE: func.func @prepare_weights
// ONCE-COUNT-1: tensor.concat
// ONCE-NOT: tensor.concat
