//===- TensorCores.h - What products of small matrices take -----*- C++ -*-===//
//
// Copies to shared memory, fragments of matrices from there, and their
// products: 16 x 8 numbers from 16 of each of both operands.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_TENSORCORES_H
#define MOD_CODEGEN_NVPTX_TENSORCORES_H

#include "codegen/nvptx/ThreadBuilder.h"

namespace mlir::mod {

/// The elements of bf16 in 16 bytes, of which copies are made.
inline constexpr int64_t kChunk = 8;

/// One product: rows, columns, and what is summed over.
inline constexpr int64_t kMmaRows = 16, kMmaColumns = 8, kMmaInner = 16;
/// The sums of a product that each lane has: of row `lane / 4` two neighbours
/// from column `lane % 4 * 2` on, and the same eight rows below.
inline constexpr int64_t kMmaSums = 4;

/// Whether a buffer is bf16 in rows of whole chunks.
bool hasChunks(Value buffer);

/// Begins to copy a chunk to shared memory; zeros, where it is not `inside`.
void emitAsyncCopy(ThreadBuilder &b, Value into, ValueRange place, Value source,
                   ValueRange from, Value inside);

/// Ends a group of copies.
void emitCommit(ThreadBuilder &b);
/// Waits until at most so many groups of this thread are under way.
void emitWait(ThreadBuilder &b, int64_t groups);

/// Four 8 x 8 matrices, as registers of two elements; each lane has the place
/// of one row. Transposed, neighbours are of one column.
Values loadMatrices(ThreadBuilder &b, Value tile, ValueRange place,
                    bool transposed = false);

/// Two numbers in f32 as a register of bf16.
Value packPair(ThreadBuilder &b, Value low, Value high);

/// The sums with a product added: four registers of rows, two of columns.
Values multiplyMatrices(ThreadBuilder &b, ValueRange x, ValueRange w,
                        ValueRange sums);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_TENSORCORES_H
