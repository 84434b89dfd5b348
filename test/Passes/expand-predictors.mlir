// RUN: mod-opt %s --mod-expand-predictors --remarks-filter=mod-expand-predictors 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK <%t

// CHECK-LABEL: @predictor
// CHECK-SAME: %[[X:.*]]: tensor<1x?x6xf32>, %[[W0:.*]]: tensor<3x6xf32>, %[[B0:.*]]: tensor<3xf32>, %[[W2:.*]]: tensor<1x3xf32>, %[[B2:.*]]: tensor<1xf32>
// CHECK: %[[H:.*]] = mod.linear %[[X]], %[[W0]] bias(%[[B0]]) : ({{.*}}) -> tensor<1x?x3xf32>
// CHECK: %[[A:.*]] = linalg.map ins(%[[H]] : tensor<1x?x3xf32>)
// CHECK: math.exp
// CHECK: %[[L:.*]] = mod.router %[[A]], %[[W2]] bias(%[[B2]]) : ({{.*}}) -> tensor<1x?xf32>
// CHECK: return %[[L]]
// REMARK: [Passed] ExpandedPredictor{{.*}} Function=predictor | hidden=3
func.func @predictor(%x: tensor<1x?x6xf32>, %w0: tensor<3x6xf32>, %b0: tensor<3xf32>, %w2: tensor<1x3xf32>, %b2: tensor<1xf32>)
    -> tensor<1x?xf32> {
  %l = mod.predictor %x, %w0, %b0, %w2, %b2
      : (tensor<1x?x6xf32>, tensor<3x6xf32>, tensor<3xf32>, tensor<1x3xf32>, tensor<1xf32>) -> tensor<1x?xf32>
  return %l : tensor<1x?xf32>
}

// CHECK-LABEL: @placed
// CHECK: mod.predictor
// REMARK: [Missed] ExpandedPredictor{{.*}} Function=placed | Reason="it has a place already"
func.func @placed(%x: tensor<1x?x6xf32>, %w0: tensor<3x6xf32>, %b0: tensor<3xf32>, %w2: tensor<1x3xf32>, %b2: tensor<1xf32>,
                  %i: tensor<1x?xf32>) -> tensor<1x?xf32> {
  %l = mod.predictor %x, %w0, %b0, %w2, %b2 into(%i)
      : (tensor<1x?x6xf32>, tensor<3x6xf32>, tensor<3xf32>, tensor<1x3xf32>, tensor<1xf32>, tensor<1x?xf32>) -> tensor<1x?xf32>
  return %l : tensor<1x?xf32>
}
