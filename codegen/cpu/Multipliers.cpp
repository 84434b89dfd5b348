//===- Multipliers.cpp - Products in each type ----------------------------===//
//
// Words of two or four narrow numbers meet words of as many weights of each
// output.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/Multipliers.h"
#include "codegen/cpu/Bfloat16.h"
#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace mlir::mod;

static Type getElement(Value memref) {
  return cast<MemRefType>(memref.getType()).getElementType();
}

static Value callIntrinsic(KernelBuilder &b, StringRef name, Value like,
                           ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, like.getType(), b.getStringAttr(name),
                                       arguments)
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

PackedWeight::PackedWeight(KernelBuilder &builder, LinearOp op)
    : op(op), panels(op.getWeight()),
      steps(getStaticDim(op.getWeight(), 1) - op.hasOutputSums()) {
  bool isGrouped = cast<MemRefType>(panels.getType()).getRank() == 4;
  if (isGrouped && !op.isFourBit())
    panels = memref::CollapseShapeOp::create(
        builder, panels, SmallVector<ReassociationIndices>{{0}, {1}, {2, 3}});
}

Value LinearMultiplier::loadWord(int64_t i, Value first, int64_t count) {
  return b.loadWord(op.getInput(), {b.index(0), rows[i], first}, count);
}

Value LinearMultiplier::loadPanel(int64_t j, Value step, int64_t count) {
  int64_t numbers = b.target.getLanes() * count;
  auto type = cast<MemRefType>(weight.panels.getType());
  auto [panel, vector] = locate(j);
  return vector::LoadOp::create(
      b, VectorType::get(numbers, type.getElementType()), weight.panels,
      ValueRange{panel, step, b.index(vector * numbers)});
}

/// Steps of one iteration of a tile among many, which asks for other things but
/// once: the arithmetic for these takes turns with multiply-adds. The copies
/// that plain x86-64 makes leave no room for two.
static int64_t getStepsTogether(CpuTarget target) {
  return target.vectorBits == 128 ? 1 : 2;
}

/// Lines of one step of a panel.
static int64_t getStepLines(Value panels) {
  int64_t columns = cast<MemRefType>(panels.getType()).getShape().back();
  return llvm::divideCeil(columns, KernelBuilder::getLineSize(panels));
}

/// Steps lie behind each other, so that lines beyond those of one are those of
/// the next.
void LinearMultiplier::prefetchAhead(Value step) {
  int64_t lines = getStepLines(weight.panels);
  Value steps = b.add(panels.ahead.done, step);
  Value line = b.div(b.mul(steps, b.mul(panels.ahead.rate, lines)),
                     TilePanels::Ahead::kWhole);
  int64_t most = llvm::divideCeil(getStepsTogether(b.target) * lines,
                                  TilePanels::Ahead::kLeastTiles);
  for (int64_t panel : llvm::seq(panels.count))
    for (int64_t i : llvm::seq(most))
      b.prefetch(weight.panels,
                 {b.add(panels.ahead.panel, panel), panels.ahead.step,
                  b.mul(b.add(line, i), b.getLineSize(weight.panels))},
                 /*level=*/2);
}

/// Panels come from the second level cache or from behind it.
void LinearMultiplier::prefetchPanels(Value step) {
  constexpr int64_t linesAhead = 32;
  int64_t lines = getStepLines(weight.panels);
  for (int64_t panel : llvm::seq(panels.count))
    for (int64_t line : llvm::seq(lines))
      b.prefetch(weight.panels,
                 {panels.get(b, panel), b.add(step, linesAhead / lines),
                  b.index(line * b.getLineSize(weight.panels))});
}

/// Where one row makes memory the limit, the CPU looks ahead far enough by
/// itself.
void LinearMultiplier::lookAhead(Value step, int64_t number) {
  if (rows.size() > 1)
    prefetchPanels(step);
  if (number > 0)
    return;
  if (panels.ahead.rate)
    prefetchAhead(step);
  prefetchOutputs(b.div(step, getStepsTogether(b.target)));
}

void LinearMultiplier::prefetchOutputs(Value row) {
  if (outputs.rows)
    b.ifThen(b.less(row, b.index(outputs.rows)),
             [&] { outputs.prefetch(row); });
}

Values LinearMultiplier::getInits(RegisterTile tile) {
  return Values(tile.size(), getZero());
}

Values LinearMultiplier::emitSums(RegisterTile tile) {
  return emitSteps(tile, b.index(0), b.index(weight.steps), getInits(tile));
}

