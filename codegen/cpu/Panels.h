//===- Panels.h - How keys and values lie in memory -------------*- C++ -*-===//
//
// The buffers of `mod.append_panels` for the vectors of a CPU.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_PANELS_H
#define MOD_CODEGEN_CPU_PANELS_H

#include "codegen/cpu/Target.h"
#include "mlir/IR/BuiltinTypes.h"

namespace mlir::mod {

/// The buffers for the keys and the values of `tokens` tokens.
struct Panels {
  MemRefType keys, values;
  int64_t tokens;

  /// Those of bf16 lie in pairs, unless a head has an odd width.
  static Panels get(CpuTarget target, Type element, int64_t kvHeads,
                    int64_t headDim, int64_t tokens);

  /// The same with panels of one key and of one value.
  static Panels getRows(Type element, int64_t kvHeads, int64_t headDim,
                        int64_t tokens);

  static int64_t getBytes(MemRefType type) {
    return type.getNumElements() * type.getElementTypeBitWidth() / 8;
  }
  /// Tokens that the values have room for, with those that make a pair whole.
  int64_t getValueTokens() const;
  /// Bytes of the key and the value of one token, in all heads.
  int64_t getTokenBytes() const;
  /// Parts among which a single query shares out the keys of one head: of so
  /// many keys at least, so that all heads make about so many tasks.
  int64_t getSplits(int64_t keysOfTask, int64_t tasks) const;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_PANELS_H
