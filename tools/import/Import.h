//===- Import.h - Model directories as IR -----------------------*- C++ -*-===//
//
// Makes a module of the phase `imported` from a Hugging Face model directory.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_IMPORT_H
#define MOD_TOOLS_IMPORT_IMPORT_H

#include "dialect/ModDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <optional>
#include <string>

namespace mlir::mod {

struct ImportOptions {
  /// The model's name; the directory's if it is empty.
  std::string name;
  /// How routed blocks route without the future; as `config.json` says if it
  /// is not given.
  std::optional<Causal> decode;
  /// What `config.json` does not say of routing is as in this implementation.
  std::string preset;
};

/// Imports `config.json` and the safetensors files of a directory. The
/// parameters' data stays in the files: `mod-load-params` brings it. Emits one
/// error, of one line, if the directory holds no model that can be imported.
FailureOr<OwningOpRef<ModuleOp>> importModel(StringRef directory,
                                             MLIRContext *context,
                                             const ImportOptions &options = {});

/// Reads the `tokenizer.json` of a model that has one into `mod.tokenizer`, for
/// the descriptor. Emits one error if it cannot be used.
LogicalResult loadTokenizer(StringRef directory, ModuleOp module);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_IMPORT_H
