; What instructions of AVX-512 do, for machines without them.

define internal <16 x i32> @emulated.x86.avx512.pmaddw.d.512(<32 x i16> %a, <32 x i16> %b) alwaysinline {
  %x = sext <32 x i16> %a to <32 x i32>
  %y = sext <32 x i16> %b to <32 x i32>
  %z = mul <32 x i32> %x, %y
  %even = shufflevector <32 x i32> %z, <32 x i32> poison, <16 x i32> <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14, i32 16, i32 18, i32 20, i32 22, i32 24, i32 26, i32 28, i32 30>
  %odd = shufflevector <32 x i32> %z, <32 x i32> poison, <16 x i32> <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15, i32 17, i32 19, i32 21, i32 23, i32 25, i32 27, i32 29, i32 31>
  %sum = add <16 x i32> %even, %odd
  ret <16 x i32> %sum
}

define internal <16 x float> @emulated.x86.avx512bf16.dpbf16ps.512(<16 x float> %sum, <32 x bfloat> %a, <32 x bfloat> %b) alwaysinline {
  %x = fpext <32 x bfloat> %a to <32 x float>
  %y = fpext <32 x bfloat> %b to <32 x float>
  %z = fmul <32 x float> %x, %y
  %even = shufflevector <32 x float> %z, <32 x float> poison, <16 x i32> <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14, i32 16, i32 18, i32 20, i32 22, i32 24, i32 26, i32 28, i32 30>
  %odd = shufflevector <32 x float> %z, <32 x float> poison, <16 x i32> <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15, i32 17, i32 19, i32 21, i32 23, i32 25, i32 27, i32 29, i32 31>
  %first = fadd <16 x float> %sum, %odd
  %both = fadd <16 x float> %first, %even
  ret <16 x float> %both
}

; Bytes of the first side have no sign.
define internal <16 x i32> @emulated.x86.avx512.vpdpbusd.512(<16 x i32> %sum, <64 x i8> %a, <64 x i8> %b) alwaysinline {
  %x = zext <64 x i8> %a to <64 x i32>
  %y = sext <64 x i8> %b to <64 x i32>
  %z = mul <64 x i32> %x, %y
  %p0 = shufflevector <64 x i32> %z, <64 x i32> poison, <16 x i32> <i32 0, i32 4, i32 8, i32 12, i32 16, i32 20, i32 24, i32 28, i32 32, i32 36, i32 40, i32 44, i32 48, i32 52, i32 56, i32 60>
  %p1 = shufflevector <64 x i32> %z, <64 x i32> poison, <16 x i32> <i32 1, i32 5, i32 9, i32 13, i32 17, i32 21, i32 25, i32 29, i32 33, i32 37, i32 41, i32 45, i32 49, i32 53, i32 57, i32 61>
  %p2 = shufflevector <64 x i32> %z, <64 x i32> poison, <16 x i32> <i32 2, i32 6, i32 10, i32 14, i32 18, i32 22, i32 26, i32 30, i32 34, i32 38, i32 42, i32 46, i32 50, i32 54, i32 58, i32 62>
  %p3 = shufflevector <64 x i32> %z, <64 x i32> poison, <16 x i32> <i32 3, i32 7, i32 11, i32 15, i32 19, i32 23, i32 27, i32 31, i32 35, i32 39, i32 43, i32 47, i32 51, i32 55, i32 59, i32 63>
  %p01 = add <16 x i32> %p0, %p1
  %p23 = add <16 x i32> %p2, %p3
  %p0123 = add <16 x i32> %p01, %p23
  %result = add <16 x i32> %sum, %p0123
  ret <16 x i32> %result
}

define internal <16 x bfloat> @emulated.x86.avx512bf16.cvtneps2bf16.512(<16 x float> %x) alwaysinline {
  %bits = bitcast <16 x float> %x to <16 x i32>
  %high = lshr <16 x i32> %bits, splat (i32 16)
  %odd = and <16 x i32> %high, splat (i32 1)
  %carry = add <16 x i32> %odd, splat (i32 32767)
  %rounded = add <16 x i32> %bits, %carry
  %upper = lshr <16 x i32> %rounded, splat (i32 16)
  %half = trunc <16 x i32> %upper to <16 x i16>
  %result = bitcast <16 x i16> %half to <16 x bfloat>
  ret <16 x bfloat> %result
}
