//===- TensorOps.cpp - The meaning of ops that move elements ----*- C++ -*-===//
//
// Parameters, slices, shapes, packing, and branches.
//
//===----------------------------------------------------------------------===//

#include "dialect/interpreter/Evaluator.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::mod;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// Copies the numbers of `attr`; one that stands for all is repeated.
static LogicalResult readElements(Operation *op, ElementsAttr attr,
                                  InterpreterValue &result) {
  if (auto floats = attr.tryGetValues<APFloat>()) {
    llvm::transform(*floats, result.data.begin(), [](APFloat number) {
      bool inexact;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                     &inexact);
      return number.convertToDouble();
    });
    return success();
  }
  if (auto ints = attr.tryGetValues<APInt>()) {
    llvm::transform(*ints, result.data.begin(), [](const APInt &number) {
      return double(number.getSExtValue());
    });
    return success();
  }
  return op->emitError("the interpreter cannot read elements of ")
         << attr.getElementType();
}

/// A resource is raw bytes; as a dense attribute it can be read.
static ElementsAttr readResource(ElementsAttr attr) {
  auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
  if (!resource)
    return attr;
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  if (!blob)
    return {};
  return DenseElementsAttr::getFromRawBuffer(resource.getType(),
                                             blob->getData());
}

static LogicalResult evaluateElements(Evaluator &evaluator, Operation *op,
                                      Attribute value) {
  auto elements = dyn_cast_or_null<ElementsAttr>(value);
  if (elements)
    elements = readResource(elements);
  if (!elements)
    return op->emitError("the interpreter needs a value for this constant");
  InterpreterValue result(elements.getShapedType().getShape());
  if (failed(readElements(op, elements, result)))
    return failure();
  evaluator.set(op->getResult(0), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, arith::ConstantOp op) {
  return evaluateElements(evaluator, op, op.getValue());
}

static LogicalResult evaluateOp(Evaluator &evaluator,
                                ml_program::GlobalLoadConstOp op) {
  auto global = SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(
      op, op.getGlobalAttr());
  if (!global)
    return op.emitError("no global is named ") << op.getGlobal();
  return evaluateElements(evaluator, op, global.getValueAttr());
}

//===----------------------------------------------------------------------===//
// Shapes and slices
//===----------------------------------------------------------------------===//

/// Calls `body` with every index of `shape`, in order.
static void forEachIndex(ArrayRef<int64_t> shape,
                         function_ref<void(ArrayRef<int64_t>)> body) {
  SmallVector<int64_t> strides = computeStrides(shape);
  for (int64_t i = 0, e = ShapedType::getNumElements(shape); i < e; ++i)
    body(delinearize(i, strides));
}

/// The place of `index` in `value`.
static int64_t getPlace(const InterpreterValue &value,
                        ArrayRef<int64_t> index) {
  return linearize(index, computeStrides(value.shape));
}

static LogicalResult evaluateOp(Evaluator &evaluator, tensor::EmptyOp op) {
  evaluator.set(op, InterpreterValue(evaluator.getInts(op.getMixedSizes())));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, linalg::FillOp op) {
  InterpreterValue result(evaluator.get(op.getOutputs()[0]).shape);
  llvm::fill(result.data, evaluator.get(op.getInputs()[0]).data.front());
  evaluator.set(op.getResult(0), result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, tensor::SplatOp op) {
  SmallVector<OpFoldResult> sizes = getMixedValues(
      op.getType().getShape(), op.getDynamicSizes(), op.getContext());
  InterpreterValue result(evaluator.getInts(sizes));
  llvm::fill(result.data, evaluator.get(op.getInput()).data.front());
  evaluator.set(op, result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator,
                                bufferization::MaterializeInDestinationOp op) {
  evaluator.set(op.getResult(), evaluator.get(op.getSource()));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, tensor::DimOp op) {
  int64_t dim = evaluator.getInt(op.getIndex());
  evaluator.set(op, double(evaluator.get(op.getSource()).shape[dim]));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, tensor::CastOp op) {
  evaluator.set(op, evaluator.get(op.getSource()));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, tensor::ExtractOp op) {
  const InterpreterValue &source = evaluator.get(op.getTensor());
  SmallVector<int64_t> index =
      evaluator.getInts(getAsOpFoldResult(op.getIndices()));
  evaluator.set(op, source.data[getPlace(source, index)]);
  return success();
}

/// Calls `body` with the places of a slice's elements in `whole`.
template <typename OpTy>
static LogicalResult forEachPlace(Evaluator &evaluator, OpTy op,
                                  const InterpreterValue &whole,
                                  function_ref<void(int64_t)> body) {
  SmallVector<int64_t> offsets = evaluator.getInts(op.getMixedOffsets());
  SmallVector<int64_t> sizes = evaluator.getInts(op.getMixedSizes());
  SmallVector<int64_t> strides = evaluator.getInts(op.getMixedStrides());
  for (auto [offset, size, stride, bound] :
       llvm::zip_equal(offsets, sizes, strides, whole.shape))
    if (offset < 0 || size < 0 ||
        (size && offset + (size - 1) * stride >= bound))
      return op.emitError("the slice leaves the tensor");
  forEachIndex(sizes, [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> place(offsets);
    for (auto [at, i, stride] : llvm::zip_equal(place, index, strides))
      at += i * stride;
    body(getPlace(whole, place));
  });
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator,
                                tensor::ExtractSliceOp op) {
  const InterpreterValue &source = evaluator.get(op.getSource());
  InterpreterValue result;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (auto [dim, size] :
       llvm::enumerate(evaluator.getInts(op.getMixedSizes())))
    if (!dropped.test(dim))
      result.shape.push_back(size);
  if (failed(forEachPlace(evaluator, op, source, [&](int64_t place) {
        result.data.push_back(source.data[place]);
      })))
    return failure();
  evaluator.set(op, result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator,
                                tensor::InsertSliceOp op) {
  const InterpreterValue &source = evaluator.get(op.getSource());
  InterpreterValue result = evaluator.get(op.getDest());
  auto next = source.data.begin();
  if (failed(forEachPlace(evaluator, op, result, [&](int64_t place) {
        result.data[place] = *next++;
      })))
    return failure();
  evaluator.set(op, result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, tensor::ConcatOp op) {
  SmallVector<int64_t> shape = evaluator.get(op.getInputs()[0]).shape;
  int64_t dim = op.getDim(), offset = 0;
  shape[dim] = 0;
  for (Value input : op.getInputs())
    shape[dim] += evaluator.get(input).shape[dim];
  InterpreterValue result(shape);
  for (Value input : op.getInputs()) {
    const InterpreterValue &source = evaluator.get(input);
    auto next = source.data.begin();
    forEachIndex(source.shape, [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> place(index);
      place[dim] += offset;
      result.data[getPlace(result, place)] = *next++;
    });
    offset += source.shape[dim];
  }
  evaluator.set(op, result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator,
                                tensor::ExpandShapeOp op) {
  InterpreterValue result = evaluator.get(op.getSrc());
  result.shape = evaluator.getInts(op.getMixedOutputShape());
  evaluator.set(op, result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator,
                                tensor::CollapseShapeOp op) {
  InterpreterValue result = evaluator.get(op.getSrc());
  SmallVector<int64_t> shape;
  for (ArrayRef<int64_t> group : op.getReassociationIndices()) {
    shape.push_back(1);
    for (int64_t dim : group)
      shape.back() *= result.shape[dim];
  }
  result.shape = shape;
  evaluator.set(op, result);
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, linalg::BroadcastOp op) {
  const InterpreterValue &source = evaluator.get(op.getInput());
  InterpreterValue result(evaluator.get(op.getInit()).shape);
  auto next = result.data.begin();
  forEachIndex(result.shape, [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> place;
    for (auto [dim, i] : llvm::enumerate(index))
      if (!llvm::is_contained(op.getDimensions(), int64_t(dim)))
        place.push_back(i);
    *next++ = source.data[getPlace(source, place)];
  });
  evaluator.set(op->getResult(0), result);
  return success();
}

/// Element `[outer..., inner...]` is `source[outer * tile + inner]`.
static LogicalResult evaluateOp(Evaluator &evaluator, linalg::PackOp op) {
  const InterpreterValue &source = evaluator.get(op.getSource());
  InterpreterValue result(evaluator.get(op.getDest()).shape);
  SmallVector<int64_t> tiles = evaluator.getInts(op.getMixedTiles());
  ArrayRef<int64_t> perm = op.getOuterDimsPerm();
  int64_t rank = source.shape.size();
  double padding =
      op.getPaddingValue() ? evaluator.get(op.getPaddingValue()).data[0] : 0.0;
  auto next = result.data.begin();
  forEachIndex(result.shape, [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> place(rank);
    for (int64_t i = 0; i < rank; ++i)
      place[perm.empty() ? i : perm[i]] = index[i];
    for (auto [i, dim] : llvm::enumerate(op.getInnerDimsPos()))
      place[dim] = place[dim] * tiles[i] + index[rank + i];
    bool inside =
        llvm::all_of(llvm::zip_equal(place, source.shape),
                     [](auto p) { return std::get<0>(p) < std::get<1>(p); });
    *next++ = inside ? source.data[getPlace(source, place)] : padding;
  });
  evaluator.set(op, result);
  return success();
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

static LogicalResult evaluateOp(Evaluator &evaluator, affine::AffineMinOp op) {
  MLIRContext *context = op.getContext();
  auto operands =
      llvm::map_to_vector(op.getOperands(), [&](Value operand) -> Attribute {
        return IntegerAttr::get(IndexType::get(context),
                                evaluator.getInt(operand));
      });
  SmallVector<Attribute> results;
  if (failed(op.getMap().constantFold(operands, results)))
    return op.emitError("cannot be evaluated");
  int64_t least = cast<IntegerAttr>(results.front()).getInt();
  for (Attribute result : results)
    least = std::min(least, cast<IntegerAttr>(result).getInt());
  evaluator.set(op, double(least));
  return success();
}

static LogicalResult evaluateOp(Evaluator &evaluator, scf::IfOp op) {
  bool taken = evaluator.getInt(op.getCondition());
  Region &region = taken ? op.getThenRegion() : op.getElseRegion();
  if (region.empty())
    return success();
  auto results = evaluator.run(region.front(), {});
  if (failed(results))
    return failure();
  for (auto [result, value] : llvm::zip_equal(op.getResults(), *results))
    evaluator.set(result, value);
  return success();
}

std::optional<LogicalResult> mod::evaluateTensorOp(Evaluator &evaluator,
                                                   Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<LogicalResult>>(op)
      .Case<arith::ConstantOp, ml_program::GlobalLoadConstOp, tensor::EmptyOp,
            tensor::DimOp, tensor::CastOp, tensor::ExtractOp,
            tensor::ExtractSliceOp, tensor::InsertSliceOp, tensor::ConcatOp,
            tensor::SplatOp, bufferization::MaterializeInDestinationOp,
            tensor::ExpandShapeOp, tensor::CollapseShapeOp, linalg::FillOp,
            linalg::BroadcastOp, linalg::PackOp, affine::AffineMinOp,
            scf::IfOp>([&](auto op) { return evaluateOp(evaluator, op); })
      .Default(std::nullopt);
}
