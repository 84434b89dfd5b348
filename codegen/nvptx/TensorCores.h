//===- TensorCores.h - What products of small matrices take -----*- C++ -*-===//
//
// Copies to shared memory, fragments of matrices from there, and their
// products: 16 x 8 sums from 32 bytes of each row of both operands.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_TENSORCORES_H
#define MOD_CODEGEN_NVPTX_TENSORCORES_H

#include "codegen/nvptx/ThreadBuilder.h"

namespace mlir::mod {

/// The bytes of a chunk: copies and rows of fragments are made of these.
inline constexpr int64_t kChunkBytes = 16;

/// One product: rows, columns, and the chunks of each that are summed over.
inline constexpr int64_t kMmaRows = 16, kMmaColumns = 8, kMmaChunks = 2;
/// The sums of a product that each lane has: of row `lane / 4` two neighbours
/// from column `lane % 4 * 2` on, and the same eight rows below.
inline constexpr int64_t kMmaSums = 4;

/// The elements of a chunk.
int64_t getChunk(Type element);

/// Whether a buffer has such elements, in rows of whole chunks.
bool hasChunks(Value buffer, Type element);

/// Whether tensor cores multiply numbers of a type with all their bits.
bool hasExactProducts(Type element);

/// Begins to copy a chunk to shared memory; zeros, where it is not `inside`.
void emitAsyncCopy(ThreadBuilder &b, Value into, ValueRange place, Value source,
                   ValueRange from, Value inside);

/// Ends a group of copies.
void emitCommit(ThreadBuilder &b);
/// Waits until at most so many groups of this thread are under way.
void emitWait(ThreadBuilder &b, int64_t groups);

/// Four matrices of eight rows of a chunk, as registers of four bytes; each
/// lane has the place of one row. Transposed, neighbours are of one column. f32
/// becomes tf32.
Values loadMatrices(ThreadBuilder &b, Value tile, ValueRange place,
                    bool transposed = false);

/// Two numbers in f32 as a register of a type of two bytes.
Value packPair(ThreadBuilder &b, Value low, Value high, Type element);

/// The sums with a product added: four registers of rows, two of columns.
Values multiplyMatrices(ThreadBuilder &b, ValueRange x, ValueRange w,
                        ValueRange sums, Type element);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_TENSORCORES_H
