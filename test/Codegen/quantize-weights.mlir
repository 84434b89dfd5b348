// RUN: mod-opt %s --mod-quantize-weights=dtype=bf16 | FileCheck %s --check-prefix=BF16
// RUN: mod-opt %s --mod-quantize-weights="dtype=bf16 narrow-inputs" | FileCheck %s --check-prefix=PAIRS
// RUN: mod-opt %s --mod-quantize-weights="dtype=f16 narrow-inputs" | FileCheck %s --check-prefix=F16
// RUN: mod-opt %s --mod-quantize-weights=dtype=tf32 | FileCheck %s --check-prefix=TF32
// RUN: mod-opt %s --mod-quantize-weights=dtype=i8 | FileCheck %s --check-prefix=I8
// RUN: mod-opt %s --mod-quantize-weights="dtype=i8 narrow-inputs" | FileCheck %s --check-prefix=BYTES
// RUN: mod-opt %s --mod-quantize-weights=dtype=i4 | FileCheck %s --check-prefix=I4
// RUN: mod-opt %s --mod-quantize-weights | FileCheck %s --check-prefix=F32
// RUN: mod-opt %s --mod-quantize-weights=dtype=i8 --remarks-filter="mod-quantize-weights" 2>&1 | FileCheck %s --check-prefix=REMARK

// RUN: mod-opt %s --mod-quantize-weights=dtype=bf16 --mod-pack-weights=panel=4 | FileCheck %s --check-prefix=PACKBF16
// RUN: mod-opt %s --mod-quantize-weights=dtype=i8 --mod-pack-weights=panel=4 --cse | FileCheck %s --check-prefix=PACKI8
// RUN: mod-opt %s --mod-quantize-weights="dtype=i8 narrow-inputs" --mod-pack-weights=panel=4 --cse | FileCheck %s --check-prefix=PACKBYTES
// RUN: mod-opt %s --mod-quantize-weights=dtype=i4 --mod-pack-weights=panel=4 --cse | FileCheck %s --check-prefix=PACKI4

