//===- Presets.h - What implementations say nowhere -------------*- C++ -*-===//
//
// The `mod` objects of implementations whose checkpoints do not have one.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_PRESETS_H
#define MOD_TOOLS_IMPORT_PRESETS_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/JSON.h"

namespace mlir::mod {

/// What astramind's `apply_mod_to_hf` and LLaMA-Factory write.
inline constexpr StringLiteral kAstramindPreset = "astramind-hf";

/// What the names of its routers end in.
inline constexpr StringLiteral kWrappedRouter = ".router.weight_predictor";

/// The names of all presets.
ArrayRef<StringRef> getPresetNames();

/// The `mod` object of a preset; empty where there is none of this name.
llvm::json::Object getPreset(StringRef name);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_PRESETS_H
