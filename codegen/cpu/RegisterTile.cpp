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

RegisterTile RegisterTile::get(CpuTarget target, int64_t rows, int64_t vectors,
                               int64_t operandRegisters) {
  int64_t sums = rows * vectors;
  int64_t needed = llvm::divideCeil(multiplyAddsUnderWay, sums);
  int64_t room =
      target.getSumRegisters(std::min(rows, vectors), operandRegisters) / sums;
  int64_t split = std::max<int64_t>(1, std::min(needed, room));
  return {rows, vectors, split, split};
}

/// One step: each element of A meets each of B. The side that is shorter stays
/// in registers while the other passes by.
static void emitStep(RegisterTile tile, Value step, Multiplier &multiplier,
                     MutableArrayRef<Value> sums) {
  auto loadA = [&](int64_t i) { return multiplier.loadA(i, step); };
  auto loadB = [&](int64_t j) { return multiplier.loadB(j, step); };
  auto multiplyAdd = [&](int64_t i, int64_t j, ValueRange a, ValueRange b) {
    Value &sum = sums[i * tile.vectors + j];
    sum = multiplier.multiplyAdd(a, b, sum);
  };
  auto rows = llvm::seq(tile.rows), vectors = llvm::seq(tile.vectors);
  if (tile.rows < tile.vectors) {
    auto as = llvm::map_to_vector(rows, loadA);
    for (int64_t j : vectors) {
      Values b = loadB(j);
      for (int64_t i : rows)
        multiplyAdd(i, j, as[i], b);
    }
    return;
  }
  auto bs = llvm::map_to_vector(vectors, loadB);
  for (int64_t i : rows) {
    Values a = loadA(i);
    for (int64_t j : vectors)
      multiplyAdd(i, j, a, bs[j]);
  }
}

/// `tile.unroll` steps at a time; `tile.split` in a row have sums of their own.
static Values emitSplitSteps(KernelBuilder &b, RegisterTile tile, Value from,
                             Value to, ValueRange inits,
                             Multiplier &multiplier) {
  Values all(inits);
  all.append((tile.split - 1) * tile.size(), multiplier.getZero());
  all = b.loop(from, to, tile.unroll, all, [&](Value step, ValueRange carried) {
    Values sums(carried);
    for (int64_t i = 0; i < tile.unroll; ++i) {
      Value current = b.add(step, i);
      multiplier.lookAhead(current, i);
      emitStep(tile, current, multiplier,
               MutableArrayRef(sums).slice(i % tile.split * tile.size(),
                                           tile.size()));
    }
    return sums;
  });
  Values sums(ArrayRef(all).take_front(tile.size()));
  for (int64_t i = tile.size(); i < int64_t(all.size()); ++i)
    sums[i % tile.size()] = multiplier.add(sums[i % tile.size()], all[i]);
  return sums;
}

Values mod::emitProducts(KernelBuilder &b, RegisterTile tile, Value from,
                         Value to, ValueRange inits, Multiplier &multiplier) {
  Value whole = b.mul(b.div(b.sub(to, from), tile.unroll), tile.unroll);
  Value middle = b.add(from, whole);
  Values sums = emitSplitSteps(b, tile, from, middle, inits, multiplier);
  if (tile.unroll == 1 || isEqualConstantIntOrValue(middle, to))
    return sums;
  tile.split = tile.unroll = 1;
  return emitSplitSteps(b, tile, middle, to, sums, multiplier);
}