Values LinearMultiplier::emitSums(RegisterTile tile, Value first, Value end,
                                  ValueRange sums) {
  Values inits;
  for (Value sum : sums)
    inits.push_back(fromBits(sum));
  return emitSteps(tile, first, end, inits);
}

Values LinearMultiplier::emitSteps(RegisterTile tile, Value first, Value end,
                                   ValueRange inits) {
  if (outputs.rows)
    tile.unroll = llvm::alignTo(getStepsTogether(b.target), tile.split);
  Values sums = emitProducts(b, tile, first, end, inits, *this);
  for (Value &sum : sums)
    sum = toFloat(sum);
  return sums;
}

//===----------------------------------------------------------------------===//
// Floating point numbers
//===----------------------------------------------------------------------===//

namespace {
struct F32Multiplier : LinearMultiplier {
  using LinearMultiplier::LinearMultiplier;

  Values loadA(int64_t i, Value step) override {
    return {b.broadcast(b.load(op.getInput(), {b.index(0), rows[i], step}))};
  }
  Values loadB(int64_t j, Value step) override {
    return {loadPanel(j, step, 1)};
  }
};

/// Pairs of weights in bf16 with pairs of inputs in f32.
struct BF16Multiplier : LinearMultiplier {
  using LinearMultiplier::LinearMultiplier;

  Values loadA(int64_t i, Value step) override;
  Values loadB(int64_t j, Value step) override {
    return splitPairs(b, loadPanel(j, step, 2));
  }
  Value multiplyAdd(ValueRange x, ValueRange w, Value sum) override {
    return b.fma(x[1], w[1], b.fma(x[0], w[0], sum));
  }
};

/// Pairs of bf16 on both sides.
struct BF16PairMultiplier : BF16Multiplier {
  using BF16Multiplier::BF16Multiplier;

  Values loadA(int64_t i, Value step) override {
    return splitPairs(b, loadWord(i, b.mul(step, 2), 2));
  }
};

/// The same by one instruction.
struct BF16DotMultiplier : LinearMultiplier {
  using LinearMultiplier::LinearMultiplier;

  Values loadA(int64_t i, Value step) override {
    auto type = VectorType::get(2 * b.target.getLanes(), b.getBF16Type());
    Value word = loadWord(i, b.mul(step, 2), 2);
    return {vector::BitCastOp::create(b, type, word)};
  }
  Values loadB(int64_t j, Value step) override {
    return {loadPanel(j, step, 2)};
  }
  Value multiplyAdd(ValueRange x, ValueRange w, Value sum) override {
    return dotPairs(b, x[0], w[0], sum);
  }
};
} // namespace

