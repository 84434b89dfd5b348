//===- KernelOutliner.cpp - Kernels and their launches --------------------===//
//
// A kernel starts as its op on the kernel's arguments; this text tells whether
// there is such a kernel already. What it needs to know from the device it
// computes itself.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelOutliner.h"
#include "codegen/nvptx/DeviceMemory.h"
#include "codegen/nvptx/KernelCosts.h"
#include "codegen/nvptx/LinearClauses.h"
#include "codegen/nvptx/Passes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr int64_t kAlignment = 16;

/// A kernel as it is begun, and what it is launched with.
class KernelOutliner::Body {
public:
  Body(OpBuilder &host, gpu::GPUModuleOp module, Location loc);

  /// Something that the kernel is launched with.
  Value addArgument(Value operand);
  LogicalResult mapOperands(Operation *op);
  FailureOr<Value> mapBuffer(Value buffer);
  FailureOr<Value> mapNumber(Value number);
  LogicalResult mapGuards(ArrayRef<Guard> guards);
  /// Where the kernel's own code goes: behind the guards.
  void enterGuards();
  std::string getText();
  /// The most rows that a number of the kernel can be.
  int64_t getRowsBound(Value number);

  OpBuilder &host;
  Location loc;
  gpu::GPUFuncOp func;
  OpBuilder builder;
  IRMapping mapping;
  DenseMap<Value, Value> rows;
  Values operands;
  Operation *end;        ///< the kernel's return
  bool isAligned = true; ///< whether all buffers are, to 16 bytes

private:
  LogicalResult mapSize(Value buffer, Value inside);
  FailureOr<Value> mapConstant(memref::GetGlobalOp constant);
  FailureOr<Value> mapElement(memref::LoadOp load, int64_t element);
  Value guard;
};

KernelOutliner::Body::Body(OpBuilder &host, gpu::GPUModuleOp module,
                           Location loc)
    : host(host), loc(loc), builder(module.getContext()) {
  builder.setInsertionPointToEnd(module.getBody());
  func = gpu::GPUFuncOp::create(builder, loc, "kernel",
                                builder.getFunctionType({}, {}));
  func->setAttr(gpu::GPUDialect::getKernelFuncAttrName(),
                builder.getUnitAttr());
  builder.setInsertionPointToStart(&func.getBody().front());
  end = gpu::ReturnOp::create(builder, loc);
  builder.setInsertionPoint(end);
}

Value KernelOutliner::Body::addArgument(Value operand) {
  operands.push_back(operand);
  Value argument = func.getBody().addArgument(operand.getType(), loc);
  func.setFunctionType(
      builder.getFunctionType(func.getBody().getArgumentTypes(), TypeRange()));
  return argument;
}

static bool isViewOfConstant(Value buffer) {
  Operation *op = buffer.getDefiningOp();
  while (isa_and_present<ViewLikeOpInterface>(op))
    op = op->getOperand(0).getDefiningOp();
  return isa_and_present<memref::GetGlobalOp>(op);
}

FailureOr<Value> KernelOutliner::Body::mapBuffer(Value buffer) {
  if (Value known = mapping.lookupOrNull(buffer))
    return known;
  if (auto constant = buffer.getDefiningOp<memref::GetGlobalOp>())
    return mapConstant(constant);
  if (isViewOfConstant(buffer)) {
    Operation *view = buffer.getDefiningOp();
    if (failed(mapOperands(view)))
      return failure();
    Value inside = builder.clone(*view, mapping)->getResult(0);
    if (failed(mapSize(buffer, inside)))
      return failure();
    return inside;
  }
  FailureOr<DevicePlace> place = getDevicePlace(buffer);
  FailureOr<MemRefType> type = getStaticType(buffer);
  if (failed(place) || failed(type))
    return failure();
  isAligned &= place->bytes % kAlignment == 0 && !place->elements;
  Value flat = addArgument(createFlatView(host, loc, *place, getExtent(*type),
                                          type->getElementType()));
  auto [strides, offset] = type->getStridesAndOffset();
  Value inside = memref::ReinterpretCastOp::create(
      builder, loc, *type, flat, /*offset=*/0, type->getShape(), strides);
  mapping.map(buffer, inside);
  if (failed(mapSize(buffer, inside)))
    return failure();
  return inside;
}

