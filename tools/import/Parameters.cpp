//===- Parameters.cpp - The parameters of a model ---------------*- C++ -*-===//
//
// Parameters as externs of a module, checked against the checkpoint.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Parameters.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::mod;

static std::string describe(ArrayRef<int64_t> shape) {
  return llvm::formatv("[{0:$[, ]}]",
                       llvm::make_range(shape.begin(), shape.end()));
}

bool Parameters::contains(const Twine &name) const {
  return checkpoint.find(name.str()).tensor;
}

void Parameters::error(StringRef file, StringRef name, const Twine &message) {
  if (failed)
    return;
  failed = true;
  emitError(builder.getUnknownLoc())
      << file << ": tensor '" << name << "' " << message;
}

RankedTensorType Parameters::check(StringRef name, ArrayRef<int64_t> shape) {
  Checkpoint::Entry entry = checkpoint.find(name);
  if (!entry.tensor) {
    error(checkpoint.getPath(), name,
          "is missing, expected shape " + ::describe(shape));
    return RankedTensorType::get(shape, builder.getF32Type());
  }
  StringRef file = entry.file->getPath();
  if (ArrayRef(entry.tensor->shape) != shape)
    error(file, name,
          "has shape " + ::describe(entry.tensor->shape) + ", expected " +
              ::describe(shape));
  StringRef dtype = entry.tensor->dtype;
  if (!llvm::is_contained({"F32", "F16", "BF16"}, dtype)) {
    error(file, name, "has dtype '" + dtype + "', expected F32, F16 or BF16");
    dtype = "F32";
  }
  Type element = getSafetensorsElementType(builder.getContext(), dtype);
  return RankedTensorType::get(shape, element);
}

void Parameters::createExtern(Location loc, StringAttr name,
                              RankedTensorType type) {
  // Two parts may read one parameter.
  if (!declared.insert(name).second)
    return;
  ml_program::GlobalOp::create(
      externs, loc, name, type, /*is_mutable=*/false,
      ml_program::ExternAttr::get(name.getContext(), type),
      externs.getStringAttr("private"));
}

RankedTensorType Parameters::declare(Location loc, const Twine &name,
                                     ArrayRef<int64_t> shape) {
  StringAttr symbol = builder.getStringAttr(name);
  RankedTensorType type = check(symbol, shape);
  createExtern(loc, symbol, type);
  return type;
}

Value Parameters::load(Location loc, const Twine &name,
                       ArrayRef<int64_t> shape) {
  RankedTensorType type = declare(loc, name, shape);
  auto symbol = FlatSymbolRefAttr::get(builder.getStringAttr(name));
  Value value =
      ml_program::GlobalLoadConstOp::create(builder, loc, type, symbol);
  if (type.getElementType().isF32())
    return value;
  return arith::ExtFOp::create(builder, loc, type.clone(builder.getF32Type()),
                               value);
}

/// Old checkpoints store the frequencies of the rotation, which follow from
/// its theta.
static bool isFrequencies(StringRef name) {
  return name.ends_with(".rotary_emb.inv_freq");
}

void Parameters::checkSurplus() {
  for (const Checkpoint::Entry &entry : checkpoint.getEntries()) {
    const SafetensorsTensor &tensor = *entry.tensor;
    if (declared.contains(tensor.name))
      continue;
    if (isFrequencies(tensor.name))
      declare(externs.getUnknownLoc(), tensor.name, tensor.shape);
    else
      error(entry.file->getPath(), tensor.name,
            "is surplus: the model of config.json has no such tensor");
  }
}
