//===- Assembler.h - NVIDIA's assembler -------------------------*- C++ -*-===//
//
// Runs ptxas, where the CUDA toolkit is installed.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_ASSEMBLER_H
#define MOD_CODEGEN_NVPTX_ASSEMBLER_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace mlir::mod {

/// The path of ptxas, or nothing.
std::string findAssembler();

/// Machine code, the kernel that spills registers to memory or whose `wgmma`
/// wait for each other, if one does, and how many registers a thread of each
/// takes.
struct Assembly {
  std::string code, warning;
  llvm::StringMap<int64_t> registers;
};

llvm::Expected<Assembly> assemble(StringRef ptxas, StringRef chip,
                                  StringRef ptx);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_ASSEMBLER_H
