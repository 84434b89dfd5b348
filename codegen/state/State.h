//===- State.h - State as views of memory -----------------------*- C++ -*-===//
//
// What the ops on caches, latches and traces become once there is memory for
// these.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_STATE_STATE_H
#define MOD_CODEGEN_STATE_STATE_H

#include "codegen/cpu/Panels.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::mod {

/// The keys and values of one cache, their positions if it has any, and the
/// tokens before the next append.
struct CacheBuffers {
  Value keys, values, positions, first;
};

/// How caches lie in memory. No target: keys and values row by row.
struct CacheForm {
  std::optional<CpuTarget> target;

  /// A cache that nothing attends to is one head.
  Panels getPanels(Value handle) const;
  /// Memory for the position of each token, null where nothing asks for them.
  MemRefType getPositionsType(Value handle) const;
};

/// Replace an op on a cache by one on its buffers.
void lowerCacheOp(OpBuilder &builder, CacheAppendOp op,
                  const CacheBuffers &buffers);
void lowerCacheOp(OpBuilder &builder, CacheRoomOp op,
                  const CacheBuffers &buffers);
/// `count` is of the tokens that there are, null where queries have positions.
void lowerCacheOp(OpBuilder &builder, CachedAttentionOp op,
                  const CacheBuffers &buffers, Value count,
                  const CacheForm &form);

/// Memory that a session keeps from run to run.
struct SessionMemory {
  int64_t bytes;    ///< of one sequence, 0 where nothing is kept
  ArrayAttr caches; ///< a table of them for the descriptor
};

/// Makes the caches and latches that a program is given views of one memory.
SessionMemory lowerSessionState(func::FuncOp program, const CacheForm &form);

/// Makes the caches of a single run buffers of it.
void lowerTemporaryCaches(func::FuncOp program, const CacheForm &form);

/// Makes an op on a latch loads and stores; `view` gives the latch of a
/// sequence, and of the only one for null.
void lowerLatch(LatchOp op, function_ref<Value(OpBuilder &, Value)> view);

/// Makes the trace of a program memory that the caller may pass.
void lowerTrace(func::FuncOp program);

inline Value createIndex(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

} // namespace mlir::mod

#endif // MOD_CODEGEN_STATE_STATE_H
