// RUN: mod-opt %s --mod-fuse-epilogues --split-input-file | FileCheck %s
// RUN: mod-opt %s --mod-fuse-epilogues --split-input-file --remarks-filter=mod-fuse-epilogues \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// The activation of an imported model: one map over both halves.

!hidden = tensor<1x?x6xf32>
!both = tensor<1x?x8xf32>
!half = tensor<1x?x4xf32>

// CHECK-LABEL: @map
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>, %[[W:.*]]: tensor<8x6xf32>, %[[B:.*]]: tensor<8xf32>
// CHECK-NOT: linalg.map
// CHECK: %[[Y:.*]] = mod.linear %[[X]], %[[W]] bias(%[[B]]) glu(silu) : ({{.*}}) -> tensor<1x?x4xf32>
// CHECK-NEXT: return %[[Y]]
// REMARK: [Passed] FusedEpilogue{{.*}} Function=map | clause=glu
func.func @map(%x: !hidden, %w: tensor<8x6xf32>, %b: tensor<8xf32>, %n: index) -> !half {
  %one = arith.constant 1.0 : f32
  %y = mod.linear %x, %w bias(%b) : (!hidden, tensor<8x6xf32>, tensor<8xf32>) -> !both
  %g = tensor.extract_slice %y[0, 0, 0] [1, %n, 4] [1, 1, 1] : !both to !half
  %u = tensor.extract_slice %y[0, 0, 4] [1, %n, 4] [1, 1, 1] : !both to !half
  %init = tensor.empty(%n) : !half
  %a = linalg.map ins(%g, %u : !half, !half) outs(%init : !half)
    (%p: f32, %q: f32, %o: f32) {
      %minus = arith.negf %p : f32
      %exp = math.exp %minus : f32
      %sum = arith.addf %exp, %one : f32
      %silu = arith.divf %p, %sum : f32
      %product = arith.mulf %silu, %q : f32
      linalg.yield %product : f32
    }
  return %a : !half
}

// -----

// The same by hand, with ops on tensors, the sigmoid by itself, and the halves
// the other way round: those of the weight and the bias change places.

!hidden = tensor<1x4x6xf32>
!both = tensor<1x4x8xf32>
!half = tensor<1x4x4xf32>

// CHECK-LABEL: @tensors
// CHECK-SAME: %[[X:.*]]: tensor<1x4x6xf32>, %[[W:.*]]: tensor<8x6xf32>, %[[B:.*]]: tensor<8xf32>
// CHECK: %[[W1:.*]] = tensor.extract_slice %[[W]][4, 0] [4, 6] [1, 1]
// CHECK: %[[W0:.*]] = tensor.extract_slice %[[W]][0, 0] [4, 6] [1, 1]
// CHECK: %[[V:.*]] = tensor.concat dim(0) %[[W1]], %[[W0]]
// CHECK: %[[B1:.*]] = tensor.extract_slice %[[B]][4] [4] [1]
// CHECK: %[[B0:.*]] = tensor.extract_slice %[[B]][0] [4] [1]
// CHECK: %[[C:.*]] = tensor.concat dim(0) %[[B1]], %[[B0]]
// CHECK: %[[Y:.*]] = mod.linear %[[X]], %[[V]] bias(%[[C]]) glu(silu)
// CHECK-NEXT: return %[[Y]]
func.func @tensors(%x: !hidden, %w: tensor<8x6xf32>, %b: tensor<8xf32>) -> !half {
  %zero = arith.constant dense<0.0> : !half
  %scalar = arith.constant 1.0 : f32
  %one = tensor.splat %scalar : !half
  %y = mod.linear %x, %w bias(%b) : (!hidden, tensor<8x6xf32>, tensor<8xf32>) -> !both
  %u = tensor.extract_slice %y[0, 0, 0] [1, 4, 4] [1, 1, 1] : !both to !half
  %g = tensor.extract_slice %y[0, 0, 4] [1, 4, 4] [1, 1, 1] : !both to !half
  %minus = arith.subf %zero, %g : !half
  %exp = math.exp %minus : !half
  %sum = arith.addf %one, %exp : !half
  %sigmoid = arith.divf %one, %sum : !half
  %gated = arith.mulf %u, %sigmoid : !half
  %product = arith.mulf %g, %gated : !half
  return %product : !half
}

// -----

