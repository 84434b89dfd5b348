//===- Object.h - From the LLVM dialect to machine code ---------*- C++ -*-===//
//
// Translation, optimisation and emission, all in process.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_OBJECT_H
#define MOD_CODEGEN_OBJECT_H

#include "codegen/cpu/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

namespace mlir::mod {

/// The machine of an x86-64 CPU by the name that clang's `-march` knows, or of
/// this one (`native`). An unknown name is an error that names it.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(StringRef cpu);

/// The vectors that kernels may use on this machine, and its caches.
CpuTarget getCpuTarget(const llvm::TargetMachine &machine);

/// The features that generated code may use, as names that the runtime can
/// check: `avx,avx2,fma`.
std::string getFeatures(const llvm::TargetMachine &machine);

/// Translates a module in the LLVM dialect and optimises it for the machine.
llvm::Expected<std::unique_ptr<llvm::Module>>
translateToLLVM(ModuleOp module, llvm::LLVMContext &context,
                llvm::TargetMachine &machine);

/// Writes an object or assembly.
llvm::Error emitCode(llvm::Module &module, llvm::TargetMachine &machine,
                     llvm::CodeGenFileType type,
                     llvm::raw_pwrite_stream &stream);

} // namespace mlir::mod

#endif // MOD_CODEGEN_OBJECT_H