/// An input beyond the last is multiplied with the weight's padding.
Values BF16Multiplier::loadA(int64_t i, Value step) {
  Value first = b.mul(step, 2), second = b.add(first, 1);
  int64_t last = op.getNumInputs() - 1;
  if (last % 2 == 0)
    second = b.min(second, b.index(last));
  Values result;
  for (Value k : {first, second})
    result.push_back(
        b.broadcast(b.load(op.getInput(), {b.index(0), rows[i], k})));
  return result;
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

namespace {
/// Pairs of i16; sums in i32.
struct IntegerMultiplier : LinearMultiplier {
  using LinearMultiplier::LinearMultiplier;

  Value getZero() override { return b.splatInt(0); }
  Value add(Value x, Value y) override {
    return arith::AddIOp::create(b, x, y);
  }
  Value toFloat(Value sum) override {
    return arith::SIToFPOp::create(b, b.floats(), sum);
  }
  Value fromBits(Value bits) override {
    return vector::BitCastOp::create(b, b.ints(), bits);
  }
  Values loadA(int64_t i, Value step) override {
    return {toShorts(loadWord(i, b.mul(step, 2), 2))};
  }
  Values loadB(int64_t j, Value step) override {
    return {arith::ExtSIOp::create(b, shorts(), loadPanel(j, step, 2))};
  }
  Value multiplyAdd(ValueRange x, ValueRange w, Value sum) override {
    for (auto [a, b] : llvm::zip_equal(x, w))
      sum = addPairs(a, b, sum);
    return sum;
  }

protected:
  VectorType shorts() {
    return VectorType::get(2 * b.target.getLanes(), b.getI16Type());
  }
  Value toShorts(Value words) {
    return vector::BitCastOp::create(b, shorts(), words);
  }
  /// `sum[n] + x[2 n] * y[2 n] + x[2 n + 1] * y[2 n + 1]`
  Value addPairs(Value x, Value y, Value sum);
};

/// Fours of i8; even and odd ones are pairs of i16.
struct ByteMultiplier : IntegerMultiplier {
  using IntegerMultiplier::IntegerMultiplier;

  Values loadA(int64_t i, Value step) override {
    return split(loadWord(i, b.mul(step, 4), 4));
  }
  Values loadB(int64_t j, Value step) override {
    return split(loadPanel(j, step, 4));
  }

private:
  Values split(Value bytes);
};

/// The same by one instruction, whose first side has no sign: inputs are or
/// become larger by 128, for which the sums of outputs make up.
struct ByteDotMultiplier : IntegerMultiplier {
  using IntegerMultiplier::IntegerMultiplier;

  Values getInits(RegisterTile tile) override;
  Values loadA(int64_t i, Value step) override;
  Values loadB(int64_t j, Value step) override {
    return {loadPanel(j, step, 4)};
  }
  Value multiplyAdd(ValueRange x, ValueRange w, Value sum) override {
    return callIntrinsic(b, "llvm.x86.avx512.vpdpbusd.512", sum,
                         {sum, x[0], w[0]});
  }
};

/// Weights in four bits: a step is a word of eight inputs of each output.
struct NibbleMultiplier : IntegerMultiplier {
  using IntegerMultiplier::IntegerMultiplier;

  Values emitSums(RegisterTile tile) override;
  Values loadA(int64_t i, Value step) override;
  Values loadB(int64_t j, Value step) override;

private:
  Values emitGroup(RegisterTile tile, Value group, ValueRange sums);
  void lookAhead(Value step, int64_t number) override;

  /// The group that steps belong to.
  Value group;
};
} // namespace

Value IntegerMultiplier::addPairs(Value x, Value y, Value sum) {
  StringRef name = b.target.vectorBits == 512   ? "llvm.x86.avx512.pmaddw.d.512"
                   : b.target.vectorBits == 256 ? "llvm.x86.avx2.pmadd.wd"
                                                : "llvm.x86.sse2.pmadd.wd";
  return add(sum, callIntrinsic(b, name, sum, {x, y}));
}

Values ByteMultiplier::split(Value bytes) {
  Value pairs = toShorts(bytes);
  Value eight = arith::ConstantOp::create(
      b, DenseElementsAttr::get(shorts(), int16_t(8)));
  Value even =
      arith::ShRSIOp::create(b, arith::ShLIOp::create(b, pairs, eight), eight);
  return {even, arith::ShRSIOp::create(b, pairs, eight)};
}

Values ByteDotMultiplier::getInits(RegisterTile tile) {
  Values sums;
  for (int64_t j = 0; j < tile.vectors; ++j)
    sums.push_back(vector::BitCastOp::create(
        b, b.ints(), loadPanel(j, b.index(weight.steps), 4)));
  Values inits;
  for (int64_t i = 0; i < tile.rows; ++i)
    inits.append(sums);
  return inits;
}

Values ByteDotMultiplier::loadA(int64_t i, Value step) {
  auto type = VectorType::get(4 * b.target.getLanes(), b.getI8Type());
  Value word = loadWord(i, b.mul(step, 4), 4);
  if (!b.target.getByteOffset())
    word = arith::XOrIOp::create(b, word, b.splatInt(int32_t(0x80808080)));
  return {vector::BitCastOp::create(b, type, word)};
}

Values NibbleMultiplier::loadA(int64_t i, Value step) {
  Value first = b.add(b.mul(group, LinearOp::kGroup), b.mul(step, 8));
  Values pairs;
  for (int64_t pair = 0; pair < 4; ++pair)
    pairs.push_back(toShorts(loadWord(i, b.add(first, 2 * pair), 2)));
  return pairs;
}

/// Asks for weights that come in a while, where one row makes memory take the
/// time. The CPU looks ahead by itself, but not past as many instructions as
/// unpacking takes.
void NibbleMultiplier::lookAhead(Value step, int64_t) {
  constexpr int64_t bytesAhead = 2048;
  if (rows.size() > 1)
    return;
  Value ahead = b.add(step, bytesAhead / (4 * op.getPanel()));
  for (int64_t panel : llvm::seq(panels.count))
    b.prefetch(weight.panels, {panels.get(b, panel), group, ahead, b.index(0)});
}

/// Each four bits as the upper ones of an i16, shifted down with their sign.
Values NibbleMultiplier::loadB(int64_t j, Value step) {
  auto [panel, vector] = locate(j);
  Value words = b.load(weight.panels, {panel, group, step},
                       Columns{b.index(vector * b.target.getLanes())});
  auto shift = [&](int64_t bits) {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(shorts(), int16_t(bits)));
  };
  Values pairs;
  for (int64_t pair = 0; pair < 4; ++pair) {
    Value bits = toShorts(words);
    if (pair < 3)
      bits = arith::ShLIOp::create(b, bits, shift(12 - 4 * pair));
    pairs.push_back(arith::ShRSIOp::create(b, bits, shift(12)));
  }
  return pairs;
}

