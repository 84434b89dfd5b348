//===- ThreadBuilder.h - Writing the code of one GPU thread -----*- C++ -*-===//
//
// Short names for what kernels are made of: arithmetic, loops, memory, warps
// and blocks.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_THREADBUILDER_H
#define MOD_CODEGEN_NVPTX_THREADBUILDER_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::mod {

using Values = SmallVector<Value>;

inline constexpr int64_t kWarpThreads = 32;

/// How a kernel is launched: blocks over rows in one dimension, and over
/// whatever else in the other.
struct Geometry {
  int64_t threads;
  Value rows = {}; ///< null: one block has all
  int64_t rowsPerBlock = 1;
  int64_t otherBlocks = 1;
};

/// Builds what one thread of a kernel does.
class ThreadBuilder : public ImplicitLocOpBuilder {
public:
  /// `rows` has the dimension 1 of buffers where it is less than their type
  /// says.
  ThreadBuilder(Location loc, const OpBuilder &builder, gpu::GPUFuncOp kernel,
                const DenseMap<Value, Value> &rows);

  //===--- Numbers ---===//

  Value index(int64_t value);
  Value i32(int64_t value);
  Value i64(int64_t value);
  Value f32(double value);
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value mul(Value x, int64_t y) { return mul(x, index(y)); }
  Value div(Value x, int64_t y);
  Value rem(Value x, int64_t y);
  Value min(Value x, Value y);
  Value ceilDiv(Value x, Value y);
  Value ceilDiv(Value x, int64_t y) { return ceilDiv(x, index(y)); }
  Value lt(Value x, Value y);
  Value eq(Value x, Value y);
  Value addf(Value x, Value y);
  Value subf(Value x, Value y);
  Value mulf(Value x, Value y);
  Value divf(Value x, Value y);
  Value maxf(Value x, Value y);
  Value fma(Value x, Value y, Value z);
  Value exp(Value x);
  Value exp2(Value x);
  Value sigmoid(Value x);
  /// Makes narrow floats f32.
  Value widen(Value x);
  /// Rounds f32 to a narrower type, and makes it f32 again.
  Value round(Value x, Type narrow);
  Value select(Value condition, Value x, Value y);
  Value both(Value x, Value y);
  Value toIndex(Value integer);
  Value toI32(Value index);

  //===--- Control ---===//

  /// `body(i, carried)` for i from `first` below `end`.
  Values loop(Value first, Value end, int64_t step, ValueRange inits,
              function_ref<Values(Value, ValueRange)> body);
  void loop(Value first, Value end, int64_t step,
            function_ref<void(Value)> body);
  void ifThen(Value condition, function_ref<void()> body);
  /// What `body` computes, `otherwise` where the condition does not hold.
  Value ifElse(Value condition, Value otherwise, function_ref<Value()> body);
  /// Either of two.
  Value ifElse(Value condition, Type type, function_ref<Value()> body,
               function_ref<Value()> otherwise);

  //===--- Memory ---===//

  /// The size of a dimension, as large as it is at run time.
  Value dim(Value buffer, unsigned dim);
  /// An element; narrow floats become f32.
  Value load(Value buffer, ValueRange indices);
  /// Rounds f32 to what the buffer holds.
  void store(Value value, Value buffer, ValueRange indices);
  /// `width` elements side by side, whose bytes are aligned to all of them.
  Value loadVector(Value buffer, ValueRange indices, int64_t width);
  void storeVector(Value value, Value buffer, ValueRange indices);
  /// An element of a vector.
  Value extract(Value vector, int64_t place);
  /// Adds one to an i32 that blocks count with, and gives what it was. What
  /// others wrote before they counted is there, and theirs what this thread and
  /// those before its last barrier wrote.
  Value countUp(Value counters, Value place);
  /// Memory of the block.
  Value shared(ArrayRef<int64_t> shape, Type element, int64_t alignment = 16);
  Value shared(ArrayRef<int64_t> shape) { return shared(shape, getF32Type()); }

  //===--- Threads ---===//

  Value thread() { return threadId; }
  Value lane() { return rem(threadId, kWarpThreads); }
  Value warp() { return div(threadId, kWarpThreads); }
  Value rowBlock() { return blockIds[0]; }
  Value otherBlock() { return blockIds[1]; }
  void barrier();

  using Combine = function_ref<Value(Value, Value)>;
  /// Of the lanes that are `first`, 2 `first`, ... below `end` apart: all
  /// these powers of two.
  Value reduceLanes(Value value, int64_t first, int64_t end, Combine combine);
  /// Of all threads of the warp, in each of them.
  Value reduceWarp(Value value, Combine combine) {
    return reduceLanes(value, 1, kWarpThreads, combine);
  }
  Value sumWarp(Value value);
  /// Of all threads of the block, in each of them. `isAlone` where it is in a
  /// loop without another barrier: others may still read what its last round
  /// left.
  Value reduceBlock(Value value, int64_t threads, Combine combine,
                    bool isAlone = false);
  /// The sum of an i32 over the threads before this one, and over all.
  std::pair<Value, Value> scanBlock(Value value, int64_t threads, bool isAlone);

private:
  Value shuffle(Value value, int64_t offset);
  Value scanWarp(Value value);

  gpu::GPUFuncOp kernel;
  const DenseMap<Value, Value> &rows;
  Value threadId;
  Value blockIds[2];
};

/// The static size of a dimension: at run time it may be less.
inline int64_t getBound(Value buffer, unsigned dim) {
  return cast<ShapedType>(buffer.getType()).getDimSize(dim);
}

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_THREADBUILDER_H
