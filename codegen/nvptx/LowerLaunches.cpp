//===- LowerLaunches.cpp - Launches as calls of the runtime -----*- C++ -*-===//
//
// Calls the functions of the device that the call of a program carries.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Passes.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::mod {
#define GEN_PASS_DEF_LOWERLAUNCHESPASS
#include "codegen/nvptx/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

/// The functions of modrt_device (runtime/modrt.h), in order.
enum DeviceFunction : int32_t { Launch, Upload, Download };

/// Lowers what one program asks of the device.
class LaunchLowering {
public:
  LaunchLowering(func::FuncOp program, ArrayAttr kernels)
      : program(program), kernels(kernels), builder(program.getContext()),
        pointer(LLVM::LLVMPointerType::get(program.getContext())),
        device(addArgument(program, pointer, role::kDevice)) {}

  LogicalResult lower(gpu::LaunchFuncOp op);
  LogicalResult lower(gpu::MemcpyOp op);

private:
  void call(Location loc, DeviceFunction function, ValueRange arguments);
  Value allocate(Location loc, Type type, int64_t count);
  Value storeArguments(gpu::LaunchFuncOp op);
  Value getAddress(Location loc, Value memref);
  Value getBytes(Location loc, Value memref);
  std::optional<int64_t> findKernel(StringRef name);
  Value i64(Location loc, int64_t value) {
    return LLVM::ConstantOp::create(builder, loc,
                                    builder.getI64IntegerAttr(value));
  }
  Value toI64(Location loc, Value index) {
    return arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                      index);
  }

  func::FuncOp program;
  ArrayAttr kernels;
  OpBuilder builder;
  Type pointer;
  Value device;
};

struct LowerLaunchesPass : mod::impl::LowerLaunchesPassBase<LowerLaunchesPass> {
  void runOnOperation() override;
};

} // namespace

void LaunchLowering::call(Location loc, DeviceFunction function,
                          ValueRange arguments) {
  Value slot = LLVM::GEPOp::create(builder, loc, pointer, pointer, device,
                                   ArrayRef<LLVM::GEPArg>{function});
  SmallVector<Value> operands = {
      LLVM::LoadOp::create(builder, loc, pointer, slot), device};
  llvm::append_range(operands, arguments);
  SmallVector<Type> types(ValueRange(operands).drop_front().getTypes());
  auto signature = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(builder.getContext()), types);
  LLVM::CallOp::create(builder, loc, signature, operands);
}

/// Memory of the program's frame.
Value LaunchLowering::allocate(Location loc, Type type, int64_t count) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&program.getBody().front());
  return LLVM::AllocaOp::create(builder, loc, pointer, type, i64(loc, count));
}

Value LaunchLowering::getAddress(Location loc, Value memref) {
  Value base =
      memref::ExtractAlignedPointerAsIndexOp::create(builder, loc, memref);
  auto type = cast<MemRefType>(memref.getType());
  if (auto [strides, offset] = type.getStridesAndOffset(); offset != 0)
    llvm_unreachable("buffers of launches start at their address");
  return toI64(loc, base);
}

/// What CUDA wants: the address of each argument.
Value LaunchLowering::storeArguments(gpu::LaunchFuncOp op) {
  Location loc = op.getLoc();
  int64_t count = op.getNumKernelOperands();
  Type i64Type = builder.getI64Type();
  Value values = allocate(loc, i64Type, std::max<int64_t>(count, 1));
  Value addresses = allocate(loc, pointer, std::max<int64_t>(count, 1));
  for (auto [index, operand] : llvm::enumerate(op.getKernelOperands())) {
    Value value = isa<MemRefType>(operand.getType()) ? getAddress(loc, operand)
                                                     : toI64(loc, operand);
    LLVM::GEPArg place[] = {int32_t(index)};
    Value slot =
        LLVM::GEPOp::create(builder, loc, pointer, i64Type, values, place);
    LLVM::StoreOp::create(builder, loc, value, slot);
    Value address =
        LLVM::GEPOp::create(builder, loc, pointer, pointer, addresses, place);
    LLVM::StoreOp::create(builder, loc, slot, address);
  }
  return addresses;
}

std::optional<int64_t> LaunchLowering::findKernel(StringRef name) {
  for (auto [index, kernel] : llvm::enumerate(kernels))
    if (cast<DictionaryAttr>(kernel).getAs<StringAttr>("name") == name)
      return index;
  return std::nullopt;
}

LogicalResult LaunchLowering::lower(gpu::LaunchFuncOp op) {
  std::optional<int64_t> kernel = findKernel(op.getKernelName());
  if (!kernel)
    return op.emitOpError("launches a kernel that was not compiled");
  Location loc = op.getLoc();
  builder.setInsertionPoint(op);
  gpu::KernelDim3 grid = op.getGridSizeOperandValues();
  call(loc, Launch,
       {i64(loc, *kernel), toI64(loc, grid.x), toI64(loc, grid.y),
        storeArguments(op), i64(loc, op.getNumKernelOperands())});
  op.erase();
  return success();
}

/// The bytes of a buffer without holes.
Value LaunchLowering::getBytes(Location loc, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t known = type.getElementTypeBitWidth() / 8;
  Value rows;
  for (auto [dim, size] : llvm::enumerate(type.getShape())) {
    if (ShapedType::isDynamic(size))
      rows = memref::DimOp::create(builder, loc, memref, dim);
    else
      known *= size;
  }
  Value bytes = i64(loc, known);
  return rows ? LLVM::MulOp::create(builder, loc, bytes, toI64(loc, rows))
                    .getResult()
              : bytes;
}

/// Whether a buffer is memory of the device.
static bool isOnDevice(func::FuncOp program, Value memref) {
  while (Operation *view = memref.getDefiningOp())
    memref = view->getOperand(0);
  return memref == getArgument(program, role::kArena);
}

LogicalResult LaunchLowering::lower(gpu::MemcpyOp op) {
  Location loc = op.getLoc();
  builder.setInsertionPoint(op);
  auto function = isOnDevice(program, op.getDst()) ? Upload : Download;
  auto address = [&](Value memref) -> Value {
    return LLVM::IntToPtrOp::create(builder, loc, pointer,
                                    getAddress(loc, memref));
  };
  call(
      loc, function,
      {address(op.getDst()), address(op.getSrc()), getBytes(loc, op.getDst())});
  op.erase();
  return success();
}

void LowerLaunchesPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto kernels = module->getAttrOfType<ArrayAttr>(kKernelsAttr);
  if (!kernels) {
    module.emitError("has no '")
        << kKernelsAttr << "'; run mod-compile-kernels first";
    return signalPassFailure();
  }
  for (func::FuncOp program : getPrograms(module)) {
    LaunchLowering lowering(program, kernels);
    WalkResult result = program.walk([&](Operation *op) {
      if (auto launch = dyn_cast<gpu::LaunchFuncOp>(op))
        return WalkResult(lowering.lower(launch));
      if (auto copy = dyn_cast<gpu::MemcpyOp>(op))
        return WalkResult(lowering.lower(copy));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
  }
  module.lookupSymbol(kKernelModule)->erase();
}
