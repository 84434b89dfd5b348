//===- RegisterTile.cpp - The inner loop of products ----------------------===//
//
// A tile of sums of products that stays in vector registers.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/RegisterTile.h"

using namespace mlir;
using namespace mlir::mod;

/// Multiply-adds that a core must have under way to start as many as it can:
/// two a cycle, each of four cycles.
static constexpr int64_t multiplyAddsUnderWay = 8;

RegisterTile RegisterTile::get(CpuTarget target, int64_t rows,
                               int64_t vectors) {
  int64_t sums = rows * vectors;
  int64_t needed = llvm::divideCeil(multiplyAddsUnderWay, sums);
  int64_t room = (target.registers - vectors - 1) / sums;
  return {rows, vectors, std::max<int64_t>(1, std::min(needed, room))};
}

/// One step: each element of A meets each of B.
static void emitStep(RegisterTile tile, Value step, Multiplier &multiplier,
                     MutableArrayRef<Value> sums) {
  SmallVector<Values> bs;
  for (int64_t j = 0; j < tile.vectors; ++j)
    bs.push_back(multiplier.loadB(j, step));
  for (int64_t i = 0; i < tile.rows; ++i) {
    Values a = multiplier.loadA(i, step);
    for (int64_t j = 0; j < tile.vectors; ++j) {
      Value &sum = sums[i * tile.vectors + j];
      sum = multiplier.multiplyAdd(a, bs[j], sum);
    }
  }
}

/// `tile.split` steps at a time, each with sums of its own.
static Values emitSplitSteps(KernelBuilder &b, RegisterTile tile, Value from,
                             Value to, ValueRange inits,
                             Multiplier &multiplier) {
  Values all(inits);
  all.append((tile.split - 1) * tile.size(), multiplier.getZero());
  all = b.loop(from, to, tile.split, all, [&](Value step, ValueRange carried) {
    Values sums(carried);
    for (int64_t part = 0; part < tile.split; ++part)
      emitStep(tile, b.add(step, part), multiplier,
               MutableArrayRef(sums).slice(part * tile.size(), tile.size()));
    return sums;
  });
  Values sums(ArrayRef(all).take_front(tile.size()));
  for (int64_t i = tile.size(); i < int64_t(all.size()); ++i)
    sums[i % tile.size()] = multiplier.add(sums[i % tile.size()], all[i]);
  return sums;
}

Values mod::emitProducts(KernelBuilder &b, RegisterTile tile, Value from,
                         Value to, ValueRange inits, Multiplier &multiplier) {
  Value whole = b.mul(b.div(b.sub(to, from), tile.split), tile.split);
  Value middle = b.add(from, whole);
  Values sums = emitSplitSteps(b, tile, from, middle, inits, multiplier);
  if (tile.split == 1 || isEqualConstantIntOrValue(middle, to))
    return sums;
  tile.split = 1;
  return emitSplitSteps(b, tile, middle, to, sums, multiplier);
}

namespace {
/// Scalars of f32 with vectors of f32.
struct ScalarMultiplier : Multiplier {
  using Load = function_ref<Value(int64_t, Value)>;

  ScalarMultiplier(KernelBuilder &builder, Load a, Load b)
      : Multiplier(builder), scalarOf(a), vectorOf(b) {}

  Values loadA(int64_t i, Value step) override {
    return {b.broadcast(scalarOf(i, step))};
  }
  Values loadB(int64_t j, Value step) override { return {vectorOf(j, step)}; }

  Load scalarOf, vectorOf;
};
} // namespace

Values mod::emitProducts(KernelBuilder &builder, RegisterTile tile, Value from,
                         Value to, ValueRange inits,
                         function_ref<Value(int64_t, Value)> a,
                         function_ref<Value(int64_t, Value)> b) {
  ScalarMultiplier multiplier(builder, a, b);
  return emitProducts(builder, tile, from, to, inits, multiplier);
}
