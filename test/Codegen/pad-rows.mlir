// Rows that would meet in the first level cache are a line apart; buffers
// whose users need contiguous rows, and those of one row, stay as they are.
// RUN: mod-opt %s --mod-pad-rows --split-input-file | FileCheck %s
// RUN: mod-opt %s --mod-pad-rows --split-input-file \
// RUN:   --remarks-filter=mod-pad-rows \
// RUN:   -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: func.func @rows(
// CHECK: %[[PADDED:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<1x?x1040xf32>
// CHECK: %[[X:.*]] = memref.subview %[[PADDED]][0, 0, 0] [1, %{{.*}}, 1024] [1, 1, 1]
// CHECK-SAME: to memref<1x?x1024xf32, strided<[?, 1040, 1]>>
// CHECK: %[[HALF:.*]] = memref.subview %[[X]][0, 0, 512] [1, %{{.*}}, 512] [1, 1, 1]
// CHECK-SAME: to memref<1x?x512xf32, strided<[?, 1040, 1], offset: 512>>
// CHECK: mod.rms_norm %[[HALF]], %{{.*}} eps(1.000000e-05) into(%[[HALF]])
// REMARK: padded the rows of {{.*}}buffers=1
func.func @rows(%n: index, %g: memref<512xf32>) {
  %x = memref.alloc(%n) {alignment = 64 : i64} : memref<1x?x1024xf32>
  %half = memref.subview %x[0, 0, 512] [1, %n, 512] [1, 1, 1]
      : memref<1x?x1024xf32> to memref<1x?x512xf32, strided<[?, 1024, 1], offset: 512>>
  mod.rms_norm %half, %g eps(1.0e-5) into(%half)
      : (memref<1x?x512xf32, strided<[?, 1024, 1], offset: 512>>, memref<512xf32>,
         memref<1x?x512xf32, strided<[?, 1024, 1], offset: 512>>) -> ()
  return
}

// -----

// Bytes count, whatever the type.
// CHECK-LABEL: func.func @narrow(
// CHECK: memref.alloc(%{{.*}}) : memref<1x?x1056xbf16>
// CHECK: memref.alloc(%{{.*}}) : memref<1x?x2112xi8>
// CHECK: memref.alloc(%{{.*}}) : memref<1x?x992xi8>
func.func @narrow(%n: index, %x: f32) {
  %a = memref.alloc(%n) : memref<1x?x1024xbf16>
  %b = memref.alloc(%n) : memref<1x?x2048xi8>
  %c = memref.alloc(%n) : memref<1x?x992xi8>
  return
}

// -----

// CHECK-LABEL: func.func @others(
// CHECK: memref.alloc(%{{.*}}) : memref<1x?x760xf32>
// CHECK: memref.alloc() : memref<1x1x1024xf32>
// CHECK: %[[FLAT:.*]] = memref.alloc(%{{.*}}) : memref<1x?x512xf32>
// CHECK: memref.collapse_shape %[[FLAT]]
// REMARK: padded the rows of {{.*}}left=1
func.func @others(%n: index) -> memref<?xf32> {
  %a = memref.alloc(%n) : memref<1x?x760xf32>
  %b = memref.alloc() : memref<1x1x1024xf32>
  %c = memref.alloc(%n) : memref<1x?x512xf32>
  %flat = memref.collapse_shape %c [[0, 1, 2]] : memref<1x?x512xf32> into memref<?xf32>
  return %flat : memref<?xf32>
}
