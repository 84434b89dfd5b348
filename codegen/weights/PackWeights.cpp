//===- PackWeights.cpp - The layout that kernels read -----------*- C++ -*-===//
//
// Says with linalg.pack how the weights of products lie in memory.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/weights/ParameterValues.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Remarks.h"

namespace mlir::mod {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
/// How a weight is packed.
struct Layout {
  int64_t panel;
  /// Inputs of one output that lie together.
  int64_t together = 1;
  /// Panels hold as many rows of the weight's second half as of its first.
  bool isGlu = false;
  bool isFourBit = false;
};

struct PackWeightsPass : mod::impl::PackWeightsPassBase<PackWeightsPass> {
  using PackWeightsPassBase::PackWeightsPassBase;

  void runOnOperation() override;

private:
  void pack(LinearOp op);
  Layout getLayout(LinearOp op);
  /// The packed form of a weight or of its scales, made where that is.
  Value getPacked(Value weight, Layout layout);

  llvm::DenseMap<std::pair<Value, unsigned>, Value> packed;
};
} // namespace

static remark::RemarkOpts remarkOpts(func::FuncOp func) {
  return remark::RemarkOpts::name("PackWeights")
      .category(PackWeightsPass::getArgumentName())
      .function(func.getSymName());
}

void PackWeightsPass::runOnOperation() {
  if (panel == 0) {
    getOperation().emitError() << "option 'panel' is 0, expected at least 1";
    return signalPassFailure();
  }
  packed.clear();
  ParameterValues parameters;
  getOperation().walk([&](LinearOp op) {
    Value weight = op.getWeight();
    if (op.isPacked() || !isa<RankedTensorType>(weight.getType()))
      return;
    if (parameters.contains(weight))
      pack(op);
    else
      remark::missed(op.getLoc(), remarkOpts(getOperation()))
          << "weight is not computed from parameters alone";
  });
}

static RankedTensorType getType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

/// Packs the leading dimensions of `source` by `tiles`, the last tile of each
/// filled with zeros.
static Value makeTiles(ImplicitLocOpBuilder &b, Value source,
                       ArrayRef<int64_t> tiles) {
  RankedTensorType type = getType(source);
  SmallVector<int64_t> shape(type.getShape());
  bool isPadded = false;
  for (auto [dim, tile] : llvm::enumerate(tiles)) {
    isPadded |= shape[dim] % tile != 0;
    shape[dim] = llvm::divideCeil(shape[dim], tile);
  }
  llvm::append_range(shape, tiles);
  std::optional<Value> padding;
  if (isPadded)
    padding =
        arith::ConstantOp::create(b, b.getZeroAttr(type.getElementType()));
  Value empty = tensor::EmptyOp::create(b, shape, type.getElementType());
  return linalg::PackOp::create(
             b, b.getLoc(), source, empty,
             llvm::to_vector(llvm::seq<int64_t>(0, tiles.size())),
             getAsIndexOpFoldResult(b.getContext(), tiles), padding)
      .getResult();
}

/// Panels of rows of the first half of `source` and as many of the second.
static Value makeGluTiles(ImplicitLocOpBuilder &b, Value source,
                          Layout layout) {
  RankedTensorType type = getType(source);
  SmallVector<int64_t> shape{2, type.getDimSize(0) / 2, type.getDimSize(1)};
  Value halves = tensor::ExpandShapeOp::create(
      b, type.clone(shape), source,
      SmallVector<ReassociationIndices>{{0, 1}, {2}});
  SmallVector<int64_t> tiles{2, layout.panel / 2};
  SmallVector<ReassociationIndices> groups{{0, 1}, {2}, {3, 4}};
  if (layout.together > 1) {
    tiles.push_back(layout.together);
    groups.push_back({5});
  }
  return tensor::CollapseShapeOp::create(b, makeTiles(b, halves, tiles),
                                         groups);
}

