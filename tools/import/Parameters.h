//===- Parameters.h - The parameters of a model -----------------*- C++ -*-===//
//
// Parameters as externs of a module, checked against the checkpoint.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_PARAMETERS_H
#define MOD_TOOLS_IMPORT_PARAMETERS_H

#include "codegen/weights/Checkpoint.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::mod {

/// Loads parameters by name and so learns which tensors the model has. After
/// the first error, which is emitted, all loads succeed with the shape that
/// was asked for.
class Parameters {
public:
  /// Loads are built by `builder`, in `function`.
  Parameters(const Checkpoint &checkpoint, OpBuilder &builder,
             Operation *function)
      : checkpoint(checkpoint), builder(builder), externs(function) {}

  /// The parameter as f32, from an extern in front of the function.
  Value load(Location loc, const Twine &name, ArrayRef<int64_t> shape);

  /// The extern alone, for a tensor that belongs to the model but is not used:
  /// each tensor of the checkpoint has a parameter to go to.
  RankedTensorType declare(Location loc, const Twine &name,
                           ArrayRef<int64_t> shape);

  bool contains(const Twine &name) const;

  /// Checks that all tensors of the checkpoint are declared.
  void checkSurplus();

  bool ok() const { return !failed; }

private:
  RankedTensorType check(StringRef name, ArrayRef<int64_t> shape);
  void createExtern(Location loc, StringAttr name, RankedTensorType type);
  void error(StringRef file, StringRef name, const Twine &message);

  const Checkpoint &checkpoint;
  OpBuilder &builder;
  OpBuilder externs;
  llvm::StringSet<> declared;
  bool failed = false;
};

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_PARAMETERS_H
