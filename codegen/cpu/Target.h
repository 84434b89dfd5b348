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
  /// widest vectors, two of bf16 or four of i8.
  bool hasBF16Dot = false;
  bool hasByteDot = false;

  /// A CPU whose widest vectors have this many bits: x86-64 has 16 vector
  /// registers, with AVX-512 32; caches as the cores with such vectors commonly
  /// have.
  static CpuTarget get(unsigned vectorBits);

  static bool isSupported(unsigned vectorBits);

  /// f32 values per vector.
  int64_t getLanes() const { return vectorBits / 32; }

  /// Columns of one panel of packed weights, NR.
  int64_t getPanel() const { return getPanelVectors() * getLanes(); }

  /// Vectors of one row of a register tile.
  int64_t getPanelVectors() const { return registers == 32 ? 4 : 2; }

  /// Rows of a register tile whose rows have `vectors` vectors: as many as
  /// leave room for one row of B and one broadcast of A.
  int64_t getTileRows(int64_t vectors) const {
    return (registers - vectors - 1) / vectors;
  }
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_TARGET_H
