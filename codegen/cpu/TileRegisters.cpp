//===- TileRegisters.cpp - The tile registers of AMX ----------------------===//
//
// Registers 0 to 3 hold sums, 4 and 5 rows of inputs, 6 and 7 weights.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/TileRegisters.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t firstInput = 4, firstWeight = 6;

static void call(KernelBuilder &b, StringRef name, ValueRange arguments) {
  LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86." + name),
                                arguments);
}

/// The number of a register.
static Value number(KernelBuilder &b, int64_t tile) {
  return LLVM::ConstantOp::create(b, b.getI8Type(), tile);
}

static int64_t getBytes(Value memref) {
  return getElementTypeOrSelf(memref).getIntOrFloatBitWidth() / 8;
}

/// The address of an element.
static Value addressOf(KernelBuilder &b, Value memref, ValueRange indices) {
  auto layout = memref::ExtractStridedMetadataOp::create(b, memref);
  Value at = layout.getOffset();
  for (auto [index, stride] : llvm::zip_equal(indices, layout.getStrides()))
    at = b.add(at, b.mul(index, stride));
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, memref);
  Value address = b.add(base, b.mul(at, getBytes(memref)));
  Value bits = arith::IndexCastOp::create(b, b.getI64Type(), address);
  return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()),
                                  bits);
}

/// Moves a tile: by its register, its address, and the bytes between rows.
static void move(KernelBuilder &b, StringRef name, int64_t tile,
                 TileAddress at) {
  auto layout = memref::ExtractStridedMetadataOp::create(b, at.memref);
  Value bytes = b.mul(layout.getStrides()[at.dim], getBytes(at.memref));
  call(b, name,
       {number(b, tile), addressOf(b, at.memref, at.first),
        arith::IndexCastOp::create(b, b.getI64Type(), bytes)});
}

//===----------------------------------------------------------------------===//
// TileRegisters
//===----------------------------------------------------------------------===//

TileRegisters::TileRegisters(KernelBuilder &builder)
    : b(builder), shape(b.scratch({words}, b.getI32Type())) {}

/// The 64 bytes of `ldtilecfg`: a palette, the bytes of a row of each register
/// from byte 16 on, their rows from byte 48 on.
void TileRegisters::emitConfigure(Value count) {
  auto store = [&](Value word, int64_t at) {
    b.store(word, shape, {b.index(at / wordBytes)});
  };
  for (int64_t at = 0; at < rowBytes; at += wordBytes)
    store(b.i32(0), at);
  store(b.i32(1), 0);
  for (int64_t at = 16; at < 32; at += wordBytes)
    store(b.i32(rowBytes << 16 | rowBytes), at);
  Value first = b.min(count, b.index(rows));
  Value second = b.createOrFold<arith::SelectOp>(
      b.less(b.index(rows), count), b.sub(count, b.index(rows)), first);
  Value ofSums = b.add(b.mul(first, 0x0101), b.mul(second, 0x01010000));
  store(b.toI32(ofSums), 48);
  Value ofInputs = b.add(first, b.mul(second, 0x0100));
  store(b.toI32(b.add(ofInputs, rows << 16 | rows << 24)), 52);
  call(b, "ldtilecfg", addressOf(b, shape, {b.index(0)}));
}

void TileRegisters::emitRelease() { call(b, "tilerelease", {}); }

//===----------------------------------------------------------------------===//
// TileSums
//===----------------------------------------------------------------------===//

void TileSums::forEach(function_ref<void(int64_t i, int64_t j)> body) {
  for (int64_t i = 0; i < rowTiles; ++i)
    for (int64_t j = 0; j < vectors; ++j)
      body(i, j);
}

void TileSums::emitZero() {
  forEach([&](int64_t i, int64_t j) {
    call(b, "tilezero", number(b, i * vectors + j));
  });
}

void TileSums::emitLoad(Places from) {
  forEach([&](int64_t i, int64_t j) {
    move(b, "tileloadd64", i * vectors + j, from(i, j));
  });
}

void TileSums::emitStore(Places to) {
  forEach([&](int64_t i, int64_t j) {
    move(b, "tilestored64", i * vectors + j, to(i, j));
  });
}

void TileSums::emitStep(Operands inputs, Operands weights) {
  StringRef product;
  for (int64_t i = 0; i < rowTiles; ++i) {
    TileAddress from = inputs(i);
    move(b, "tileloadd64", firstInput + i, from);
    product =
        getElementTypeOrSelf(from.memref).isInteger() ? "tdpbssd" : "tdpbf16ps";
  }
  for (int64_t j = 0; j < vectors; ++j) {
    int64_t weight = firstWeight + j % 2;
    move(b, "tileloadd64", weight, weights(j));
    for (int64_t i = 0; i < rowTiles; ++i)
      call(b, product,
           {number(b, i * vectors + j), number(b, firstInput + i),
            number(b, weight)});
  }
}
