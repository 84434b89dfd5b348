//===- Descriptor.h - What the runtime knows about a model ------*- C++ -*-===//
//
// The modrt_model of runtime/modrt.h as a constant of the generated code.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_DESCRIPTOR_H
#define MOD_CODEGEN_DESCRIPTOR_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace mlir::mod {

/// What the descriptor says that the module does not.
struct DescriptorOptions {
  std::string producer;    ///< compiler and version
  std::string target;      ///< what the code was generated for
  std::string features;    ///< CPU features that it needs, comma separated
  std::string weightsFile; ///< file beside the model, empty if appended
};

/// The one symbol that a compiled model exports.
inline constexpr llvm::StringLiteral kQueryFunction = "mod_model";

/// The name of the function that wraps a program behind the runtime's ABI.
std::string getWrapperName(StringRef program);

/// Adds the descriptor and `mod_model`, the function that returns it. Reads
/// the module's attributes `mod.model`, `mod.budget`, `mod.caches`,
/// `mod.weights` and the sizes of memory.
LogicalResult createDescriptor(OpBuilder &builder, ModuleOp module,
                               const DescriptorOptions &options);

} // namespace mlir::mod

#endif // MOD_CODEGEN_DESCRIPTOR_H
