//===- DeviceMemory.cpp - Where values of a program live ------------------===//
//
// Follows views to the pointers that a program is given.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/DeviceMemory.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::mod;

Value mod::getRoot(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewLikeOpInterface>())
    buffer = view.getViewSource();
  return buffer;
}

static int64_t getElementBytes(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  return type.getElementTypeBitWidth() / 8;
}

/// Adds the offset of a subview; dimension 0, of size 1, has none.
static LogicalResult addOffsets(memref::SubViewOp view, DevicePlace &place) {
  SmallVector<int64_t> strides;
  int64_t unused;
  if (failed(view.getSourceType().getStridesAndOffset(strides, unused)))
    return failure();
  for (auto [offset, stride] :
       llvm::zip_equal(view.getMixedOffsets(), strides)) {
    std::optional<int64_t> known = getConstantIntValue(offset);
    if (known && *known == 0)
      continue;
    if (ShapedType::isDynamic(stride))
      return failure();
    if (known) {
      place.bytes += *known * stride * getElementBytes(view);
      continue;
    }
    Value rows = cast<Value>(offset);
    if (place.elements || !isKnownToHost(rows))
      return failure();
    OpBuilder builder(view);
    Value step = arith::ConstantIndexOp::create(builder, view.getLoc(), stride);
    place.elements = arith::MulIOp::create(builder, view.getLoc(), rows, step);
  }
  return success();
}

FailureOr<DevicePlace> mod::getDevicePlace(Value buffer) {
  if (auto argument = dyn_cast<BlockArgument>(buffer))
    return DevicePlace{argument};
  Operation *op = buffer.getDefiningOp();
  if (auto view = dyn_cast<memref::ViewOp>(op)) {
    FailureOr<DevicePlace> place = getDevicePlace(view.getSource());
    std::optional<int64_t> shift = getConstantIntValue(view.getByteShift());
    if (succeeded(place) && shift) {
      place->bytes += *shift;
      return place;
    }
  }
  if (auto view = dyn_cast<memref::SubViewOp>(op)) {
    FailureOr<DevicePlace> place = getDevicePlace(view.getSource());
    if (succeeded(place) && succeeded(addOffsets(view, *place)))
      return place;
  }
  if (isa<memref::CastOp, memref::ExpandShapeOp, memref::CollapseShapeOp>(op))
    return getDevicePlace(op->getOperand(0));
  return op->emitOpError("has no place in the memory of a GPU");
}

OpFoldResult mod::getBufferSize(Value buffer, unsigned dim) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return Builder(buffer.getContext()).getIndexAttr(type.getDimSize(dim));
  unsigned place = type.getDynamicDimIndex(dim);
  return llvm::TypeSwitch<Operation *, OpFoldResult>(buffer.getDefiningOp())
      .Case([&](memref::ViewOp view) { return view.getSizes()[place]; })
      .Case([&](memref::SubViewOp view) { return view.getMixedSizes()[dim]; })
      .Case([&](memref::CastOp cast) {
        return getBufferSize(cast.getSource(), dim);
      })
      .Default([](Operation *) { return OpFoldResult(); });
}

static FailureOr<int64_t> getBoundOf(Value buffer, unsigned dim) {
  OpFoldResult size = getBufferSize(buffer, dim);
  if (!size)
    return failure();
  if (std::optional<int64_t> known = getConstantIntValue(size))
    return *known;
  return ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, cast<Value>(size), /*stopCondition=*/nullptr,
      /*closedUB=*/true);
}

FailureOr<MemRefType> mod::getStaticType(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<int64_t> sizes, strides;
  int64_t unused;
  for (unsigned dim : llvm::seq(type.getRank())) {
    FailureOr<int64_t> bound = getBoundOf(buffer, dim);
    if (failed(bound))
      return emitError(buffer.getLoc(), "a buffer of ")
             << type << " has no static upper bound";
    sizes.push_back(*bound);
  }
  if (failed(type.getStridesAndOffset(strides, unused)))
    return emitError(buffer.getLoc(), "a buffer of ")
           << type << " has no strides";
  // Nothing moves along dimension 0, of size 1, where its stride is dynamic.
  for (unsigned dim = strides.size(); dim-- > 0;)
    if (ShapedType::isDynamic(strides[dim]))
      strides[dim] =
          dim + 1 < strides.size() ? sizes[dim + 1] * strides[dim + 1] : 1;
  auto layout = StridedLayoutAttr::get(type.getContext(), 0, strides);
  return MemRefType::get(sizes, type.getElementType(), layout);
}

int64_t mod::getExtent(MemRefType type) {
  auto [strides, offset] = type.getStridesAndOffset();
  int64_t last = 0;
  for (auto [size, stride] : llvm::zip_equal(type.getShape(), strides))
    last += (size - 1) * stride;
  return last + 1;
}

bool mod::isKnownToHost(Value number) {
  if (auto argument = dyn_cast<BlockArgument>(number))
    return isa<func::FuncOp>(argument.getOwner()->getParentOp());
  Operation *op = number.getDefiningOp();
  return isPure(op) && op->getNumRegions() == 0 &&
         llvm::all_of(op->getOperands(), isKnownToHost);
}

Value mod::createFlatView(OpBuilder &builder, Location loc,
                          const DevicePlace &place, int64_t extent,
                          Type element) {
  Value offset = arith::ConstantIndexOp::create(builder, loc, place.bytes);
  if (place.elements) {
    int64_t width = element.getIntOrFloatBitWidth() / 8;
    Value bytes = arith::ConstantIndexOp::create(builder, loc, width);
    bytes = arith::MulIOp::create(builder, loc, place.elements, bytes);
    offset = arith::AddIOp::create(builder, loc, offset, bytes);
  }
  return memref::ViewOp::create(builder, loc,
                                MemRefType::get({extent}, element), place.root,
                                offset, ValueRange());
}
