//===- Attention.cpp - Kernels of causal attention ------------------------===//
//
// Blocks of queries score blocks of transposed keys; a single query reads each
// key and value once, as they lie.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/OnlineSoftmax.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

/// The scale of scores; log2(e) makes the softmax one of powers of two.
static double getScale(AttentionOp op) {
  return M_LOG2E / std::sqrt(double(op.getHeadDim()));
}

//===----------------------------------------------------------------------===//
// Many queries
//===----------------------------------------------------------------------===//

namespace {
/// A task is a block of queries of one head.
struct QueryBlock {
  using Keys = OnlineSoftmax::Keys;

  QueryBlock(KernelBuilder &builder, AttentionOp op, Value head,
             Value firstQuery);
  void emit();

  /// Queries of one block, a multiple of the tile's rows.
  static int64_t getQueries(CpuTarget target) {
    int64_t rows = getTile(target).rows;
    return 64 / rows * rows;
  }
  static RegisterTile getTile(CpuTarget target) {
    int64_t vectors = target.getPanelVectors();
    return {target.getTileRows(vectors), vectors};
  }

private:
  void emitKeys(Keys keys);
  void emitTranspose(Keys keys);
  void emitScores(Value row);
  void emitScoresAt(Value row, ArrayRef<Value> queries, Value key);
  Value getQuery(Value row);

  KernelBuilder &b;
  AttentionOp op;
  RegisterTile tile;
  Value queries, keys, firstQuery, rows, queryColumn;
  /// `[headDim][blockKeys]`: keys as columns, scaled.
  Value transposed;
  OnlineSoftmax softmax;
};
} // namespace

static Value getKeyHead(KernelBuilder &b, AttentionOp op, Value head) {
  return b.div(head, op.getHeads() / op.getKvHeads());
}

QueryBlock::QueryBlock(KernelBuilder &builder, AttentionOp op, Value head,
                       Value firstQuery)
    : b(builder), op(op), tile(getTile(b.target)),
      queries(b.dim(op.getQuery(), 1)), keys(b.dim(op.getKey(), 1)),
      firstQuery(firstQuery),
      rows(b.min(b.index(getQueries(b.target)), b.sub(queries, firstQuery))),
      queryColumn(b.mul(head, op.getHeadDim())),
      transposed(b.scratch({op.getHeadDim(), OnlineSoftmax::blockKeys})),
      softmax(b, op, getKeyHead(b, op, head), getQueries(b.target)) {}

void QueryBlock::emit() {
  // The last query of the block sees the keys before this one.
  Value endKey = b.add(b.add(b.sub(keys, queries), firstQuery), rows);
  int64_t blockKeys = OnlineSoftmax::blockKeys;
  b.loop(b.index(0), endKey, blockKeys, [&](Value key) {
    emitKeys({key, b.min(b.index(blockKeys), b.sub(endKey, key))});
  });
  b.loop(b.index(0), rows, 1, [&](Value row) {
    softmax.emitResult(row, op.getInto(), b.add(firstQuery, row), queryColumn);
  });
}

void QueryBlock::emitKeys(Keys block) {
  emitTranspose(block);
  // Query i of m sees the keys before n - m + i + 1.
  Value before = b.sub(keys, queries);
  b.loop(b.index(0), rows, tile.rows, [&](Value row) {
    emitScores(row);
    for (int64_t i = 0; i < tile.rows; ++i) {
      Value end = b.add(before, b.add(getQuery(b.add(row, i)), 1));
      softmax.emitWeights(b.add(row, i), b.sub(end, block.first));
    }
    softmax.emitValues(row, tile, block);
  });
}

/// The query of a row of the block. Rows of the last tile that are beyond the
/// last query repeat it; their results are dropped.
Value QueryBlock::getQuery(Value row) {
  return b.min(b.add(firstQuery, row), b.sub(queries, b.index(1)));
}

void QueryBlock::emitTranspose(Keys block) {
  Value scale = b.f32(getScale(op));
  b.loop(b.index(0), block.count, 1, [&](Value key) {
    Value row = b.add(block.first, key);
    b.loop(b.index(0), b.index(op.getHeadDim()), 1, [&](Value d) {
      Value column = b.add(softmax.keyColumn, d);
      Value x = b.load(op.getKey(), {b.index(0), row, column});
      b.store(b.mulf(x, scale), transposed, {d, key});
    });
  });
}

/// The scores of a tile's rows with all keys of the block.
void QueryBlock::emitScores(Value row) {
  Values queries;
  for (int64_t i = 0; i < tile.rows; ++i)
    queries.push_back(getQuery(b.add(row, i)));
  b.loop(b.index(0), b.index(OnlineSoftmax::blockKeys),
         tile.vectors * b.target.getLanes(),
         [&](Value key) { emitScoresAt(row, queries, key); });
}

