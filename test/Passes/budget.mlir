// RUN: mod-opt %S/Inputs/predictor.mlir --mod-specialize | FileCheck %s
// RUN: mod-opt %S/Inputs/predictor.mlir --mod-specialize="context=1 capacity=1" --mod-derive-programs \
// RUN:   --mod-fuse-projections --mod-fuse-routing | FileCheck %s --check-prefix=ONE

// Caches are counted through the function: two of the first block, one of the
// second. A ratio that allows less than one token allows one. The predictor of
// width 2 with 7 hidden values costs 2 * 7 * (2 + 1), the router 2 * 2; their
// weights are 14 + 7 + 7 + 1 and 2 values.

// CHECK: blocks = [
// CHECK-SAME: {cache_row_bytes = 0 : i64, capacity = 3 : i64, first_cache = 0 : i64, flops_per_key = 0 : i64, flops_per_pair = 0 : i64, flops_per_token = 46 : i64, layer = -1 : i64, num_caches = 0 : i64, weight_bytes = 124 : i64}
// CHECK-SAME: {cache_row_bytes = 32 : i64, capacity = 1 : i64, first_cache = 0 : i64, flops_per_key = 0 : i64, flops_per_pair = 16 : i64, flops_per_token = 0 : i64, layer = 0 : i64, num_caches = 2 : i64, weight_bytes = 0 : i64}
// CHECK-SAME: {cache_row_bytes = 16 : i64, capacity = 3 : i64, first_cache = 2 : i64, flops_per_key = 0 : i64, flops_per_pair = 8 : i64, flops_per_token = 0 : i64, layer = 1 : i64, num_caches = 1 : i64, weight_bytes = 0 : i64}
// CHECK-SAME: logits_flops = 20 : i64, logits_weight_bytes = 40 : i64
// CHECK-SAME: routing_flops = 46 : i64

// A context of one token works as any other.

// ONE-LABEL: @forward
// ONE: tensor.extract_slice %{{.*}}[0, 0] [1, %{{.*}}] [1, 1] : tensor<1x1xi32> to tensor<1x?xi32>

// A bypass counts for all tokens, and the block as much less: 4 tokens times
// 8 FLOPs, of which 2 times 32 - 8 more.

// RUN: mod-opt %S/Inputs/bypass.mlir --mod-specialize | FileCheck %s --check-prefix=BYPASS
// BYPASS: mod.budget = {blocks = [
// BYPASS-SAME: flops_per_token = 8 : i64, layer = -1 : i64, num_caches = 0 : i64, weight_bytes = 16 : i64}
// BYPASS-SAME: capacity = 2 : i64, {{.*}} flops_per_token = 24 : i64, {{.*}} weight_bytes = 64 : i64}
