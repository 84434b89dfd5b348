//===- TensorMaps.h - Weights whose boxes kernels copy ----------*- C++ -*-===//
//
// Which weights need tensor maps, that copies by TMA are made by. They lie
// behind the weights (`modrt_tensor_map` in runtime/modrt.h).
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_TENSORMAPS_H
#define MOD_CODEGEN_NVPTX_TENSORMAPS_H

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::mod {

/// The tensor maps of a module.
class TensorMaps {
public:
  /// The bytes of the map of a weight, for a launch; null where the buffer is
  /// not one of the weights that a program is given, or has holes.
  Value find(OpBuilder &builder, Location loc, Value weight);
  /// A table of them in their order.
  ArrayAttr describe(Builder &builder) const;
  bool empty() const { return matrices.empty(); }

private:
  /// The place of a weight, its rows and its columns.
  using Matrix = std::tuple<int64_t, int64_t, int64_t>;

  int64_t start = -1; ///< behind the weights
  llvm::SetVector<Matrix> matrices;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_TENSORMAPS_H
