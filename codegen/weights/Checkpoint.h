//===- Checkpoint.h - The tensors of a model --------------------*- C++ -*-===//
//
// One or several safetensors files seen as one set of named tensors.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_WEIGHTS_CHECKPOINT_H
#define MOD_CODEGEN_WEIGHTS_CHECKPOINT_H

#include "codegen/Safetensors.h"

namespace mlir::mod {

/// The tensors of a model, mapped and validated.
class Checkpoint {
public:
  /// Opens a safetensors file, an index (`*.json`) with the shards that it
  /// names, or a directory with `model.safetensors.index.json` or
  /// `model.safetensors`.
  static llvm::Expected<Checkpoint> open(StringRef path);

  /// A tensor and the file that it is in.
  struct Entry {
    const SafetensorsTensor *tensor;
    const SafetensorsFile *file;
  };

  /// The tensor of this name; `tensor` is null where there is none.
  Entry find(StringRef name) const { return entries.lookup(name); }

  /// All tensors, file by file in the order of their data.
  ArrayRef<Entry> getEntries() const { return order; }

  /// What was opened, for messages.
  StringRef getPath() const { return path; }

private:
  llvm::Error addFile(StringRef path);
  llvm::Error addShards(StringRef indexPath);

  std::string path;
  std::vector<std::unique_ptr<SafetensorsFile>> files;
  std::vector<Entry> order;
  llvm::StringMap<Entry> entries;
};

} // namespace mlir::mod

#endif // MOD_CODEGEN_WEIGHTS_CHECKPOINT_H
