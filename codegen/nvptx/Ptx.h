//===- Ptx.h - From LLVM IR to the code of GPUs -----------------*- C++ -*-===//
//
// Optimisation and emission for each chip, and the checks of what comes out.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_PTX_H
#define MOD_CODEGEN_NVPTX_PTX_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

namespace mlir::mod {

/// Kernels for one chip: "ptx", "cubin", or "llvm" for an emulator.
struct GpuImage {
  std::string kind, chip, data;
  std::string warning; ///< what is wrong with the code, if anything
  llvm::StringMap<int64_t> registers =
      {}; ///< of threads, where it is assembled
};

/// Whether LLVM knows a chip by this name.
bool isGpuChip(StringRef chip);

/// Whether a chip has what kernels are made of: cp.async and the products of
/// bf16.
bool isGpuChipNewEnough(StringRef chip);

/// The images of a module for each chip. `ptxas`: path of NVIDIA's assembler,
/// or empty.
llvm::Expected<SmallVector<GpuImage>>
compileKernels(llvm::Module &kernels, ArrayRef<std::string> chips,
               StringRef ptxas);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_PTX_H
