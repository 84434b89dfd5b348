//===- LinearClauses.h - What products do besides sums ----------*- C++ -*-===//
//
// Which rows a product reads, and what becomes of its sums before they are
// written: the clauses of mod.linear, for kernels whose sums are in registers.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_LINEARCLAUSES_H
#define MOD_CODEGEN_CPU_LINEARCLAUSES_H

#include "codegen/cpu/KernelBuilder.h"
#include "dialect/ModOps.h"

namespace mlir::mod {

class LinearClauses {
public:
  LinearClauses(KernelBuilder &builder, LinearOp op) : b(builder), op(op) {}

  /// How many tokens there are.
  Value getTokens();

  /// The row of the input that a token is.
  Value getInputRow(Value token);

  /// The row of the output that a token is.
  Value getOutputRow(Value token);

  /// What all outputs of a token share.
  struct Token {
    Value index;
    /// The row that is written.
    Value row;
    /// Vectors of equal lanes, or null.
    Value scale = {}, gate = {};
  };
  Token loadToken(Value token);

  /// What all tokens share of some outputs.
  struct Outputs {
    Columns columns;
    /// Of one half of the sums; null without a clause.
    struct Half {
      Value scale, bias;
    };
    /// The second is there with `glu` alone.
    Half half, otherHalf;
  };
  Outputs loadOutputs(Columns columns);

  /// Writes the outputs of a token. With `glu`, `sums` are of the first half
  /// and `otherSums` of the second.
  void store(const Token &token, const Outputs &outputs, Value sums,
             Value otherSums = {});

private:
  Outputs::Half loadHalf(Columns columns);
  Value scale(const Token &token, const Outputs::Half &half, Value sums);

  KernelBuilder &b;
  LinearOp op;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_LINEARCLAUSES_H