/// A constant of the programs becomes one of the kernels.
FailureOr<Value>
KernelOutliner::Body::mapConstant(memref::GetGlobalOp constant) {
  auto global = SymbolTable::lookupNearestSymbolFrom<memref::GlobalOp>(
      constant, constant.getNameAttr());
  if (!global || !global.getConstant())
    return constant.emitOpError("has no place in the memory of a GPU");
  auto kernels = func->getParentOfType<gpu::GPUModuleOp>();
  if (!kernels.lookupSymbol(global.getSymName())) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(kernels.getBody());
    builder.clone(*global);
  }
  builder.clone(*constant, mapping);
  return mapping.lookup(constant.getResult());
}

/// Dimension 1 counts tokens: at run time it may be less than its bound.
LogicalResult KernelOutliner::Body::mapSize(Value buffer, Value inside) {
  if (cast<MemRefType>(buffer.getType()).getRank() < 2)
    return success();
  auto size = dyn_cast<Value>(getBufferSize(buffer, 1));
  if (!size)
    return success();
  FailureOr<Value> number = mapNumber(size);
  if (failed(number))
    return failure();
  rows[inside] = *number;
  return success();
}

/// The element that a load reads, where that is known.
static std::optional<int64_t> getElement(memref::LoadOp load) {
  MemRefType type = load.getMemRefType();
  if (!type.hasStaticShape() || !type.getLayout().isIdentity())
    return std::nullopt;
  int64_t element = 0;
  for (auto [index, size] :
       llvm::zip_equal(load.getIndices(), type.getShape())) {
    std::optional<int64_t> known = getConstantIntValue(index);
    if (!known)
      return std::nullopt;
    element = element * size + *known;
  }
  return element;
}

/// A number in memory is an argument of its own: kernels that differ only in
/// which one they read are one.
FailureOr<Value> KernelOutliner::Body::mapElement(memref::LoadOp load,
                                                  int64_t element) {
  FailureOr<DevicePlace> place = getDevicePlace(load.getMemRef());
  if (failed(place))
    return failure();
  Type type = load.getType();
  place->bytes += element * type.getIntOrFloatBitWidth() / 8;
  Value flat = addArgument(createFlatView(host, loc, *place, 1, type));
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value number = memref::LoadOp::create(builder, loc, flat, zero);
  mapping.map(load.getResult(), number);
  return number;
}

FailureOr<Value> KernelOutliner::Body::mapNumber(Value number) {
  if (Value known = mapping.lookupOrNull(number))
    return known;
  Operation *op = number.getDefiningOp();
  if (op && op->hasTrait<OpTrait::ConstantLike>())
    return builder.clone(*op, mapping)->getResult(0);
  // What kernels are launched with are sizes and the like; the rest follows.
  if (isKnownToHost(number) && (!op || number.getType().isIndex())) {
    Value argument = addArgument(number);
    mapping.map(number, argument);
    return argument;
  }
  if (auto load = dyn_cast_or_null<memref::LoadOp>(op))
    if (std::optional<int64_t> element = getElement(load))
      return mapElement(load, *element);
  if (!op || !(isPure(op) || isa<memref::LoadOp>(op)) || op->getNumRegions())
    return emitError(number.getLoc(), "is a number that no kernel can compute");
  if (failed(mapOperands(op)))
    return failure();
  builder.clone(*op, mapping);
  return mapping.lookup(number);
}

LogicalResult KernelOutliner::Body::mapOperands(Operation *op) {
  SetVector<Value> values(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), values);
  for (Value value : values) {
    FailureOr<Value> mapped =
        isa<MemRefType>(value.getType()) ? mapBuffer(value) : mapNumber(value);
    if (failed(mapped))
      return failure();
    mapping.map(value, *mapped);
  }
  return success();
}

