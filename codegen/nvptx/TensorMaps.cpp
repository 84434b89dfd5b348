//===- TensorMaps.cpp - Weights whose boxes kernels copy ------------------===//
//
// Gives each weight its map, once.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/TensorMaps.h"
#include "codegen/nvptx/DeviceMemory.h"
#include "dialect/Programs.h"
#include "runtime/modrt.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::mod;

/// The weights that a buffer is a part of; null if it is none.
static BlockArgument getWeights(Value buffer) {
  auto argument = dyn_cast<BlockArgument>(getRoot(buffer));
  if (!argument)
    return {};
  auto program = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  return argument == getArgument(program, role::kWeights) ? argument
                                                          : BlockArgument();
}

/// Lets the argument have so many bytes.
static void extend(BlockArgument weights, int64_t bytes) {
  auto type = cast<MemRefType>(weights.getType());
  if (type.getNumElements() >= bytes)
    return;
  weights.setType(MemRefType::get({bytes}, type.getElementType()));
  auto program = cast<func::FuncOp>(weights.getOwner()->getParentOp());
  program.setFunctionType(FunctionType::get(
      program.getContext(), program.getBody().getArgumentTypes(),
      program.getResultTypes()));
}

Value TensorMaps::find(OpBuilder &builder, Location loc, Value weight) {
  BlockArgument weights = getWeights(weight);
  auto type = cast<MemRefType>(weight.getType());
  if (!weights || type.getRank() != 2 || !type.hasStaticShape() ||
      getExtent(type) != type.getNumElements())
    return {};
  FailureOr<DevicePlace> place = getDevicePlace(weight);
  if (failed(place) || place->elements)
    return {};
  if (start < 0)
    start = llvm::alignTo(cast<MemRefType>(weights.getType()).getNumElements(),
                          MODRT_TENSOR_MAP_ALIGNMENT);
  Matrix matrix(place->bytes, type.getDimSize(0), type.getDimSize(1));
  matrices.insert(matrix);
  int64_t index = llvm::find(matrices, matrix) - matrices.begin();
  int64_t offset = start + index * MODRT_TENSOR_MAP_BYTES;
  extend(weights, offset + MODRT_TENSOR_MAP_BYTES);
  return createFlatView(builder, loc, {weights, offset}, MODRT_TENSOR_MAP_BYTES,
                        builder.getI8Type());
}

ArrayAttr TensorMaps::describe(Builder &builder) const {
  SmallVector<Attribute> table;
  for (auto [offset, rows, columns] : matrices) {
    auto field = [&](StringRef name, int64_t value) {
      return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
    };
    table.push_back(
        builder.getDictionaryAttr({field("offset", offset), field("rows", rows),
                                   field("columns", columns)}));
  }
  return builder.getArrayAttr(table);
}
