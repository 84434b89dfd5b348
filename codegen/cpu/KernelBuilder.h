//===- KernelBuilder.h - Write a kernel in a few words ----------*- C++ -*-===//
//
// A builder whose methods are the steps of kernels: index arithmetic, loops
// with carried values, and loads and stores of vectors.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_KERNELBUILDER_H
#define MOD_CODEGEN_CPU_KERNELBUILDER_H

#include "codegen/cpu/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::mod {

using Values = SmallVector<Value>;

/// One vector's worth of consecutive columns. A mask is there where not all
/// of its lanes are valid.
struct Columns {
  Value index;
  Value mask = {};
};

class KernelBuilder : public ImplicitLocOpBuilder {
public:
  KernelBuilder(Location loc, OpBuilder &builder, CpuTarget target)
      : ImplicitLocOpBuilder(loc, builder), target(target) {}

  const CpuTarget target;

  // Constants and types.
  Value index(int64_t value);
  Value i32(int64_t value);
  Value f32(double value);
  VectorType vectorType(Type element);
  VectorType floats() { return vectorType(getF32Type()); }
  VectorType ints() { return vectorType(getI32Type()); }
  Value splat(double value);
  Value splatInt(int64_t value);
  Value broadcast(Value scalar);
  /// `{first, first + 1, ...}` as i32, for an index `first`.
  Value iota(Value first);

  // Index arithmetic; what is constant folds.
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, index(b)); }
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return mul(a, index(b)); }
  Value div(Value a, int64_t b);
  Value rem(Value a, Value b);
  Value div(Value a, Value b);
  Value ceilDiv(Value a, Value b);
  Value ceilDiv(Value a, int64_t b) { return ceilDiv(a, index(b)); }
  Value min(Value a, Value b);
  Value less(Value a, Value b);
  Value toI32(Value index);
  Value toIndex(Value integer);

  // f32 arithmetic on scalars and vectors.
  Value addf(Value a, Value b);
  Value subf(Value a, Value b);
  Value mulf(Value a, Value b);
  Value divf(Value a, Value b);
  Value maxf(Value a, Value b);
  Value minf(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value sum(Value vector);
  Value maximum(Value vector);

  // Memory.
  Value dim(Value memref, int64_t dim);
  Value load(Value memref, ValueRange indices);
  void store(Value value, Value memref, ValueRange indices);
  /// `numbers` narrow numbers from there on as one word of 32 bits, in every
  /// lane.
  Value loadWord(Value memref, ValueRange indices, int64_t numbers);
  /// Columns of the row of `memref` that the leading `indices` name. Lanes that
  /// the mask excludes are neither touched nor defined to be anything but 0.
  Value load(Value memref, ArrayRef<Value> indices, Columns columns);
  void store(Value vector, Value memref, ArrayRef<Value> indices,
             Columns columns);
  /// Asks for a line to be in the cache of `level`, 1 or 2, before it is read
  /// or written. It may lie outside of `memref`.
  void prefetch(Value memref, ValueRange indices, unsigned level = 1,
                bool isWrite = false);
  /// Elements of `memref` that a line of the cache holds.
  static int64_t getLineSize(Value memref);
  /// A buffer on the stack of the task, of f32 by default.
  Value scratch(ArrayRef<int64_t> shape, Type element = {});

  // Control.
  using Body = function_ref<void(Value)>;
  using CarryingBody = function_ref<Values(Value, ValueRange)>;
  void loop(Value from, Value to, int64_t step, Body body);
  Values loop(Value from, Value to, int64_t step, ValueRange inits,
              CarryingBody body);
  void ifThen(Value condition, function_ref<void()> body);
  void ifElse(Value condition, function_ref<void()> then,
              function_ref<void()> otherwise);
  /// Runs `body` with the one of `numbers` that `value` is.
  void switchOn(Value value, ArrayRef<int64_t> numbers,
                function_ref<void(int64_t)> body);
  /// Runs `body` for the tasks `0..tasks-1`, in any order, perhaps at once.
  void forall(Value tasks, Body body);
  /// As above with tasks of `block` consecutive items of `0..items-1`;
  /// `body` is given one item.
  void forallItems(Value items, int64_t block, Body body);

  // Rows of static width.
  using ColumnsBody = function_ref<void(Columns)>;
  using CarryingColumnsBody = function_ref<Values(Columns, ValueRange)>;
  /// Runs `body` over `width` columns, vector by vector; only the last may be
  /// masked.
  void forColumns(int64_t width, ColumnsBody body);
  Values forColumns(int64_t width, ValueRange inits, CarryingColumnsBody body);
  /// The same for a number of columns that is known at run time.
  void forColumns(Value width, ColumnsBody body);
  Values forColumns(Value width, ValueRange inits, CarryingColumnsBody body);

  /// The columns that start at the static `first` of `width`, masked if they
  /// reach beyond it.
  Columns columnsAt(int64_t first, int64_t width);
  /// The mask of the `valid` first lanes.
  Value firstLanes(Value valid);
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_KERNELBUILDER_H
