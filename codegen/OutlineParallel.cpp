//===- OutlineParallel.cpp - Parallel loops as calls of a pool --*- C++ -*-===//
//
// Makes the body of each scf.forall a function and hands it to the pool.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "dialect/Programs.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::mod {
#define GEN_PASS_DEF_OUTLINEPARALLELPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

/// Outlines the loops of one module.
class Outliner {
public:
  explicit Outliner(ModuleOp module)
      : context(module.getContext()), converter(context), symbols(module) {}

  LogicalResult outline(scf::ForallOp loop, Value pool);

private:
  LLVM::LLVMFuncOp createBody(scf::ForallOp loop, ArrayRef<Value> captured,
                              LLVM::LLVMStructType type);
  void createCall(scf::ForallOp loop, Value pool, LLVM::LLVMFuncOp body,
                  ArrayRef<Value> captured, LLVM::LLVMStructType type);

  MLIRContext *context;
  LLVMTypeConverter converter;
  SymbolTable symbols;
};

struct OutlineParallelPass
    : mod::impl::OutlineParallelPassBase<OutlineParallelPass> {
  void runOnOperation() override;
};

} // namespace

/// The functions that run parallel loops, themselves or by a call.
static SetVector<func::FuncOp>
findParallelFunctions(ModuleOp module, const SymbolUserMap &users) {
  SetVector<func::FuncOp> parallel;
  for (auto func : module.getOps<func::FuncOp>())
    if (func.walk([](scf::ForallOp) { return WalkResult::interrupt(); })
            .wasInterrupted())
      parallel.insert(func);
  for (size_t i = 0; i < parallel.size(); ++i)
    for (Operation *user : users.getUsers(parallel[i]))
      if (auto caller = user->getParentOfType<func::FuncOp>())
        parallel.insert(caller);
  return parallel;
}

/// Gives each of these functions the pool as its first argument, and passes it
/// on in calls.
static void threadPool(ModuleOp module, const SymbolUserMap &users,
                       ArrayRef<func::FuncOp> functions) {
  Builder builder(module.getContext());
  auto attrs = builder.getDictionaryAttr(
      builder.getNamedAttr(kRoleAttr, builder.getStringAttr(role::kPool)));
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  for (func::FuncOp func : functions)
    (void)func.insertArgument(0, pointer, attrs, func.getLoc());
  for (func::FuncOp func : functions) {
    for (Operation *user : users.getUsers(func)) {
      auto call = cast<func::CallOp>(user);
      auto caller = call->getParentOfType<func::FuncOp>();
      SmallVector<Value> operands = {caller.getArgument(0)};
      llvm::append_range(operands, call.getOperands());
      call.getOperandsMutable().assign(operands);
    }
  }
}

/// A value as the type that it has in the LLVM dialect, or back; later
/// conversions make these casts cancel out.
static Value cast(OpBuilder &builder, Location loc, Type type, Value value) {
  if (value.getType() == type)
    return value;
  return UnrealizedConversionCastOp::create(builder, loc, type, value)
      .getResult(0);
}

/// Clones constants that the loop uses into it, so that they need no capture.
static void sinkConstants(scf::ForallOp loop) {
  SetVector<Value> above;
  getUsedValuesDefinedAbove(loop.getRegion(), above);
  OpBuilder builder = OpBuilder::atBlockBegin(loop.getBody());
  for (Value value : above) {
    Operation *op = value.getDefiningOp();
    if (!op || !op->hasTrait<OpTrait::ConstantLike>())
      continue;
    Value clone = builder.clone(*op)->getResult(0);
    replaceAllUsesInRegionWith(value, clone, loop.getRegion());
  }
}

