//===- BoxCopies.h - Tiles of a matrix that come by TMA ---------*- C++ -*-===//
//
// `cp.async.bulk.tensor`, which chips from sm_90 on have: one thread asks for
// boxes of a matrix in memory, and an mbarrier of shared memory counts the
// bytes that arrive.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_BOXCOPIES_H
#define MOD_CODEGEN_NVPTX_BOXCOPIES_H

#include "codegen/nvptx/ThreadBuilder.h"

namespace mlir::mod {

/// The rows of a box, and the bytes of each.
inline constexpr int64_t kBoxRows = 64, kBoxRowBytes = 64;

/// Boxes of one matrix, which fill the stages of a tile `[stages, rows, row]`
/// in turn. Stage `step % stages` has those of a step.
class BoxCopies {
public:
  /// `map` is the matrix's tensor map.
  BoxCopies(ThreadBuilder &b, Value map, Value tile);

  /// Makes the barriers. One thread does this and begins all copies; others
  /// wait behind a barrier of the block.
  void begin();
  /// Begins the copies of a step, whose stage nobody reads any more: boxes that
  /// begin at these rows of the matrix, one below the other.
  void copy(Value step, ValueRange rows, Value column);
  /// Until they are there, for each thread that reads them or has `wgmma` read
  /// them.
  void wait(Value step);

private:
  Value getBarrier(Value stage);

  ThreadBuilder &b;
  Value map, tile, barriers;
  int64_t stages;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_BOXCOPIES_H
