//===- PreparedWeights.h - What programs read at run time -------*- C++ -*-===//
//
// The table of prepared weights, which `@prepare_weights` carries on its
// results, and the layout of their file.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_WEIGHTS_PREPAREDWEIGHTS_H
#define MOD_CODEGEN_WEIGHTS_PREPAREDWEIGHTS_H

#include "codegen/Safetensors.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::mod {

/// The function that computes all prepared weights from the parameters.
inline constexpr llvm::StringLiteral kPrepareWeights = "prepare_weights";
/// Of its arguments: the parameter's global.
inline constexpr llvm::StringLiteral kParameterAttr = "mod.parameter";
/// Of its results: the name in the file.
inline constexpr llvm::StringLiteral kWeightAttr = "mod.weight";
/// Of its results and of prepared globals: the place in the data section.
inline constexpr llvm::StringLiteral kOffsetAttr = "mod.offset";
/// Of the module: `{bytes, offset, hash}` of the file of weights.
inline constexpr llvm::StringLiteral kWeightsAttr = "mod.weights";

/// The function, or null where weights have not been hoisted.
func::FuncOp getPrepareWeights(ModuleOp module);

/// Bytes of a tensor in the file.
int64_t getNumBytes(RankedTensorType type);

/// An order of tensors in which each one lies, without holes between them, at
/// a multiple of 64 or else of its element: those come first whose sizes keep
/// the next one aligned. Matrices come before vectors.
SmallVector<unsigned> getAlignedOrder(ArrayRef<RankedTensorType> types);

/// The weights that the function prepares, in the order of the file.
std::vector<SafetensorsEntry> getWeightTable(func::FuncOp prepareWeights);

/// The header of the file of weights: all that precedes the data.
std::string getWeightsHeader(func::FuncOp prepareWeights);

/// Bytes of the data section.
int64_t getWeightsDataBytes(func::FuncOp prepareWeights);

} // namespace mlir::mod

#endif // MOD_CODEGEN_WEIGHTS_PREPAREDWEIGHTS_H
