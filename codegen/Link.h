//===- Link.h - Executables and libraries of a compiled model ---*- C++ -*-===//
//
// Links generated code with the runtime by the system's compiler driver.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_LINK_H
#define MOD_CODEGEN_LINK_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"

namespace mlir::mod {

enum class LinkKind { executable, library };

/// Links one object with the runtime's archives, which lie in
/// `runtimeDirectory`. A missing linker or runtime is an error that names it;
/// what a linker that fails printed is part of the error.
llvm::Error link(LinkKind kind, StringRef object, StringRef runtimeDirectory,
                 StringRef output);

} // namespace mlir::mod

#endif // MOD_CODEGEN_LINK_H
