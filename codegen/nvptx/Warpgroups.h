//===- Warpgroups.h - Products that four warps make together ----*- C++ -*-===//
//
// `wgmma`, which sm_90a has and no other chip: both operands are read from
// shared memory, and sums stay in registers.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_WARPGROUPS_H
#define MOD_CODEGEN_NVPTX_WARPGROUPS_H

#include "codegen/nvptx/TensorCores.h"

namespace mlir::mod {

/// The warps of a group, and the rows of a product.
inline constexpr int64_t kGroupWarps = 4, kGroupRows = kGroupWarps * kMmaRows;

/// Whether a product may be one of warpgroups.
inline constexpr llvm::StringLiteral kWarpgroupsAttr = "mod.warpgroups";

/// Bytes of the rows of tiles, and of eight rows, which tiles begin at
/// multiples of: chunk `c` of row `r` lies at `c ^ (r / 2 % 4)`.
inline constexpr int64_t kGroupRowBytes = 64, kGroupPatternBytes = 512;

/// Makes what this thread copied to shared memory known to `wgmma`.
void emitOperandFence(ThreadBuilder &b);

/// What `wgmma` is told of the rows of a tile `[stages, rows, row]` from `row`
/// on.
Value getDescriptor(ThreadBuilder &b, Value tile, Value stage, Value row);

/// The sums with the products of `count` times 32 bytes of each row added:
/// lanes have those of 16 rows of their warp, column by column as of smaller
/// products.
Values multiplyGroups(ThreadBuilder &b, Value x, Value w, int64_t count,
                      ValueRange sums, Type element);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_WARPGROUPS_H
