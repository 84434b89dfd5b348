//===- Register.h - What the compiler's contexts know -----------*- C++ -*-===//
//
// The one list of dialects and interface models that the compiler uses.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_REGISTER_H
#define MOD_DIALECT_REGISTER_H

namespace mlir {
class DialectRegistry;
namespace mod {
/// Registers every dialect that the compiler parses or creates, and the
/// external models that its passes rely on.
void registerModDialects(DialectRegistry &registry);
} // namespace mod
} // namespace mlir

#endif // MOD_DIALECT_REGISTER_H
