//===- Safetensors.h - Reading and writing safetensors files ----*- C++ -*-===//
//
// A validated, zero-copy view of a safetensors file, and the header of one to
// be written.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_SAFETENSORS_H
#define MOD_CODEGEN_SAFETENSORS_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>
#include <vector>

namespace mlir::mod {

/// One tensor of a file. `data` points into the file's buffer.
struct SafetensorsTensor {
  std::string name;
  std::string dtype;
  SmallVector<int64_t, 4> shape;
  ArrayRef<char> data;
};

/// A safetensors file that was found to be sound: every tensor lies within the
/// file, its bytes are as many as dtype and shape say, and the tensors cover
/// the data section without holes or overlaps.
class SafetensorsFile {
public:
  /// Maps the file. Errors are one line that names file and tensor.
  static llvm::Expected<SafetensorsFile> open(StringRef path);

  /// Reads a file that is already in memory; its identifier names it.
  static llvm::Expected<SafetensorsFile>
  parse(std::shared_ptr<llvm::MemoryBuffer> buffer);

  /// The tensors in the order of their data.
  ArrayRef<SafetensorsTensor> getTensors() const { return tensors; }

  /// The tensor of this name, or null.
  const SafetensorsTensor *find(StringRef name) const;

  /// The strings of `__metadata__`.
  const llvm::StringMap<std::string> &getMetadata() const { return metadata; }

  /// What the tensors' data points into; keep it as long as the data is used.
  std::shared_ptr<llvm::MemoryBuffer> getBuffer() const { return buffer; }
  StringRef getPath() const { return buffer->getBufferIdentifier(); }

private:
  std::shared_ptr<llvm::MemoryBuffer> buffer;
  std::vector<SafetensorsTensor> tensors;
  llvm::StringMap<size_t> indices;
  llvm::StringMap<std::string> metadata;
};

/// The element type of a dtype, or null where MLIR or we have none for it.
Type getSafetensorsElementType(MLIRContext *context, StringRef dtype);

/// The dtype of an element type, or an empty string.
StringRef getSafetensorsDtype(Type elementType);

/// The type of a tensor, or an error that names file and tensor where its
/// dtype is not supported.
llvm::Expected<RankedTensorType>
getSafetensorsType(MLIRContext *context, StringRef path,
                   const SafetensorsTensor &tensor);

/// A tensor as an error message shows it: `F32 [2, 3]`.
std::string describe(StringRef dtype, ArrayRef<int64_t> shape);

/// A tensor to be written at `offset` of the data section.
struct SafetensorsEntry {
  std::string name;
  RankedTensorType type;
  int64_t offset;
};

/// The bytes of a file before its data section: length and JSON, padded with
/// spaces to a multiple of `alignment`. The entries lie in order and without
/// holes.
std::string makeSafetensorsHeader(
    ArrayRef<SafetensorsEntry> entries,
    ArrayRef<std::pair<std::string, std::string>> metadata = {},
    uint64_t alignment = 4096);

} // namespace mlir::mod

#endif // MOD_CODEGEN_SAFETENSORS_H
