//===- MatrixTiles.cpp - Products by the tiles of AMX ---------------------===//
//
// Registers 0 to 3 hold sums, 4 and 5 rows of inputs, 6 and 7 weights: two
// tiles of rows meet two of outputs, or one of rows four of outputs.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/MatrixTiles.h"
#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::mod;

/// Rows of a tile register, bytes of one of these, and bytes of a word: what
/// one output takes at a time.
static constexpr int64_t tileRows = 16, rowBytes = 64, wordBytes = 4;

/// Which registers hold what.
static constexpr int64_t firstSum = 0, firstInput = 4, firstWeight = 6;

static int64_t getBytes(Type element) {
  return element.getIntOrFloatBitWidth() / 8;
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

static void callTile(KernelBuilder &b, StringRef name, ValueRange arguments) {
  LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86." + name),
                                arguments);
}

/// The number of a register.
static Value number(KernelBuilder &b, int64_t tile) {
  return LLVM::ConstantOp::create(b, b.getI8Type(), tile);
}

/// Where an element lies.
static Value addressOf(KernelBuilder &b, Value memref, ValueRange indices) {
  auto type = cast<MemRefType>(memref.getType());
  auto layout = memref::ExtractStridedMetadataOp::create(b, memref);
  Value at = layout.getOffset();
  for (auto [index, stride] : llvm::zip_equal(indices, layout.getStrides()))
    at = b.add(at, b.mul(index, stride));
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, memref);
  Value address = b.add(base, b.mul(at, getBytes(type.getElementType())));
  Value bits = arith::IndexCastOp::create(b, b.getI64Type(), address);
  return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()),
                                  bits);
}

/// Bytes between neighbours along a dimension.
static Value strideOf(KernelBuilder &b, Value memref, unsigned dim) {
  auto type = cast<MemRefType>(memref.getType());
  auto layout = memref::ExtractStridedMetadataOp::create(b, memref);
  Value bytes =
      b.mul(layout.getStrides()[dim], getBytes(type.getElementType()));
  return arith::IndexCastOp::create(b, b.getI64Type(), bytes);
}

//===----------------------------------------------------------------------===//
// MatrixTiles
//===----------------------------------------------------------------------===//

/// The register with the sums of a tile of rows with a vector of outputs.
Value MatrixTiles::Part::getSum(KernelBuilder &b, int64_t i, int64_t j) const {
  return number(b, firstSum + i * vectors + j);
}

bool MatrixTiles::canDo(CpuTarget target, LinearOp op) {
  Type x = getElementTypeOrSelf(op.getInput());
  bool isKnown = x.isBF16() || (x.isInteger(8) && !op.isFourBit());
  int64_t whole = tileRows * wordBytes / getBytes(x);
  return target.hasTiles && isKnown && !op.getRows() &&
         op.getNumInputs() >= whole;
}

MatrixTiles::MatrixTiles(KernelBuilder &builder, PackedWeight weight)
    : b(builder), op(weight.op), weight(weight),
      vectors(op.getPanel() / b.target.getLanes()),
      tileSteps(weight.steps / tileRows * tileRows),
      sums(b.scratch({rows, op.getPanel()})) {
  auto type = MemRefType::get({rowBytes / wordBytes}, b.getI32Type());
  shape = memref::AllocaOp::create(b, type, b.getI64IntegerAttr(rowBytes));
}