/// The body as a function of the context and the index.
LLVM::LLVMFuncOp Outliner::createBody(scf::ForallOp loop,
                                      ArrayRef<Value> captured,
                                      LLVM::LLVMStructType type) {
  Location loc = loop.getLoc();
  Type pointer = LLVM::LLVMPointerType::get(context);
  Type i64 = IntegerType::get(context, 64);
  auto parent = loop->getParentOfType<func::FuncOp>();
  OpBuilder builder(context);
  auto body = LLVM::LLVMFuncOp::create(
      builder, loc, (parent.getName() + ".body").str(),
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                  {pointer, i64}),
      LLVM::Linkage::Internal);
  symbols.insert(body);

  Block *entry = body.addEntryBlock(builder);
  builder.setInsertionPointToStart(entry);
  Value fields =
      LLVM::LoadOp::create(builder, loc, type, entry->getArgument(0));
  IRMapping mapping;
  for (auto [index, value] : llvm::enumerate(captured)) {
    Value field = LLVM::ExtractValueOp::create(builder, loc, fields, index);
    mapping.map(value, cast(builder, loc, value.getType(), field));
  }
  mapping.map(loop.getInductionVars().front(),
              arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                         entry->getArgument(1)));
  for (Operation &op : loop.getBody()->without_terminator())
    builder.clone(op, mapping);
  LLVM::ReturnOp::create(builder, loc, ValueRange());
  return body;
}

LogicalResult Outliner::outline(scf::ForallOp loop, Value pool) {
  if (loop.getRank() != 1 || !loop.getOutputs().empty() || !loop.isNormalized())
    return loop.emitOpError("must count from 0 in steps of 1 in one dimension, "
                            "over buffers, to run on the pool");
  sinkConstants(loop);
  SetVector<Value> captured;
  getUsedValuesDefinedAbove(loop.getRegion(), captured);
  SmallVector<Type> types;
  for (Value value : captured) {
    types.push_back(converter.convertType(value.getType()));
    if (!types.back())
      return loop.emitOpError("captures a value of type ")
             << value.getType() << ", which has no form in LLVM";
  }
  auto type = LLVM::LLVMStructType::getLiteral(context, types);
  LLVM::LLVMFuncOp body = createBody(loop, captured.getArrayRef(), type);
  createCall(loop, pool, body, captured.getArrayRef(), type);
  loop.erase();
  return success();
}

/// Stores the captured values in a structure on the stack and runs the body.
void Outliner::createCall(scf::ForallOp loop, Value pool, LLVM::LLVMFuncOp body,
                          ArrayRef<Value> captured, LLVM::LLVMStructType type) {

  Location loc = loop.getLoc();
  auto parent = loop->getParentOfType<func::FuncOp>();
  Type pointer = pool.getType();
  OpBuilder builder = OpBuilder::atBlockBegin(&parent.getBody().front());
  Value one =
      LLVM::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(1));
  Value slot = LLVM::AllocaOp::create(builder, loc, pointer, type, one);

  builder.setInsertionPoint(loop);
  Value fields = LLVM::UndefOp::create(builder, loc, type);
  for (auto [index, value] : llvm::enumerate(captured))
    fields = LLVM::InsertValueOp::create(
        builder, loc, fields, cast(builder, loc, type.getBody()[index], value),
        index);
  LLVM::StoreOp::create(builder, loc, fields, slot);
  Value count = getValueOrCreateConstantIndexOp(
      builder, loc, loop.getMixedUpperBound().front());
  count = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), count);
  Value callee = LLVM::LoadOp::create(builder, loc, pointer, pool);
  Value function = LLVM::AddressOfOp::create(builder, loc, body);
  auto signature = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(context),
      {pointer, pointer, pointer, builder.getI64Type()});
  LLVM::CallOp::create(builder, loc, signature,
                       ValueRange{callee, pool, function, slot, count});
}

void OutlineParallelPass::runOnOperation() {
  ModuleOp module = getOperation();
  SymbolTableCollection tables;
  SymbolUserMap users(tables, module);
  SetVector<func::FuncOp> functions = findParallelFunctions(module, users);
  threadPool(module, users, functions.getArrayRef());
  Outliner outliner(module);
  for (func::FuncOp func : functions) {
    SmallVector<scf::ForallOp> loops;
    func.walk([&](scf::ForallOp loop) { loops.push_back(loop); });
    for (scf::ForallOp loop : loops)
      if (failed(outliner.outline(loop, func.getArgument(0))))
        return signalPassFailure();
  }
}