void QueryBlock::emitScoresAt(Value row, ArrayRef<Value> queries, Value key) {
  int64_t lanes = b.target.getLanes();
  Values products = emitProducts(
      b, tile, b.index(0), b.index(op.getHeadDim()),
      Values(tile.size(), b.splat(0.0)),
      [&](int64_t i, Value d) {
        Value column = b.add(queryColumn, d);
        return b.load(op.getQuery(), {b.index(0), queries[i], column});
      },
      [&](int64_t j, Value d) {
        return b.load(transposed, {d}, Columns{b.add(key, j * lanes)});
      });
  for (auto [number, product] : llvm::enumerate(products))
    b.store(product, softmax.scores, {b.add(row, number / tile.vectors)},
            Columns{b.add(key, number % tile.vectors * lanes)});
}

/// Tasks in descending order: the last queries see the most keys, and what
/// takes longest should start first.
static void emitQueryBlocks(KernelBuilder &b, AttentionOp op) {
  int64_t blockQueries = QueryBlock::getQueries(b.target);
  Value blocks = b.ceilDiv(b.dim(op.getQuery(), 1), blockQueries);
  Value heads = b.index(op.getHeads());
  b.forall(b.mul(blocks, heads), [&](Value task) {
    Value block = b.sub(b.sub(blocks, b.index(1)), b.div(task, heads));
    Value first = b.mul(block, blockQueries);
    QueryBlock(b, op, b.rem(task, heads), first).emit();
  });
}

//===----------------------------------------------------------------------===//
// A single query
//===----------------------------------------------------------------------===//

/// Scores of the query's head that starts at `queryColumn` with the keys of a
/// block.
static void emitDots(KernelBuilder &b, OnlineSoftmax &softmax, Value row,
                     Value queryColumn, OnlineSoftmax::Keys block) {
  AttentionOp op = softmax.op;
  Value zero = b.index(0), scale = b.f32(getScale(op));
  b.loop(zero, block.count, 1, [&](Value key) {
    Value keyRow = b.add(block.first, key);
    Values sums = b.forColumns(
        softmax.headDim, {b.splat(0.0)}, [&](Columns columns, ValueRange sums) {
          Columns of{b.add(queryColumn, columns.index), columns.mask};
          Columns with{b.add(softmax.keyColumn, columns.index), columns.mask};
          Value q = b.load(op.getQuery(), {zero, zero}, of);
          Value k = b.load(op.getKey(), {zero, keyRow}, with);
          return Values{b.fma(q, k, sums[0])};
        });
    b.store(b.mulf(b.sum(sums[0]), scale), softmax.scores, {row, key});
  });
}

/// Weighs and adds the values of a block for `rows` heads, tile by tile.
static void emitGroupValues(KernelBuilder &b, OnlineSoftmax &softmax,
                            int64_t rows, OnlineSoftmax::Keys block) {
  int64_t vectors = b.target.getPanelVectors();
  int64_t tileRows = b.target.getTileRows(vectors);
  for (int64_t row = 0; row < rows; row += tileRows) {
    int64_t left = std::min(rows - row, tileRows);
    // Few rows leave registers for more columns.
    int64_t wide = std::max(vectors, tileRows * vectors / left / 2);
    softmax.emitValues(b.index(row), {left, wide}, block);
  }
}

/// A task is the group of heads that share one head of keys.
static void emitSingleQuery(KernelBuilder &b, AttentionOp op) {
  int64_t rows = op.getHeads() / op.getKvHeads();
  Value zero = b.index(0), keys = b.dim(op.getKey(), 1);
  b.forall(b.index(op.getKvHeads()), [&](Value keyHead) {
    OnlineSoftmax softmax(b, op, keyHead, rows);
    Value firstColumn = b.mul(keyHead, rows * softmax.headDim);
    auto getColumn = [&](Value row) {
      return b.add(firstColumn, b.mul(row, softmax.headDim));
    };
    int64_t blockKeys = OnlineSoftmax::blockKeys;
    b.loop(zero, keys, blockKeys, [&](Value key) {
      Value count = b.min(b.index(blockKeys), b.sub(keys, key));
      OnlineSoftmax::Keys block{key, count};
      b.loop(zero, b.index(rows), 1, [&](Value row) {
        emitDots(b, softmax, row, getColumn(row), block);
        softmax.emitWeights(row, count);
      });
      emitGroupValues(b, softmax, rows, block);
    });
    b.loop(zero, b.index(rows), 1, [&](Value row) {
      softmax.emitResult(row, op.getInto(), zero, getColumn(row));
    });
  });
}

void mod::emitKernel(KernelBuilder &b, AttentionOp op) {
  if (getStaticDim(op.getQuery(), 1) == 1)
    emitSingleQuery(b, op);
  else
    emitQueryBlocks(b, op);
}
