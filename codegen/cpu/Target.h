//===- Target.h - What kernels must know of a CPU ---------------*- C++ -*-===//
//
// The vectors of a CPU and the tile sizes that follow from them.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_TARGET_H
#define MOD_CODEGEN_CPU_TARGET_H

#include <cstdint>

namespace mlir::mod {

/// The vectors and caches of a CPU. All tile sizes are functions of these
/// numbers.
struct CpuTarget {
  unsigned vectorBits = 256;
  unsigned registers = 16;
  /// Bytes of the second level cache of one core.
  int64_t level2Bytes = 512 * 1024;
  /// Whether one instruction multiplies and adds, for each f32 or i32 of the
  /// widest vectors, two of bf16 or four of i8, as often as one does f32.
  bool hasBF16Dot = false;
  bool hasByteDot = false;
  /// Whether it has tiles of bf16 and i8 (AMX), with which AVX512_BF16 comes.
  bool hasTiles = false;

  /// A CPU whose widest vectors have this many bits: x86-64 has 16 vector
  /// registers, with AVX-512 32; caches as the cores with such vectors commonly
  /// have.
  static CpuTarget get(unsigned vectorBits);

  /// Adds tiles, which come with larger caches (Intel, from Sapphire Rapids
  /// on).
  void addTiles();

  static bool isSupported(unsigned vectorBits);

  /// By how much bytes of tokens are larger in memory than what they stand for:
  /// the instruction that multiplies fours of them takes no sign, and to take
  /// it away for each product would be as much work as a third of these. Tiles
  /// take signs.
  int32_t getByteOffset() const { return hasByteDot && !hasTiles ? 128 : 0; }

  /// Whether an instruction rounds vectors of f32 to bf16.
  bool hasBF16Rounding() const { return hasBF16Dot || hasTiles; }

  /// f32 values per vector.
  int64_t getLanes() const { return vectorBits / 32; }

  /// Columns of one panel of packed weights, NR.
  int64_t getPanel() const { return getPanelVectors() * getLanes(); }

  /// Vectors of one row of a register tile. Few, so that tiles have many rows:
  /// panels come from the second level cache, and each row uses them once more.
  static int64_t getPanelVectors() { return 2; }

  /// Registers that are left for the sums of a register tile whose rows have
  /// `vectors` vectors: one row of B and one element of A, of
  /// `operandRegisters` each, pass by; `constants` are used again and again.
  /// Plain x86-64 multiplies in place, which takes copies; of 32 registers LLVM
  /// fills some early.
  int64_t getSumRegisters(int64_t vectors, int64_t operandRegisters = 1,
                          int64_t constants = 0) const {
    int64_t spare = vectorBits == 256   ? 0
                    : vectorBits == 512 ? 3 + constants
                                        : 4;
    return registers - operandRegisters * (vectors + 1) - spare;
  }

  /// Rows of such a tile: as many as there is room for.
  int64_t getTileRows(int64_t vectors, int64_t operandRegisters = 1,
                      int64_t constants = 0) const {
    int64_t rows =
        getSumRegisters(vectors, operandRegisters, constants) / vectors;
    return rows > 1 ? rows : 1;
  }
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_TARGET_H
