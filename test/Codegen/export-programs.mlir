// Programs are wrapped as functions of a modrt_call; `mod_model` gives the
// descriptor to a caller of the same ABI.
// RUN: mod-opt %s --mod-export-programs="target=x86_64 features=avx2,fma" | FileCheck %s

module attributes {
  mod.model = {name = "tiny", context = 32 : i64, vocab = 16 : i64, eos = array<i32: 3>, tokenizer = "none"},
  mod.budget = {context = 32 : i64, parameters = 1 : i64, parameter_bytes = 4 : i64,
                parameter_f32_bytes = 4 : i64, logits_flops = 8 : i64,
                logits_weight_bytes = 4 : i64, routing_flops = 0 : i64, blocks = [
    {layer = -1 : i64, capacity = 32 : i64, flops_per_token = 2 : i64, flops_per_pair = 0 : i64,
     flops_per_key = 0 : i64,
     weight_bytes = 4 : i64, cache_row_bytes = 0 : i64, first_cache = 0 : i64, num_caches = 0 : i64}]},
  mod.arena_bytes = 64 : i64, mod.caches_bytes = 0 : i64
} {
  // CHECK-LABEL: func.func private @forward
  func.func @forward(%tokens: memref<1x32xi32> {mod.role = "tokens"},
                     %count: index {mod.role = "count"}) { return }
  func.func @prefill(%tokens: memref<1x32xi32> {mod.role = "tokens"}) { return }
  func.func @decode(%tokens: memref<1x1xi32> {mod.role = "tokens"},
                    %start: memref<1xi64> {mod.role = "start"},
                    %wants: i1 {mod.role = "has_logits"},
                    %next: memref<1x1xi32> {mod.role = "next"},
                    %choice: memref<70xf64> {mod.role = "choice"}) { return }
}
// Tokens are field 5 of modrt_call, count field 6.
// CHECK-LABEL: llvm.func internal @mod_forward(%{{.*}}: !llvm.ptr)
// CHECK: llvm.getelementptr %{{.*}}[0, 5]
// CHECK: llvm.getelementptr %{{.*}}[0, 6]
// CHECK: call @forward(
// CHECK: llvm.func internal @mod_prefill
// A number that is wanted in memory is the field itself; logits are wanted where
// there is memory for them.
// CHECK: llvm.func internal @mod_decode
// CHECK: llvm.getelementptr %{{.*}}[0, 7]
// CHECK-NOT: llvm.load
// CHECK: %[[LOGITS:.*]] = llvm.getelementptr %{{.*}}[0, 9]
// CHECK: %[[MEMORY:.*]] = llvm.load %[[LOGITS]]
// CHECK: llvm.icmp "ne" %[[MEMORY]]
// CHECK: llvm.getelementptr %{{.*}}[0, 14]
// CHECK: llvm.getelementptr %{{.*}}[0, 15]
// The descriptor begins with the magic number.
// CHECK-LABEL: llvm.mlir.global internal constant @mod.descriptor()
// CHECK: llvm.mlir.constant(1297040466 : i32)
// CHECK: llvm.mlir.global internal constant @mod.string.name("tiny\00")
// CHECK-LABEL: llvm.func @mod_model(%{{.*}}: i32) -> !llvm.ptr