LogicalResult KernelOutliner::Body::mapGuards(ArrayRef<Guard> guards) {
  for (const Guard &next : guards) {
    FailureOr<Value> condition = mapNumber(next.condition);
    if (failed(condition))
      return failure();
    Value holds = *condition;
    if (!next.holds) {
      Value yes =
          arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true));
      holds = arith::XOrIOp::create(builder, loc, holds, yes);
    }
    guard = guard ? arith::AndIOp::create(builder, loc, guard, holds) : holds;
  }
  return success();
}

void KernelOutliner::Body::enterGuards() {
  if (!guard)
    return;
  auto branch =
      scf::IfOp::create(builder, loc, guard, /*withElseRegion=*/false);
  builder.setInsertionPointToStart(branch.thenBlock());
}

std::string KernelOutliner::Body::getText() {
  std::string text;
  llvm::raw_string_ostream os(text);
  func->print(os, OpPrintingFlags().useLocalScope());
  if (guard)
    os << "guarded";
  return text;
}

int64_t KernelOutliner::Body::getRowsBound(Value number) {
  APInt constant;
  if (matchPattern(number, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  for (auto [buffer, size] : rows)
    if (size == number)
      return getBound(buffer, 1);
  llvm_unreachable("rows are those of a buffer");
}

/// A name that PTX allows. What heads are normalised for names the kernel.
static std::string getKernelName(ArrayRef<Operation *> ops) {
  Operation *op = isa<RMSNormOp>(ops.front()) ? ops.back() : ops.front();
  std::string name = op->getName().stripDialect().str();
  if (auto linear = dyn_cast<LinearOp>(op))
    name += "_" + std::to_string(linear.getNumInputs()) + "x" +
            std::to_string(linear.getNumOutputs());
  for (char &c : name)
    if (!llvm::isAlnum(c))
      c = '_';
  return name;
}

FailureOr<const KernelOutliner::Kernel *>
KernelOutliner::finish(Body &body, StringRef name,
                       function_ref<FailureOr<Geometry>()> emit) {
  auto [entry, isNew] = kernels.try_emplace(body.getText());
  if (!isNew) {
    body.func.erase();
    return &entry->second;
  }
  Kernel &kernel = entry->second;
  kernel.func = body.func;
  kernel.func.setName(name);
  symbols.insert(kernel.func);
  FailureOr<Geometry> geometry = emit();
  if (failed(geometry))
    return failure();
  kernel.threads = geometry->threads;
  kernel.rowsPerBlock = geometry->rowsPerBlock;
  kernel.otherBlocks = geometry->otherBlocks;
  kernel.rows = 1;
  kernel.rowsArgument = -1;
  auto argument = dyn_cast_or_null<BlockArgument>(geometry->rows);
  if (argument)
    kernel.rowsArgument = argument.getArgNumber();
  else if (geometry->rows)
    kernel.rows = body.getRowsBound(geometry->rows);
  kernel.func.setKnownBlockSizeAttr(DenseI32ArrayAttr::get(
      kernel.func.getContext(), {int32_t(kernel.threads), 1, 1}));
  return &kernel;
}

gpu::LaunchFuncOp KernelOutliner::launch(OpBuilder &builder,
                                         const Kernel &kernel,
                                         ValueRange operands) {
  Location loc = builder.getInsertionPoint()->getLoc();
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, value);
  };
  Value blocks = constant(llvm::divideCeil(kernel.rows, kernel.rowsPerBlock));
  if (kernel.rowsArgument >= 0)
    blocks =
        arith::CeilDivUIOp::create(builder, loc, operands[kernel.rowsArgument],
                                   constant(kernel.rowsPerBlock));
  gpu::KernelDim3 grid{blocks, constant(kernel.otherBlocks), constant(1)};
  gpu::KernelDim3 block{constant(kernel.threads), constant(1), constant(1)};
  return gpu::LaunchFuncOp::create(builder, loc, kernel.func, grid, block,
                                   /*dynamicSharedMemorySize=*/Value(),
                                   operands);
}

