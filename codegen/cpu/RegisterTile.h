//===- RegisterTile.h - The inner loop of products --------------*- C++ -*-===//
//
// A tile of sums of products that stays in vector registers.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_REGISTERTILE_H
#define MOD_CODEGEN_CPU_REGISTERTILE_H

#include "codegen/cpu/KernelBuilder.h"

namespace mlir::mod {

/// `rows` rows of `vectors` vectors. Element `[i][j]` of a tile's values is
/// number `i * vectors + j`.
struct RegisterTile {
  int64_t rows;
  int64_t vectors;

  int64_t size() const { return rows * vectors; }
};

/// `inits[i][j] + sum_k a(i, k) * b(j, k)` for `from <= k < to`, where `a`
/// gives scalars and `b` vectors.
Values emitProducts(KernelBuilder &builder, RegisterTile tile, Value from,
                    Value to, ValueRange inits,
                    function_ref<Value(int64_t, Value)> a,
                    function_ref<Value(int64_t, Value)> b);

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_REGISTERTILE_H
