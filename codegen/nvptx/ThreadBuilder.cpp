//===- ThreadBuilder.cpp - Writing the code of one GPU thread -------------===//
//
// Arithmetic, loops, memory, warps and blocks.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/ThreadBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::mod;

/// The address space of the device's memory.
static constexpr unsigned kGlobalSpace = 1;
/// All threads that run on a device.
static constexpr llvm::StringLiteral kDeviceScope = "device";

ThreadBuilder::ThreadBuilder(Location loc, const OpBuilder &builder,
                             gpu::GPUFuncOp kernel,
                             const DenseMap<Value, Value> &rows)
    : ImplicitLocOpBuilder(loc, builder), kernel(kernel), rows(rows) {
  threadId = gpu::ThreadIdOp::create(*this, gpu::Dimension::x);
  blockIds[0] = gpu::BlockIdOp::create(*this, gpu::Dimension::x);
  blockIds[1] = gpu::BlockIdOp::create(*this, gpu::Dimension::y);
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

Value ThreadBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, value);
}
Value ThreadBuilder::i32(int64_t value) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(int32_t(value)));
}
Value ThreadBuilder::i64(int64_t value) {
  return arith::ConstantOp::create(*this, getI64IntegerAttr(value));
}
Value ThreadBuilder::f32(double value) {
  return arith::ConstantOp::create(*this, getF32FloatAttr(float(value)));
}
Value ThreadBuilder::add(Value x, Value y) {
  return arith::AddIOp::create(*this, x, y);
}
Value ThreadBuilder::sub(Value x, Value y) {
  return arith::SubIOp::create(*this, x, y);
}
Value ThreadBuilder::mul(Value x, Value y) {
  return arith::MulIOp::create(*this, x, y);
}
Value ThreadBuilder::div(Value x, int64_t y) {
  return arith::DivUIOp::create(*this, x, index(y));
}
Value ThreadBuilder::rem(Value x, int64_t y) {
  return arith::RemUIOp::create(*this, x, index(y));
}
Value ThreadBuilder::min(Value x, Value y) {
  return arith::MinUIOp::create(*this, x, y);
}
Value ThreadBuilder::ceilDiv(Value x, Value y) {
  return arith::DivUIOp::create(*this, add(x, sub(y, index(1))), y);
}
Value ThreadBuilder::lt(Value x, Value y) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, x, y);
}
Value ThreadBuilder::eq(Value x, Value y) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, x, y);
}
Value ThreadBuilder::addf(Value x, Value y) {
  return arith::AddFOp::create(*this, x, y);
}
Value ThreadBuilder::subf(Value x, Value y) {
  return arith::SubFOp::create(*this, x, y);
}
Value ThreadBuilder::mulf(Value x, Value y) {
  return arith::MulFOp::create(*this, x, y);
}
Value ThreadBuilder::divf(Value x, Value y) {
  return arith::DivFOp::create(*this, x, y);
}
Value ThreadBuilder::maxf(Value x, Value y) {
  return arith::MaximumFOp::create(*this, x, y);
}
Value ThreadBuilder::fma(Value x, Value y, Value z) {
  return math::FmaOp::create(*this, x, y, z);
}
Value ThreadBuilder::exp(Value x) { return math::ExpOp::create(*this, x); }
Value ThreadBuilder::exp2(Value x) { return math::Exp2Op::create(*this, x); }
Value ThreadBuilder::sigmoid(Value x) {
  Value power = exp(subf(f32(0.0), x));
  return divf(f32(1.0), addf(f32(1.0), power));
}
Value ThreadBuilder::widen(Value x) {
  auto type = dyn_cast<FloatType>(getElementTypeOrSelf(x));
  if (!type || type.getWidth() >= 32)
    return x;
  Type wide = getF32Type();
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    wide = vector.clone(wide);
  return arith::ExtFOp::create(*this, wide, x);
}
Value ThreadBuilder::round(Value x, Type narrow) {
  return widen(arith::TruncFOp::create(*this, narrow, x));
}
Value ThreadBuilder::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(*this, condition, x, y);
}
Value ThreadBuilder::both(Value x, Value y) {
  return arith::AndIOp::create(*this, x, y);
}
Value ThreadBuilder::toIndex(Value integer) {
  return arith::IndexCastOp::create(*this, getIndexType(), integer);
}
Value ThreadBuilder::toI32(Value index) {
  return arith::IndexCastOp::create(*this, getI32Type(), index);
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

Values ThreadBuilder::loop(Value first, Value end, int64_t step,
                           ValueRange inits,
                           function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(*this, first, end, index(step), inits);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  Values results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  // A loop without carried values has its terminator already.
  if (!results.empty())
    scf::YieldOp::create(*this, results);
  return Values(loop.getResults());
}

void ThreadBuilder::loop(Value first, Value end, int64_t step,
                         function_ref<void(Value)> body) {
  loop(first, end, step, {}, [&](Value i, ValueRange) {
    body(i);
    return Values();
  });
}

void ThreadBuilder::ifThen(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

Value ThreadBuilder::ifElse(Value condition, Value otherwise,
                            function_ref<Value()> body) {
  return ifElse(condition, otherwise.getType(), body,
                [&] { return otherwise; });
}

Value ThreadBuilder::ifElse(Value condition, Type type,
                            function_ref<Value()> body,
                            function_ref<Value()> otherwise) {
  auto branch =
      scf::IfOp::create(*this, type, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(*this, body());
  setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(*this, otherwise());
  return branch.getResult(0);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value ThreadBuilder::dim(Value buffer, unsigned dim) {
  Value actual = dim == 1 ? rows.lookup(buffer) : Value();
  return actual ? actual : index(getBound(buffer, dim));
}

Value ThreadBuilder::load(Value buffer, ValueRange indices) {
  return widen(memref::LoadOp::create(*this, buffer, indices));
}

void ThreadBuilder::store(Value value, Value buffer, ValueRange indices) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  if (isa<FloatType>(element) && element != value.getType())
    value = arith::TruncFOp::create(*this, element, value);
  memref::StoreOp::create(*this, value, buffer, indices);
}

/// The alignment of `width` elements.
static llvm::MaybeAlign getAlignment(Value buffer, int64_t width) {
  auto type = cast<MemRefType>(buffer.getType());
  return llvm::MaybeAlign(width * type.getElementTypeBitWidth() / 8);
}

Value ThreadBuilder::loadVector(Value buffer, ValueRange indices,
                                int64_t width) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  return widen(vector::LoadOp::create(*this, VectorType::get({width}, element),
                                      buffer, indices, /*nontemporal=*/false,
                                      getAlignment(buffer, width)));
}

void ThreadBuilder::storeVector(Value value, Value buffer, ValueRange indices) {
  int64_t width = cast<VectorType>(value.getType()).getNumElements();
  vector::StoreOp::create(*this, value, buffer, indices, /*nontemporal=*/false,
                          getAlignment(buffer, width));
}

Value ThreadBuilder::extract(Value vector, int64_t place) {
  return vector::ExtractOp::create(*this, vector, place);
}

Value ThreadBuilder::countUp(Value counters, Value place) {
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(*this, counters);
  Value offset = mul(place, int64_t(sizeof(int32_t)));
  Value address =
      arith::IndexCastOp::create(*this, getI64Type(), add(base, offset));
  Value pointer = LLVM::IntToPtrOp::create(
      *this, LLVM::LLVMPointerType::get(getContext(), kGlobalSpace), address);
  // PTX that LLVM writes for atomics orders nothing else.
  auto fence = [&] {
    LLVM::FenceOp::create(*this, LLVM::AtomicOrdering::acq_rel, kDeviceScope);
  };
  fence();
  Value before =
      LLVM::AtomicRMWOp::create(*this, LLVM::AtomicBinOp::add, pointer, i32(1),
                                LLVM::AtomicOrdering::monotonic, kDeviceScope);
  fence();
  return before;
}

Value ThreadBuilder::shared(ArrayRef<int64_t> shape, Type element,
                            int64_t alignment) {
  auto space = gpu::AddressSpaceAttr::get(
      getContext(), gpu::GPUDialect::getWorkgroupAddressSpace());
  auto type =
      MemRefType::get(shape, element, MemRefLayoutAttrInterface(), space);
  unsigned place = kernel.getNumWorkgroupAttributions();
  Value buffer = kernel.addWorkgroupAttribution(type, getLoc());
  kernel.setWorkgroupAttributionAttr(place,
                                     LLVM::LLVMDialect::getAlignAttrName(),
                                     getI64IntegerAttr(alignment));
  return buffer;
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

void ThreadBuilder::barrier() { gpu::BarrierOp::create(*this); }

/// That of the lane `offset` apart; words of 64 bits in halves.
Value ThreadBuilder::shuffle(Value value, int64_t offset) {
  auto swap = [&](Value half) {
    return gpu::ShuffleOp::create(*this, half, int32_t(offset), kWarpThreads,
                                  gpu::ShuffleMode::XOR)
        .getShuffleResult();
  };
  if (!value.getType().isInteger(64))
    return swap(value);
  Value shift = i64(32);
  Value low = arith::TruncIOp::create(*this, getI32Type(), value);
  Value high = arith::TruncIOp::create(
      *this, getI32Type(), arith::ShRUIOp::create(*this, value, shift));
  low = arith::ExtUIOp::create(*this, getI64Type(), swap(low));
  high = arith::ExtUIOp::create(*this, getI64Type(), swap(high));
  return arith::OrIOp::create(*this, low,
                              arith::ShLIOp::create(*this, high, shift));
}

Value ThreadBuilder::reduceLanes(Value value, int64_t first, int64_t end,
                                 Combine combine) {
  for (int64_t offset = end / 2; offset >= first; offset /= 2)
    value = combine(value, shuffle(value, offset));
  return value;
}

Value ThreadBuilder::sumWarp(Value value) {
  return reduceWarp(value, [&](Value x, Value y) { return addf(x, y); });
}

Value ThreadBuilder::reduceBlock(Value value, int64_t threads, Combine combine,
                                 bool isAlone) {
  int64_t warps = threads / kWarpThreads;
  value = reduceWarp(value, combine);
  if (warps == 1)
    return value;
  Value partial = shared({warps}, value.getType());
  if (isAlone)
    barrier();
  ifThen(eq(lane(), index(0)),
         [&] { memref::StoreOp::create(*this, value, partial, warp()); });
  barrier();
  if (warps == kWarpThreads)
    return reduceWarp(memref::LoadOp::create(*this, partial, lane()), combine);
  Value result = memref::LoadOp::create(*this, partial, index(0));
  for (int64_t i = 1; i < warps; ++i)
    result = combine(result, memref::LoadOp::create(*this, partial, index(i)));
  return result;
}

/// The sum over the threads of the warp up to this one.
Value ThreadBuilder::scanWarp(Value value) {
  for (int32_t offset = 1; offset < kWarpThreads; offset *= 2) {
    auto other = gpu::ShuffleOp::create(*this, value, offset, kWarpThreads,
                                        gpu::ShuffleMode::UP);
    value =
        add(value, select(other.getValid(), other.getShuffleResult(), i32(0)));
  }
  return value;
}

std::pair<Value, Value> ThreadBuilder::scanBlock(Value value, int64_t threads,
                                                 bool isAlone) {
  int64_t warps = threads / kWarpThreads;
  Value inclusive = scanWarp(value);
  Value sums = shared({warps}, getI32Type());
  if (isAlone)
    barrier();
  ifThen(eq(lane(), index(kWarpThreads - 1)),
         [&] { memref::StoreOp::create(*this, inclusive, sums, warp()); });
  barrier();
  Value before = sub(inclusive, value), total = i32(0);
  for (int64_t i = 0; i < warps; ++i) {
    Value sum = memref::LoadOp::create(*this, sums, index(i));
    before = add(before, select(lt(index(i), warp()), sum, i32(0)));
    total = add(total, sum);
  }
  return {before, total};
}