/// The 64 bytes of `ldtilecfg`: a palette, the bytes of a row of each register
/// from byte 16 on, their rows from byte 48 on.
void MatrixTiles::emitConfigure(Value count) {
  auto store = [&](Value word, int64_t at) {
    b.store(word, shape, {b.index(at / wordBytes)});
  };
  for (int64_t at = 0; at < rowBytes; at += wordBytes)
    store(b.i32(0), at);
  store(b.i32(1), 0);
  for (int64_t at = 16; at < 32; at += wordBytes)
    store(b.i32(rowBytes << 16 | rowBytes), at);
  Value first = b.min(count, b.index(tileRows));
  Value second = b.createOrFold<arith::SelectOp>(
      b.less(b.index(tileRows), count), b.sub(count, b.index(tileRows)), first);
  Value ofSums = b.add(b.mul(first, 0x0101), b.mul(second, 0x01010000));
  store(b.toI32(ofSums), 48);
  Value ofInputs = b.add(first, b.mul(second, 0x0100));
  store(b.toI32(b.add(ofInputs, tileRows << 16 | tileRows << 24)), 52);
  callTile(b, "ldtilecfg", addressOf(b, shape, {b.index(0)}));
}

void MatrixTiles::emitRelease() { callTile(b, "tilerelease", {}); }

/// Loads a step of inputs and of weights, and adds their products.
void MatrixTiles::emitStep(Part part, Value firstRow, Value panel, Value step) {
  int64_t together = op.getInputsTogether();
  int64_t wordsOfVector = b.target.getLanes() * together;
  bool isInteger = getElementTypeOrSelf(op.getInput()).isInteger();
  for (int64_t i = 0; i < part.rowTiles; ++i) {
    Value row = b.add(firstRow, i * tileRows);
    Value from =
        addressOf(b, op.getInput(), {b.index(0), row, b.mul(step, together)});
    callTile(b, "tileloadd64",
             {number(b, firstInput + i), from, strideOf(b, op.getInput(), 1)});
  }
  for (int64_t j = 0; j < part.vectors; ++j) {
    Value tile = number(b, firstWeight + j % 2);
    Value column = b.index((part.firstVector + j) * wordsOfVector);
    Value from = addressOf(b, weight.panels, {panel, step, column});
    callTile(b, "tileloadd64", {tile, from, strideOf(b, weight.panels, 1)});
    for (int64_t i = 0; i < part.rowTiles; ++i)
      callTile(b, isInteger ? "tdpbssd" : "tdpbf16ps",
               {part.getSum(b, i, j), number(b, firstInput + i), tile});
  }
}

void MatrixTiles::storeSums(Part part) {
  for (int64_t i = 0; i < part.rowTiles; ++i)
    for (int64_t j = 0; j < part.vectors; ++j) {
      Value column = b.index((part.firstVector + j) * b.target.getLanes());
      Value to = addressOf(b, sums, {b.index(i * tileRows), column});
      callTile(b, "tilestored64",
               {part.getSum(b, i, j), to, strideOf(b, sums, 0)});
    }
}

void MatrixTiles::emitPart(Part part, Value firstRow, Value panel) {
  for (int64_t i = 0; i < part.rowTiles; ++i)
    for (int64_t j = 0; j < part.vectors; ++j)
      callTile(b, "tilezero", part.getSum(b, i, j));
  b.loop(b.index(0), b.index(tileSteps), tileRows,
         [&](Value step) { emitStep(part, firstRow, panel, step); });
  storeSums(part);
}

void MatrixTiles::emitSums(Value firstRow, Value count, Value panel) {
  auto isTwo = b.less(b.index(tileRows), count);
  auto emitTwo = [&] {
    for (int64_t j = 0; j < vectors; j += 2)
      emitPart({2, j, 2}, firstRow, panel);
  };
  if (isConstantIntValue(isTwo, 1) || isConstantIntValue(isTwo, -1))
    return emitTwo();
  b.ifElse(isTwo, emitTwo, [&] { emitPart({1, 0, vectors}, firstRow, panel); });
}

Values MatrixTiles::loadSums(Value i, Value row, Value panel) {
  Values loaded;
  for (int64_t j = 0; j < vectors; ++j)
    loaded.push_back(
        b.load(sums, {i}, Columns{b.index(j * b.target.getLanes())}));
  auto multiplier = LinearMultiplier::createSigned(
      b, weight, {panel, b.index(0), 1}, ArrayRef(row));
  return multiplier->emitRest({1, vectors}, tileSteps, loaded);
}
