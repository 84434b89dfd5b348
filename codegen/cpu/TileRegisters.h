//===- TileRegisters.h - The tile registers of AMX --------------*- C++ -*-===//
//
// Products of matrices in tile registers, of which there are eight.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_TILEREGISTERS_H
#define MOD_CODEGEN_CPU_TILEREGISTERS_H

#include "codegen/cpu/KernelBuilder.h"

namespace mlir::mod {

/// A register holds 16 rows of 64 bytes: rows of inputs, what 16 outputs take
/// of 16 words of inputs, or 16 x 16 sums (Intel, Architecture Instruction Set
/// Extensions, "Intel AMX"). A word is what one output takes at a time: two
/// numbers of bf16 or four of i8.
struct TileRegisters {
  static constexpr int64_t rows = 16, rowBytes = 64, wordBytes = 4;
  static constexpr int64_t words = rowBytes / wordBytes;
  /// Numbers of bf16 in a row.
  static constexpr int64_t halves = rowBytes / 2;

  /// Makes the memory that the shapes are configured by, on the stack.
  explicit TileRegisters(KernelBuilder &builder);

  /// Shapes the registers for `count` rows of inputs, at most two tiles of
  /// them; they are zero then.
  void emitConfigure(Value count);
  /// Gives the registers back.
  void emitRelease();

private:
  KernelBuilder &b;
  Value shape;
};

/// Where a tile lies: its first element, and the dimension that its rows are
/// neighbours along.
struct TileAddress {
  Value memref;
  Values first;
  unsigned dim;
};

/// Sums of products that stay in registers: two tiles of rows meet two vectors
/// of outputs, or one of rows up to four of outputs.
struct TileSums {
  KernelBuilder &b;
  int64_t rowTiles, vectors;

  using Operands = function_ref<TileAddress(int64_t)>;
  using Places = function_ref<TileAddress(int64_t i, int64_t j)>;

  void emitZero();
  void emitLoad(Places from);
  void emitStore(Places to);
  /// Adds the products of a tile of words of each tile of rows with those of
  /// each vector of outputs.
  void emitStep(Operands inputs, Operands weights);

private:
  void forEach(function_ref<void(int64_t i, int64_t j)> body);
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_TILEREGISTERS_H