/// Lets the first thread of the kernel do what clones of scalar code do.
static void emitScalars(ThreadBuilder &b, ArrayRef<Operation *> scalars) {
  Value first = b.eq(b.thread(), b.index(0));
  for (Value block : {b.rowBlock(), b.otherBlock()})
    first = b.both(first, b.eq(block, b.index(0)));
  b.ifThen(first, [&] {
    for (Operation *op : scalars)
      op->moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
  });
}

/// Writes the code that clones of the ops stand for.
FailureOr<Geometry> KernelOutliner::emit(Body &body, const KernelWork &work,
                                         ArrayRef<Operation *> clones,
                                         Value counts, Value map) {
  body.builder.setInsertionPoint(clones.front());
  body.enterGuards();
  ThreadBuilder b(body.loc, body.builder, body.func, body.rows);
  ArrayRef<Operation *> ops = clones.take_front(work.ops.size());
  FailureOr<Geometry> geometry = emitGpuKernel(b, ops, counts, map);
  if (!work.scalars.empty())
    emitScalars(b, clones.drop_front(work.ops.size()));
  for (Operation *op : ops)
    op->erase();
  return geometry;
}

/// The tensor map of what warpgroups multiply by, as an argument; null for all
/// other work.
Value KernelOutliner::addTensorMap(Body &body, Operation *op,
                                   Operation *clone) {
  auto linear = dyn_cast<LinearOp>(clone);
  if (!linear || !canUseWarpgroups(linear))
    return {};
  Value map =
      tensorMaps.find(body.host, body.loc, cast<LinearOp>(op).getWeight());
  return map ? body.addArgument(map) : Value();
}

LogicalResult KernelOutliner::outline(OpBuilder &builder,
                                      const KernelWork &work) {
  Operation *op = work.ops.front();
  Body body(builder, module, op->getLoc());
  SmallVector<Operation *> all(work.ops);
  llvm::append_range(all, work.scalars);
  for (Operation *next : all)
    if (failed(body.mapOperands(next)))
      return failure();
  if (failed(body.mapGuards(work.guards)))
    return failure();
  Value counts;
  if (work.counts)
    counts = *body.mapBuffer(work.counts);
  SmallVector<Operation *> clones;
  for (Operation *next : all)
    clones.push_back(body.builder.clone(*next, body.mapping));
  if (body.isAligned && isa<LinearOp, PanelAttentionOp>(op))
    clones.front()->setAttr(kAlignedAttr, body.builder.getUnitAttr());
  Value map = addTensorMap(body, op, clones.front());
  FailureOr<const Kernel *> kernel = finish(body, getKernelName(work.ops), [&] {
    return emit(body, work, clones, counts, map);
  });
  if (failed(kernel))
    return failure();
  gpu::LaunchFuncOp launched = launch(builder, **kernel, body.operands);
  KernelCost::compute(work.ops).attach(launched);
  if (!work.guards.empty())
    launched->setAttr(kGuardedAttr, builder.getUnitAttr());
  return success();
}

LogicalResult KernelOutliner::outlineScalars(OpBuilder &builder,
                                             ArrayRef<Operation *> ops,
                                             ArrayRef<Guard> guards) {
  Body body(builder, module, ops.front()->getLoc());
  for (Operation *op : ops)
    if (failed(body.mapOperands(op)))
      return failure();
  if (failed(body.mapGuards(guards)))
    return failure();
  body.enterGuards();
  for (Operation *op : ops)
    body.builder.clone(*op, body.mapping);
  FailureOr<const Kernel *> kernel =
      finish(body, "scalars", [] { return Geometry{/*threads=*/1}; });
  if (failed(kernel))
    return failure();
  launch(builder, **kernel, body.operands);
  return success();
}
