//===- Attention.h - Kernels of causal attention ----------------*- C++ -*-===//
//
// Which there are, and what they share: keys and values of a head lie row by
// row, softmaxes are of powers of two.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_ATTENTION_H
#define MOD_CODEGEN_NVPTX_ATTENTION_H

#include "codegen/nvptx/Kernels.h"

namespace mlir::mod {

/// Static shared memory that a block may have.
inline constexpr int64_t kMaxSharedBytes = 48 << 10;

/// The attention of one head, or of heads that share keys and values.
struct AttentionHead {
  AttentionHead(ThreadBuilder &b, PanelAttentionOp op)
      : b(b), op(op), headDim(op.getHeadDim()),
        group(int64_t(op.getHeads()) / op.getKvHeads()),
        rows(b.dim(op.getQuery(), 1)) {}

  Values getKey(Value token, Value column) {
    return {kvHead, token, column, b.index(0)};
  }
  Values getValue(Value token, Value column) {
    return {kvHead, b.index(0), token, column};
  }
  /// An element of the query, or of the result, of a head.
  Values getRow(Value row, Value head, Value column) {
    return {b.index(0), row, b.add(b.mul(head, headDim), column)};
  }
  /// How many keys a query sees: the queries are the last of the tokens that
  /// there are keys of, or at positions. Of rows behind the last it is of no
  /// use.
  Value countSeen(Value row);
  /// How many keys the last query sees.
  Value countKeys();
  /// The first key that a query sees, which is the last of `seen`: there must
  /// be such a query.
  Value getFirstKey(Value seen);
  /// Whether a query sees a key: those from `first` on that it has `seen`.
  Value isSeen(Value key, Value first, Value seen);
  /// What queries are multiplied by.
  Value getScale();
  /// The tile of rows that this block has: those with the most keys begin.
  Value getTile(int64_t rowsPerTile) {
    Value tiles = b.ceilDiv(rows, rowsPerTile);
    return b.sub(b.sub(tiles, b.index(1)), b.rowBlock());
  }
  /// The type of keys and values.
  Type getElement() { return getElementTypeOrSelf(op.getKeys()); }

  ThreadBuilder &b;
  PanelAttentionOp op;
  int64_t headDim, group;
  Value rows, kvHead = {};
};

/// Whether attention is made of products of bf16 or f16.
bool canUseTensorCores(PanelAttentionOp op);
Geometry emitTensorAttention(ThreadBuilder &b, PanelAttentionOp op);

/// Whether tiles of queries and keys fit into shared memory.
bool canTileAttention(PanelAttentionOp op);
Geometry emitTiledAttention(ThreadBuilder &b, PanelAttentionOp op);

/// Blocks have a row each, and a part of its keys where there are `counters`
/// of parts that are done.
Geometry emitSingleQueryAttention(ThreadBuilder &b, PanelAttentionOp op,
                                  Value counters);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_ATTENTION_H
