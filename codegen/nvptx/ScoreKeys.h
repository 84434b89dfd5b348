//===- ScoreKeys.h - Searching scores bit by bit ----------------*- C++ -*-===//
//
// What kernels that select the largest scores have in common: scores as
// integers that are ordered as they are.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_SCOREKEYS_H
#define MOD_CODEGEN_NVPTX_SCOREKEYS_H

#include "codegen/nvptx/ThreadBuilder.h"

namespace mlir::mod {

/// The key of a score, an i32; both zeros have one.
Value emitKey(ThreadBuilder &b, Value score);

/// The score of a key.
Value emitScore(ThreadBuilder &b, Value key);

/// The largest integer at which what is measured, and falls as integers rise,
/// is still at least the goal; the smallest of none. It has `bits` bits, and is
/// an i32 where these are enough.
Value emitLargest(ThreadBuilder &b, unsigned bits, Value goal,
                  function_ref<Value(Value least)> measure);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_SCOREKEYS_H
