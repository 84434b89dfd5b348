// 65520 is the first number that rounds to infinity in f16.
ml_program.global private @large(dense<[[1.0, 65519.0], [-65520.0, 2.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
ml_program.global private @fits(dense<[65519.0, -65519.0]> : tensor<2xf32>) : tensor<2xf32>
func.func @forward(%n: index {mod.role = "count"}) -> (tensor<2x2xf16>, tensor<2xf16>) {
  %large = ml_program.global_load_const @large : tensor<2x2xf32>
  %fits = ml_program.global_load_const @fits : tensor<2xf32>
  %a = arith.truncf %large : tensor<2x2xf32> to tensor<2x2xf16>
  %b = arith.truncf %fits : tensor<2xf32> to tensor<2xf16>
  return %a, %b : tensor<2x2xf16>, tensor<2xf16>
}
