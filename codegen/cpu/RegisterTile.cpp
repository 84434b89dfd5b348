//===- RegisterTile.cpp - The inner loop of products ----------------------===//
//
// A tile of sums of products that stays in vector registers.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/RegisterTile.h"

using namespace mlir;
using namespace mlir::mod;

Values mod::emitProducts(KernelBuilder &builder, RegisterTile tile, Value from,
                         Value to, ValueRange inits,
                         function_ref<Value(int64_t, Value)> a,
                         function_ref<Value(int64_t, Value)> b) {
  return builder.loop(from, to, 1, inits, [&](Value k, ValueRange sums) {
    Values bs, results;
    for (int64_t j = 0; j < tile.vectors; ++j)
      bs.push_back(b(j, k));
    for (int64_t i = 0; i < tile.rows; ++i) {
      Value row = builder.broadcast(a(i, k));
      for (int64_t j = 0; j < tile.vectors; ++j)
        results.push_back(builder.fma(row, bs[j], sums[i * tile.vectors + j]));
    }
    return results;
  });
}