// What is not the silu of one half times the other, or is used beside it.

!hidden = tensor<1x4x6xf32>
!both = tensor<1x4x8xf32>
!half = tensor<1x4x4xf32>

// CHECK-LABEL: @others
// CHECK-COUNT-3: mod.linear
// CHECK-NOT: glu
// REMARK: [Missed] FusedEpilogue{{.*}} Function=others | Reason="the product has other uses", clause=glu
// REMARK: [Missed] FusedEpilogue{{.*}} Function=others | Reason="gate and up are not the halves of one product", clause=glu
func.func @others(%x: !hidden, %w: tensor<8x6xf32>, %v: tensor<4x6xf32>) -> (!half, !half, !half) {
  %one = arith.constant dense<1.0> : !half
  %two = arith.constant dense<2.0> : !half
  %y = mod.linear %x, %w : (!hidden, tensor<8x6xf32>) -> !both
  %g = tensor.extract_slice %y[0, 0, 0] [1, 4, 4] [1, 1, 1] : !both to !half
  %u = tensor.extract_slice %y[0, 0, 4] [1, 4, 4] [1, 1, 1] : !both to !half
  %minus = arith.negf %g : !half
  %exp = math.exp %minus : !half
  %sum = arith.addf %one, %exp : !half
  %silu = arith.divf %g, %sum : !half
  %product = arith.mulf %silu, %u : !half
  %p = mod.linear %x, %v : (!hidden, tensor<4x6xf32>) -> !half
  %other = arith.mulf %silu, %p : !half
  %z = mod.linear %x, %w : (!hidden, tensor<8x6xf32>) -> !both
  %g2 = tensor.extract_slice %z[0, 0, 0] [1, 4, 4] [1, 1, 1] : !both to !half
  %u2 = tensor.extract_slice %z[0, 0, 4] [1, 4, 4] [1, 1, 1] : !both to !half
  %minus2 = arith.negf %g2 : !half
  %exp2 = math.exp %minus2 : !half
  %sum2 = arith.addf %two, %exp2 : !half
  %almost = arith.divf %g2, %sum2 : !half
  %product2 = arith.mulf %almost, %u2 : !half
  return %product, %other, %product2 : !half, !half, !half
}

// -----

// A residual is added to where it is. Of two products the later one is added
// to the earlier, and one that is read twice is no clause.

!hidden = tensor<1x?x6xf32>

// CHECK-LABEL: @sums
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>, %[[W:.*]]: tensor<6x6xf32>
// CHECK: %[[A:.*]] = mod.linear %[[X]], %[[W]] accumulate into(%[[X]])
// CHECK: %[[B:.*]] = mod.linear %[[A]], %[[W]] :
// CHECK: %[[C:.*]] = mod.linear %[[B]], %[[W]] accumulate into(%[[B]])
// CHECK: %[[D:.*]] = mod.linear %[[C]], %[[W]] :
// CHECK: %[[E:.*]] = arith.addf %[[D]], %[[D]]
// CHECK: return %[[E]]
// REMARK: [Passed] FusedEpilogue{{.*}} Function=sums | clause=accumulate
// REMARK: [Passed] FusedEpilogue{{.*}} Function=sums | clause=accumulate
// REMARK: [Missed] FusedEpilogue{{.*}} Function=sums | Reason="the product has other uses or a place already", clause=accumulate
func.func @sums(%x: !hidden, %w: tensor<6x6xf32>, %n: index) -> !hidden {
  %init = tensor.empty(%n) : !hidden
  %p = mod.linear %x, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %a = linalg.add ins(%p, %x : !hidden, !hidden) outs(%init : !hidden) -> !hidden
  %b = mod.linear %a, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %q = mod.linear %b, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %c = arith.addf %b, %q : !hidden
  %d = mod.linear %c, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %e = arith.addf %d, %d : !hidden
  return %e : !hidden
}

// -----

// The end of a routed block, with and without indices and an addend.

!hidden = tensor<1x?x6xf32>
!scores = tensor<1x?xf32>

