//===- LinearTiling.h - How products with weights are cut -------*- C++ -*-===//
//
// Sizes of the tasks, tiles and turns of a product, from the registers and
// caches of a CPU.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_LINEARTILING_H
#define MOD_CODEGEN_CPU_LINEARTILING_H

#include "codegen/cpu/Multipliers.h"

namespace mlir::mod {

struct LinearTiling {
  LinearTiling(CpuTarget target, PackedWeight weight);

  /// Whether many rows are multiplied by tile registers.
  bool hasTiles;
  /// The most rows that are one tile, for which weights are read once: as many
  /// as a batch has, or a routed block of it.
  int64_t fewRows;
  /// Panels and rows of a tile where rows are many.
  int64_t tilePanels, tileRows;
  /// Steps along the inputs after which a tile makes way for the next.
  int64_t turnSteps;
  /// Whether these are not all steps.
  bool hasTurns;
  /// Rows of one task.
  int64_t blockRows;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_LINEARTILING_H
