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

// Each query and key costs 8. With windows of 3, 6 tokens see 1 + 2 + 4 * 3 = 15
// keys; without, 21. Of 2 tokens among each other a window of half the sequence
// holds one, and 2 tokens anywhere see 2 * 15 / 6 of all.
// forward: 8 * (15 + 21 + 2 + 5), as a dense model 8 * (15 + 21 + 15 + 15); its
// last token: 8 * (3 + 6 + (1 + 3) / 3), 8 * (3 + 6 + 3 + 3).

// RUN: mod-opt %S/Inputs/windows.mlir --mod-specialize | FileCheck %s --check-prefix=WINDOWS
// WINDOWS: flops_per_pair = 16 : i64, {{.*}} windows = [{flops_per_key = 0 : i64, flops_per_pair = 8 : i64, of_sequence = 0 : i64, size = 3 : i64}]}
// WINDOWS-SAME: flops_per_pair = 8 : i64, {{.*}} windows = [{flops_per_key = 0 : i64, flops_per_pair = 8 : i64, of_sequence = 1 : i64, size = 3 : i64}]}
// WINDOWS-SAME: flops_per_key = 8 : i64, {{.*}} windows = [{flops_per_key = 8 : i64, flops_per_pair = 0 : i64, of_sequence = 0 : i64, size = 3 : i64}]}

// RUN: modc %S/Inputs/windows.mlir --report=json -o %t | FileCheck %s --check-prefix=RUNS
// RUNS: "decode": {
// RUNS: "dense_flops": 120,
// RUNS-NEXT: "flops": 83,
// RUNS: "forward": {
// RUNS: "dense_flops": 528,
// RUNS-NEXT: "flops": 344,
