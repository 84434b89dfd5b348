//===- LinearClauses.h - What products do besides sums ----------*- C++ -*-===//
//
// Rows to read before the sums; scales, bias, activation, sums with what is in
// memory, rows to write and elementwise ops after them.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_LINEARCLAUSES_H
#define MOD_CODEGEN_NVPTX_LINEARCLAUSES_H

#include "codegen/nvptx/Kernels.h"

namespace mlir::mod {

/// Whether a product may have more than one row.
bool hasManyRows(LinearOp op);

/// Whether a product's type is one of tensor cores, and whether its operands
/// lie as they take them.
bool wantsTensorCores(LinearOp op);
bool canUseTensorCores(LinearOp op);
/// Whether warpgroups are asked for a product with many rows and can make it,
/// given a tensor map of its weight.
bool canUseWarpgroups(LinearOp op);
/// By warpgroups, where the weight has a tensor map.
Geometry emitTensorLinear(ThreadBuilder &b, LinearOp op,
                          ArrayRef<linalg::LinalgOp> followers, Value map);

/// A product whose input has one row.
Geometry emitSingleRowLinear(ThreadBuilder &b, LinearOp op,
                             ArrayRef<linalg::LinalgOp> followers);

/// The clauses of one product.
class GpuLinearClauses {
public:
  /// `followers` are elementwise ops on what the product writes.
  GpuLinearClauses(ThreadBuilder &b, LinearOp op,
                   ArrayRef<linalg::LinalgOp> followers)
      : b(b), op(op), followers(followers) {}

  /// What of a token all its outputs share.
  struct Token {
    Value index, row; ///< where it is read and where it is written
    Value scale, gate;
  };

  Value getTokens();
  Value getInputRow(Value token);
  Token loadToken(Value index);
  /// Writes one output from its sums; `other` is that of the second half.
  void store(const Token &token, Value output, Value sum, Value other);

private:
  Value scale(const Token &token, Value output, Value sum);

  ThreadBuilder &b;
  LinearOp op;
  ArrayRef<linalg::LinalgOp> followers;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_LINEARCLAUSES_H
