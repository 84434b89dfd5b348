//===- RotaryAngles.h - Angles of rotary position embeddings ----*- C++ -*-===//
//
// The cosines and sines of one token, shared by all heads of its row.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_ROTARYANGLES_H
#define MOD_CODEGEN_CPU_ROTARYANGLES_H

#include "codegen/cpu/KernelBuilder.h"
#include "dialect/Rotary.h"

namespace mlir::mod {

/// Rotates heads of `headDim` elements by the angles of tokens.
class RotaryAngles {
public:
  /// Adds the module's table of frequencies for the kernel `op` is in.
  RotaryAngles(KernelBuilder &builder, Operation *op,
               const RotaryFrequencies &rotary);

  /// Makes the memory for the angles of so many tokens, on the stack of the
  /// task.
  void allocate(int64_t tokens);
  /// Fills it for one of them that is at `position`, an i32.
  void emitAngles(Value token, Value position);
  /// Rotates a head of a token: `load` gives columns of it, `store` takes them.
  void emitHead(Value token, function_ref<Value(Columns)> load,
                function_ref<void(Value, Columns)> store);

private:
  KernelBuilder &b;
  int64_t half;
  double magnitude;
  Value frequencies, cosines, sines;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_ROTARYANGLES_H