// CHECK-LABEL: @scatters
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>, %[[T:.*]]: tensor<1x?x6xf32>, %[[W:.*]]: tensor<6x6xf32>, %[[O:.*]]: tensor<1x?x6xf32>, %[[I:.*]]: tensor<1x?xi32>, %[[R:.*]]: tensor<1x?xf32>
// CHECK: %[[A:.*]] = mod.linear %[[T]], %[[W]] plus(%[[O]]) gate(sigmoid) by(%[[R]]) accumulate into(%[[X]]) at(%[[I]])
// CHECK: %[[B:.*]] = mod.linear %[[A]], %[[W]] gate(raw) by(%[[R]]) accumulate into(%[[A]]) :
// CHECK: %[[C:.*]] = mod.scatter %[[T]] into %[[B]] at(%[[I]])
// CHECK: return %[[C]]
// REMARK: [Passed] FusedEpilogue{{.*}} Function=scatters | clause=accumulate
// REMARK: [Passed] FusedEpilogue{{.*}} Function=scatters | clause=scatter
// REMARK: [Passed] FusedEpilogue{{.*}} Function=scatters | clause=scatter
// REMARK: [Missed] FusedEpilogue{{.*}} Function=scatters | Reason="the update is not a product of its own without a gate", clause=scatter
func.func @scatters(%x: !hidden, %t: !hidden, %w: tensor<6x6xf32>, %o: !hidden, %i: tensor<1x?xi32>, %r: !scores) -> !hidden {
  %p = mod.linear %t, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %u = arith.addf %o, %p : !hidden
  %a = mod.scatter %u into %x at(%i) gate(sigmoid) by(%r) : (!hidden, !hidden, tensor<1x?xi32>, !scores) -> !hidden
  %q = mod.linear %a, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %b = mod.scatter %q into %a gate(raw) by(%r) : (!hidden, !hidden, !scores) -> !hidden
  %c = mod.scatter %t into %b at(%i) gate(raw) by(%r) : (!hidden, !hidden, tensor<1x?xi32>, !scores) -> !hidden
  return %c : !hidden
}

// -----

// A block that replaces its tokens overwrites their rows, without reading them.
// A gate inside of the block is a clause of the MLP's product; what it is part
// of is then scattered by itself.

!hidden = tensor<1x?x6xf32>
!scores = tensor<1x?xf32>

// CHECK-LABEL: @replaced
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>, %[[T:.*]]: tensor<1x?x6xf32>, %[[W:.*]]: tensor<6x6xf32>, %[[M:.*]]: tensor<1x?x6xf32>, %[[I:.*]]: tensor<1x?xi32>, %[[R:.*]]: tensor<1x?xf32>, %[[S:.*]]: tensor<1x?xf32>
// CHECK: %[[A:.*]] = mod.linear %[[T]], %[[W]] plus(%[[M]]) gate(raw) by(%[[R]]) into(%[[X]]) at(%[[I]])
// CHECK: %[[B:.*]] = mod.linear %[[T]], %[[W]] gate(tanh, scale = 5.000000e-01) by(%[[S]]) accumulate into(%[[M]]) :
// CHECK: %[[C:.*]] = mod.scatter %[[B]] into %[[A]] at(%[[I]]) replace gate(none) by(%[[R]])
// CHECK: return %[[C]]
// REMARK: [Passed] FusedEpilogue{{.*}} Function=replaced | clause=accumulate
// REMARK: [Passed] FusedEpilogue{{.*}} Function=replaced | clause=scatter
// REMARK: [Passed] FusedEpilogue{{.*}} Function=replaced | clause=scatter
// REMARK: [Missed] FusedEpilogue{{.*}} Function=replaced | Reason="the update is not a product of its own without a gate", clause=scatter
func.func @replaced(%x: !hidden, %t: !hidden, %w: tensor<6x6xf32>, %m: !hidden, %i: tensor<1x?xi32>, %r: !scores, %s: !scores) -> !hidden {
  %p = mod.linear %t, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %u = arith.addf %m, %p : !hidden
  %a = mod.scatter %u into %x at(%i) replace gate(raw) by(%r) : (!hidden, !hidden, tensor<1x?xi32>, !scores) -> !hidden
  %q = mod.linear %t, %w : (!hidden, tensor<6x6xf32>) -> !hidden
  %v = mod.scatter %q into %m gate(tanh, scale = 0.5) by(%s) : (!hidden, !hidden, !scores) -> !hidden
  %c = mod.scatter %v into %a at(%i) replace gate(none) by(%r) : (!hidden, !hidden, tensor<1x?xi32>, !scores) -> !hidden
  return %c : !hidden
}
