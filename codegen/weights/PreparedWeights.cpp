//===- PreparedWeights.cpp - What programs read at run time -----*- C++ -*-===//
//
// Reads the table of weights off `@prepare_weights` and lays out their file.
//
//===----------------------------------------------------------------------===//

#include "codegen/weights/PreparedWeights.h"

using namespace mlir;
using namespace mlir::mod;

func::FuncOp mod::getPrepareWeights(ModuleOp module) {
  return module.lookupSymbol<func::FuncOp>(kPrepareWeights);
}

int64_t mod::getNumBytes(RankedTensorType type) {
  return type.getNumElements() * type.getElementTypeBitWidth() / 8;
}

SmallVector<unsigned> mod::getAlignedOrder(ArrayRef<RankedTensorType> types) {
  auto key = [&](unsigned index) {
    RankedTensorType type = types[index];
    int64_t bytes = getNumBytes(type);
    int64_t alignment = bytes ? std::min<int64_t>(bytes & -bytes, 64) : 64;
    return std::make_tuple(-alignment, -type.getRank(), index);
  };
  SmallVector<unsigned> order =
      llvm::to_vector(llvm::seq<unsigned>(types.size()));
  llvm::sort(order, [&](unsigned a, unsigned b) { return key(a) < key(b); });
  return order;
}

std::vector<SafetensorsEntry> mod::getWeightTable(func::FuncOp prepareWeights) {
  std::vector<SafetensorsEntry> table;
  for (auto [index, type] : llvm::enumerate(prepareWeights.getResultTypes())) {
    auto name =
        prepareWeights.getResultAttrOfType<StringAttr>(index, kWeightAttr);
    auto offset =
        prepareWeights.getResultAttrOfType<IntegerAttr>(index, kOffsetAttr);
    table.push_back(
        {name.str(), cast<RankedTensorType>(type), offset.getInt()});
  }
  return table;
}

std::string mod::getWeightsHeader(func::FuncOp prepareWeights) {
  return makeSafetensorsHeader(getWeightTable(prepareWeights));
}

int64_t mod::getWeightsDataBytes(func::FuncOp prepareWeights) {
  int64_t bytes = 0;
  for (Type type : prepareWeights.getResultTypes())
    bytes += getNumBytes(cast<RankedTensorType>(type));
  return bytes;
}