static Value makePanels(ImplicitLocOpBuilder &b, Value source, Layout layout) {
  if (layout.isGlu)
    return makeGluTiles(b, source, layout);
  if (layout.together > 1)
    return makeTiles(b, source, {layout.panel, layout.together});
  return makeTiles(b, source, {layout.panel});
}

/// `word`, with the four bits of `nibble` as input `input`.
static Value addToWord(ImplicitLocOpBuilder &b, Value nibble, Value word,
                       Value input) {
  auto constant = [&](int64_t value) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
  };
  Value number = arith::IndexCastOp::create(b, b.getI32Type(), input);
  Value odd = arith::AndIOp::create(b, number, constant(1));
  Value pair = arith::ShRUIOp::create(b, number, constant(1));
  Value place =
      arith::AddIOp::create(b, arith::MulIOp::create(b, odd, constant(16)),
                            arith::MulIOp::create(b, pair, constant(4)));
  Value wide = arith::ExtSIOp::create(b, b.getI32Type(), nibble);
  Value bits = arith::AndIOp::create(b, wide, constant(15));
  return arith::OrIOp::create(b, word, arith::ShLIOp::create(b, bits, place));
}

/// Eight inputs in a word: `[p, q, j, 32]` of i8 becomes `[p, q, 4, j]`.
static Value makeWords(ImplicitLocOpBuilder &b, Value panels) {
  ArrayRef<int64_t> shape = getType(panels).getShape();
  auto eights = RankedTensorType::get({shape[0], shape[1], shape[2], 4, 8},
                                      b.getI8Type());
  Value source = tensor::ExpandShapeOp::create(
      b, eights, panels,
      SmallVector<ReassociationIndices>{{0}, {1}, {2}, {3, 4}});
  Value empty = tensor::EmptyOp::create(
      b, ArrayRef<int64_t>{shape[0], shape[1], 4, shape[2]}, b.getI32Type());
  Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
  Value init = linalg::FillOp::create(b, zero, empty).getResult(0);
  AffineMap all = b.getMultiDimIdentityMap(5);
  AffineMap words = AffineMap::getPermutationMap(
                        ArrayRef<int64_t>{0, 1, 3, 2, 4}, b.getContext())
                        .dropResult(4);
  SmallVector<utils::IteratorType> iterators(5, utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  return linalg::GenericOp::create(
             b, init.getType(), source, init, ArrayRef<AffineMap>{all, words},
             iterators,
             [&](OpBuilder &inner, Location loc, ValueRange args) {
               ImplicitLocOpBuilder b(loc, inner);
               Value input = linalg::IndexOp::create(b, 4);
               linalg::YieldOp::create(b,
                                       addToWord(b, args[0], args[1], input));
             })
      .getResult(0);
}

/// The sums of the outputs of panels `[p, q, j, 4]`, `[p, j]`.
static Value makeOutputSums(ImplicitLocOpBuilder &b, Value panels) {
  ArrayRef<int64_t> shape = getType(panels).getShape();
  Value empty = tensor::EmptyOp::create(
      b, ArrayRef<int64_t>{shape[0], shape[2]}, b.getI32Type());
  Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
  Value init = linalg::FillOp::create(b, zero, empty).getResult(0);
  auto kind = [](bool isSum) {
    return isSum ? utils::IteratorType::reduction
                 : utils::IteratorType::parallel;
  };
  AffineMap all = b.getMultiDimIdentityMap(4);
  return linalg::GenericOp::create(
             b, init.getType(), panels, init,
             ArrayRef<AffineMap>{all, all.dropResults({1, 3})},
             ArrayRef{kind(false), kind(true), kind(false), kind(true)},
             [](OpBuilder &inner, Location loc, ValueRange args) {
               ImplicitLocOpBuilder b(loc, inner);
               Value wide = arith::ExtSIOp::create(b, b.getI32Type(), args[0]);
               linalg::YieldOp::create(
                   b, arith::AddIOp::create(b, args[1], wide).getResult());
             })
      .getResult(0);
}

/// Puts -128 times the sums of outputs behind the inputs of `[p, q, j, 4]`.
static Value appendOutputSums(ImplicitLocOpBuilder &b, Value panels) {
  SmallVector<int64_t> shape(getType(panels).getShape());
  shape[1] = 1;
  Value empty = tensor::EmptyOp::create(b, shape, b.getI8Type());
  AffineMap all = b.getMultiDimIdentityMap(4);
  Value bytes =
      linalg::GenericOp::create(
          b, empty.getType(), makeOutputSums(b, panels), empty,
          ArrayRef<AffineMap>{all.dropResults({1, 3}), all},
          SmallVector<utils::IteratorType>(4, utils::IteratorType::parallel),
          [](OpBuilder &inner, Location loc, ValueRange args) {
            ImplicitLocOpBuilder b(loc, inner);
            auto constant = [&](int64_t value) {
              return arith::ConstantOp::create(b, b.getI32IntegerAttr(value));
            };
            Value product = arith::MulIOp::create(b, args[0], constant(-128));
            Value byte = arith::IndexCastOp::create(
                b, b.getI32Type(), linalg::IndexOp::create(b, 3));
            Value place = arith::MulIOp::create(b, byte, constant(8));
            Value shifted = arith::ShRUIOp::create(b, product, place);
            linalg::YieldOp::create(
                b,
                arith::TruncIOp::create(b, b.getI8Type(), shifted).getResult());
          })
          .getResult(0);
  return tensor::ConcatOp::create(b, /*dim=*/1, ValueRange{panels, bytes});
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Layout PackWeightsPass::getLayout(LinearOp op) {
  Layout layout{panel};
  layout.isGlu = op.getGlu().has_value();
  Type element = getType(op.getWeight()).getElementType();
  layout.isFourBit = op.getScales() && getType(op.getScales()).getRank() == 2;
  if (layout.isFourBit)
    layout.together = LinearOp::kGroup;
  else if (element.isInteger(8))
    layout.together = 32 / getType(op.getInput()).getElementTypeBitWidth();
  else if (element.isBF16())
    layout.together = 2;
  return layout;
}

Value PackWeightsPass::getPacked(Value weight, Layout layout) {
  auto [entry, isNew] = packed.try_emplace({weight, layout.isGlu});
  if (!isNew)
    return entry->second;
  OpBuilder outer(&getContext());
  outer.setInsertionPointAfterValue(weight);
  ImplicitLocOpBuilder builder(weight.getLoc(), outer);
  Value result = makePanels(builder, weight, layout);
  if (layout.isFourBit)
    result = makeWords(builder, result);
  else if (layout.together == 4)
    result = appendOutputSums(builder, result);
  remark::passed(weight.getLoc(), remarkOpts(getOperation()))
      << "weight packed"
      << remark::metric("rows", getType(weight).getDimSize(0))
      << remark::metric("panels", getType(result).getDimSize(0))
      << remark::metric("panel", layout.panel);
  return entry->second = result;
}

/// Narrow inputs have zeros where a packed weight has them.
static void widenInput(LinearOp op, int64_t together) {
  auto quantize = op.getInput().getDefiningOp<QuantizeOp>();
  int64_t width = llvm::alignTo(op.getNumInputs(), together);
  if (!quantize || width == op.getNumInputs())
    return;
  OpBuilder builder(quantize);
  auto wider =
      QuantizeOp::create(builder, quantize.getLoc(), quantize.getX(),
                         quantize.getRows(), quantize.getScales(),
                         getType(quantize.getResult()).getElementType(), width);
  op.getInputMutable().assign(wider.getResult());
}

void PackWeightsPass::pack(LinearOp op) {
  Layout layout = getLayout(op);
  Value weight = getPacked(op.getWeight(), layout);
  if (layout.isFourBit)
    op.getScalesMutable().assign(
        getPacked(op.getScales(), {layout.panel, 1, layout.isGlu}));
  op.getWeightMutable().assign(weight);
  widenInput(op, layout.together);
}
