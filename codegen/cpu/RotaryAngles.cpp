//===- RotaryAngles.cpp - Angles of rotary position embeddings ------------===//
//
// The cosines and sines of one token, shared by all heads of its row.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/RotaryAngles.h"
#include "codegen/cpu/VectorMath.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace mlir::mod;

RotaryAngles::RotaryAngles(KernelBuilder &builder, Operation *op,
                           const RotaryFrequencies &rotary)
    : b(builder), half(rotary.frequencies.size()), magnitude(rotary.magnitude) {
  SmallVector<float> rounded(rotary.frequencies.begin(),
                             rotary.frequencies.end());
  auto kernel = op->getParentOfType<FunctionOpInterface>();
  auto type = MemRefType::get({half}, b.getF32Type());
  auto values = DenseElementsAttr::get(
      RankedTensorType::get(type.getShape(), type.getElementType()),
      ArrayRef(rounded));
  std::string name = kernel.getName().str() + ".frequencies";
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(kernel);
    memref::GlobalOp::create(b, name, b.getStringAttr("private"), type, values,
                             /*constant=*/true, /*alignment=*/IntegerAttr());
  }
  frequencies = memref::GetGlobalOp::create(b, type, name);
}

void RotaryAngles::allocate(int64_t tokens) {
  cosines = b.scratch({tokens, half});
  sines = b.scratch({tokens, half});
}

void RotaryAngles::emitAngles(Value token, Value position) {
  Value scalar = arith::SIToFPOp::create(b, b.getF32Type(), position);
  Value angle = b.broadcast(scalar);
  b.forColumns(half, [&](Columns columns) {
    Value frequency = b.load(frequencies, {}, columns);
    auto [cosine, sine] = emitCosSin(b, b.mulf(angle, frequency));
    if (magnitude != 1) {
      cosine = b.mulf(cosine, b.splat(magnitude));
      sine = b.mulf(sine, b.splat(magnitude));
    }
    b.store(cosine, cosines, {token}, columns);
    b.store(sine, sines, {token}, columns);
  });
}

void RotaryAngles::emitHead(Value token, function_ref<Value(Columns)> load,
                            function_ref<void(Value, Columns)> store) {
  b.forColumns(half, [&](Columns low) {
    Columns high{b.add(low.index, half), low.mask};
    Value x = load(low), y = load(high);
    Value cosine = b.load(cosines, {token}, low);
    Value sine = b.load(sines, {token}, low);
    Value negated = b.subf(b.splat(0.0), sine);
    store(b.fma(x, cosine, b.mulf(y, negated)), low);
    store(b.fma(y, cosine, b.mulf(x, sine)), high);
  });
}