/// The sums of one group are integers; by its scales they join the others.
Values NibbleMultiplier::emitGroup(RegisterTile tile, Value group,
                                   ValueRange sums) {
  this->group = group;
  prefetchOutputs(group);
  tile.split = tile.unroll = 1;
  Values products =
      emitProducts(b, tile, b.index(0), b.index(4), getInits(tile), *this);
  Values scales, results;
  for (int64_t j = 0; j < tile.vectors; ++j) {
    auto [panel, vector] = locate(j);
    scales.push_back(b.load(op.getScales(), {panel, group},
                            Columns{b.index(vector * b.target.getLanes())}));
  }
  for (auto [number, product] : llvm::enumerate(products))
    results.push_back(
        b.fma(toFloat(product), scales[number % tile.vectors], sums[number]));
  return results;
}

Values NibbleMultiplier::emitSums(RegisterTile tile) {
  return b.loop(b.index(0), b.index(weight.steps), 1,
                Values(tile.size(), b.splat(0.0)),
                [&](Value group, ValueRange sums) {
                  return emitGroup(tile, group, sums);
                });
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

std::unique_ptr<LinearMultiplier>
LinearMultiplier::create(KernelBuilder &b, PackedWeight weight,
                         TilePanels panels, ArrayRef<Value> rows) {
  Type w = getElement(weight.panels), x = getElement(weight.op.getInput());
  if (weight.op.isFourBit())
    return std::make_unique<NibbleMultiplier>(b, weight, panels, rows);
  if (w.isInteger(8) && x.isInteger(16))
    return std::make_unique<IntegerMultiplier>(b, weight, panels, rows);
  if (w.isInteger(8) && b.target.hasByteDot)
    return std::make_unique<ByteDotMultiplier>(b, weight, panels, rows);
  if (w.isInteger(8))
    return std::make_unique<ByteMultiplier>(b, weight, panels, rows);
  if (x.isBF16() && b.target.hasBF16Dot)
    return std::make_unique<BF16DotMultiplier>(b, weight, panels, rows);
  if (x.isBF16())
    return std::make_unique<BF16PairMultiplier>(b, weight, panels, rows);
  if (w.isBF16())
    return std::make_unique<BF16Multiplier>(b, weight, panels, rows);
  return std::make_unique<F32Multiplier>(b, weight, panels, rows);
}

std::unique_ptr<LinearMultiplier>
LinearMultiplier::createSigned(KernelBuilder &b, PackedWeight weight,
                               TilePanels panels, ArrayRef<Value> rows) {
  if (getElement(weight.op.getInput()).isInteger(8))
    return std::make_unique<ByteMultiplier>(b, weight, panels, rows);
  return create(b, weight, panels, rows);
}

int64_t mod::getOperandRegisters(CpuTarget target, LinearOp op) {
  Type w = getElement(op.getWeight()), x = getElement(op.getInput());
  bool hasDot = (x.isBF16() && target.hasBF16Dot) ||
                (x.isInteger(8) && target.hasByteDot);
  bool isPair = w.isBF16() || (w.isInteger(8) && x.isInteger(8));
  return isPair && !hasDot ? 2 : 1;
}

int64_t mod::getTileRows(CpuTarget target, LinearOp op, int64_t panels,
                         int64_t constants) {
  int64_t vectors = panels * op.getPanel() / target.getLanes();
  // Four bits have sums of a group beside those of all.
  if (op.isFourBit())
    return target.getTileRows(2 * vectors);
  // What narrow sums are scaled or converted by.
  if (!getElement(op.getInput()).isF32())
    constants = 1;
  return target.getTileRows(vectors, getOperandRegisters(target, op),
                            constants);
}

int64_t mod::getPanelBytes(LinearOp op) {
  auto type = cast<MemRefType>(op.getWeight().getType());
  return type.getNumElements() / type.getDimSize(0) *
         type.getElementTypeBitWidth() / 8;
}