ml_program.global private @w(#ml_program.extern : tensor<6x37xf32>) : tensor<6x37xf32>

// F32-LABEL: func.func @two
// F32: mod.linear %{{.+}}, %{{.+}} : (tensor<1x?x37xf32>, tensor<6x37xf32>)

// BF16-LABEL: func.func @two
// BF16: %[[W:.+]] = ml_program.global_load_const @w
// BF16: %[[N:.+]] = arith.truncf %[[W]] : tensor<6x37xf32> to tensor<6x37xbf16>
// BF16-NOT: arith.truncf
// BF16: mod.linear %arg0, %[[N]] : (tensor<1x?x37xf32>, tensor<6x37xbf16>) -> tensor<1x?x6xf32>
// BF16: mod.linear %arg0, %[[N]] row_scales(%arg2)
// BF16: mod.linear %arg0, %[[N]] rows(%arg1)

// PAIRS-LABEL: func.func @two
// PAIRS: %[[X:.+]] = mod.quantize %arg0 : (tensor<1x?x37xf32>) -> tensor<1x?x37xbf16>
// PAIRS: mod.linear %[[X]], %{{.+}} : (tensor<1x?x37xbf16>, tensor<6x37xbf16>) -> tensor<1x?x6xf32>

// F16: arith.truncf %{{.+}} : tensor<6x37xf32> to tensor<6x37xf16>
// F16: mod.quantize %arg0 : (tensor<1x?x37xf32>) -> tensor<1x?x37xf16>

// Products of what is no parameter stay exact.
// TF32-LABEL: func.func @two
// TF32-COUNT-3: mod.linear %arg0, {{.*}} {mod.tf32} : (tensor<1x?x37xf32>, tensor<6x37xf32>
// TF32-LABEL: func.func @unknown
// TF32-NOT: mod.tf32

// The largest magnitude of each output, over 127.
// I8-DAG: #[[ROW:.+]] = affine_map<(d0, d1) -> (d0)>
// I8-LABEL: func.func @two
// I8: %[[W:.+]] = ml_program.global_load_const @w
// I8: %[[LARGEST:.+]] = linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]{{.*}} ins(%[[W]] : tensor<6x37xf32>) outs(%{{.+}} : tensor<6xf32>)
// I8: math.absf
// I8: %[[LIMIT:.+]] = arith.constant dense<0.00787401571> : tensor<6xf32>
// I8: %[[SCALES:.+]] = arith.mulf %[[LARGEST]], %[[LIMIT]]
// I8: %[[N:.+]] = linalg.generic {{.*}} ins(%[[W]], %[[SCALES]] : tensor<6x37xf32>, tensor<6xf32>) outs(%{{.+}} : tensor<6x37xi8>)
// I8: math.roundeven
// I8: arith.fptosi
// I8-NOT: linalg.generic
// I8: %[[R:.+]] = mod.row_scales %arg0 to(127)
// I8: %[[X:.+]] = mod.quantize %arg0 by(%[[R]]) : (tensor<1x?x37xf32>, tensor<1x?xf32>) -> tensor<1x?x37xi16>
// I8: mod.linear %[[X]], %[[N]] scales(%[[SCALES]]) row_scales(%[[R]])
// Factors that are there already are kept.
// I8: %[[R:.+]] = mod.row_scales %arg0 to(127)
// I8: %[[F:.+]] = arith.mulf %[[R]], %arg2 : tensor<1x?xf32>
// I8: %[[X:.+]] = mod.quantize %arg0 by(%[[R]])
// I8: mod.linear %[[X]], %[[N]] scales(%[[SCALES]]) row_scales(%[[F]])
// Of rows that are picked, these alone are quantised.
// I8: %[[R:.+]] = mod.row_scales %arg0 rows(%arg1) to(127)
// I8: %[[X:.+]] = mod.quantize %arg0 rows(%arg1) by(%[[R]])
// I8: mod.linear %[[X]], %[[N]] scales(%[[SCALES]]) row_scales(%[[R]])

// BYTES: mod.quantize %arg0 by(%{{.+}}) : (tensor<1x?x37xf32>, tensor<1x?xf32>) -> tensor<1x?x37xi8>

// I4: #[[GROUP:.+]] = affine_map<(d0, d1) -> (d0, d1 floordiv 32)>
// I4-LABEL: func.func @two
// I4: %[[W:.+]] = ml_program.global_load_const @w
// I4: linalg.pack %[[W]] padding_value(%{{.+}} : f32) inner_dims_pos = [1] inner_tiles = [32]
// I4-SAME: -> tensor<6x2x32xf32>
// I4: %[[EXTREME:.+]] = linalg.generic {{.*}} outs(%{{.+}} : tensor<6x2xf32>)
// I4: %[[LIMIT:.+]] = arith.constant dense<-1.250000e-01> : tensor<6x2xf32>
// I4: %[[SCALES:.+]] = arith.mulf %[[EXTREME]], %[[LIMIT]]
// I4: %[[N:.+]] = linalg.generic {indexing_maps = [#{{.+}}, #[[GROUP]], #{{.+}}]
// I4: mod.row_scales %arg0 to(32767)
// I4: mod.linear %{{.+}}, %[[N]] scales(%[[SCALES]]) row_scales(%{{.+}}) : (tensor<1x?x37xi16>, tensor<6x37xi8>, tensor<6x2xf32>, tensor<1x?xf32>)

// REMARK: Remark="weight quantized", dtype=i8, inputs=37, outputs=6
// REMARK-NOT: weight quantized
// REMARK: Reason="weight is not computed from parameters alone", Remark="product stays in f32"

// PACKBF16: linalg.pack %{{.+}} padding_value(%{{.+}} : bf16) inner_dims_pos = [0, 1] inner_tiles = [4, 2] {{.*}} -> tensor<2x19x4x2xbf16>
// PACKI8: linalg.pack %{{.+}} padding_value(%{{.+}} : i8) inner_dims_pos = [0, 1] inner_tiles = [4, 2] {{.*}} -> tensor<2x19x4x2xi8>
// PACKI8: mod.quantize {{.*}} -> tensor<1x?x38xi16>
// PACKI8: mod.linear {{.*}} (tensor<1x?x38xi16>, tensor<2x19x4x2xi8>, tensor<6xf32>, tensor<1x?xf32>)
// PACKBYTES: mod.linear {{.*}} (tensor<1x?x40xi8>, tensor<2x11x4x4xi8>, tensor<6xf32>, tensor<1x?xf32>)
// PACKI4: linalg.pack {{.*}} inner_dims_pos = [0, 1] inner_tiles = [4, 32] {{.*}} -> tensor<2x2x4x32xi8>
// PACKI4: tensor.expand_shape {{.*}} into tensor<2x2x4x4x8xi8>
// PACKI4: linalg.generic {{.*}} outs(%{{.+}} : tensor<2x2x4x4xi32>)
// PACKI4: arith.shli
// PACKI4: mod.linear {{.*}} (tensor<1x?x64xi16>, tensor<2x2x4x4xi32>, tensor<2x2x4xf32>, tensor<1x?xf32>)
func.func @two(%x: tensor<1x?x37xf32>, %rows: tensor<1x?xi32>, %r: tensor<1x?xf32>) -> (tensor<1x?x6xf32>, tensor<1x?x6xf32>, tensor<1x?x6xf32>) {
  %w = ml_program.global_load_const @w : tensor<6x37xf32>
  %y = mod.linear %x, %w : (tensor<1x?x37xf32>, tensor<6x37xf32>) -> tensor<1x?x6xf32>
  %z = mod.linear %x, %w row_scales(%r) : (tensor<1x?x37xf32>, tensor<6x37xf32>, tensor<1x?xf32>) -> tensor<1x?x6xf32>
  %u = mod.linear %x, %w rows(%rows) : (tensor<1x?x37xf32>, tensor<6x37xf32>, tensor<1x?xi32>) -> tensor<1x?x6xf32>
  return %y, %z, %u : tensor<1x?x6xf32>, tensor<1x?x6xf32>, tensor<1x?x6xf32>
}

func.func @unknown(%x: tensor<1x?x37xf32>, %w: tensor<6x37xf32>) -> tensor<1x?x6xf32> {
  %y = mod.linear %x, %w : (tensor<1x?x37xf32>, tensor<6x37xf32>) -> tensor<1x?x6xf32>
  return %y : tensor<1x?x6xf32>
}
