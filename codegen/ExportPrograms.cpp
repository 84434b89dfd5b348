//===- ExportPrograms.cpp - Programs behind the runtime's ABI ---*- C++ -*-===//
//
// Wraps each program as a function of a modrt_call.
//
//===----------------------------------------------------------------------===//

#include "codegen/Descriptor.h"
#include "codegen/Passes.h"
#include "dialect/Programs.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::mod {
#define GEN_PASS_DEF_EXPORTPROGRAMSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

/// The fields of modrt_call (runtime/modrt.h), in order, by the role of the
/// argument that they feed.
constexpr llvm::StringLiteral kCallFields[] = {
    role::kPool,      role::kWeights, role::kArena, role::kCaches,
    role::kLengths,   role::kTokens,  role::kCount, role::kStart,
    role::kFrom,      role::kLogits,  role::kTrace, role::kSequences,
    role::kPositions, role::kDevice,  role::kNext,  role::kChoice};

/// Builds one wrapper.
class Wrapper {
public:
  Wrapper(OpBuilder &builder, func::FuncOp program,
          const LLVMTypeConverter &converter)
      : builder(builder), program(program), converter(converter),
        loc(program.getLoc()) {}

  LogicalResult create();

private:
  FailureOr<Value> createArgument(BlockArgument argument);
  Value getField(StringRef role);
  Value loadField(StringRef role, Type type);

  OpBuilder &builder;
  func::FuncOp program;
  const LLVMTypeConverter &converter;
  Location loc;
  Value call;
};

struct ExportProgramsPass
    : mod::impl::ExportProgramsPassBase<ExportProgramsPass> {
  using ExportProgramsPassBase::ExportProgramsPassBase;
  void runOnOperation() override;
};

} // namespace

/// Whether a field of the call is a number, and not the address of memory.
static bool isNumber(StringRef role) {
  return llvm::is_contained({role::kCount, role::kStart, role::kFrom}, role);
}

static LLVM::LLVMStructType getCallType(MLIRContext *context) {
  Type pointer = LLVM::LLVMPointerType::get(context);
  Type i64 = IntegerType::get(context, 64);
  SmallVector<Type> fields(std::size(kCallFields), pointer);
  for (auto [field, role] : llvm::zip_equal(fields, kCallFields))
    if (isNumber(role))
      field = i64;
  return LLVM::LLVMStructType::getLiteral(context, fields);
}

Value Wrapper::getField(StringRef role) {
  int32_t index = llvm::find(kCallFields, role) - std::begin(kCallFields);
  return LLVM::GEPOp::create(builder, loc, call.getType(),
                             getCallType(builder.getContext()), call,
                             ArrayRef<LLVM::GEPArg>{0, index});
}

Value Wrapper::loadField(StringRef role, Type type) {
  return LLVM::LoadOp::create(builder, loc, type, getField(role));
}

/// One argument of the program, made from the field of its role.
FailureOr<Value> Wrapper::createArgument(BlockArgument argument) {
  StringRef role =
      program.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kRoleAttr);
  Type type = argument.getType();
  Type pointer = call.getType();
  if (role == role::kHasTrace || role == role::kHasLogits) {
    Value memory = loadField(
        role == role::kHasTrace ? role::kTrace : role::kLogits, pointer);
    Value null = LLVM::ZeroOp::create(builder, loc, pointer);
    return Value(LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne,
                                      memory, null));
  }
  if (!llvm::is_contained(kCallFields, role))
    return program.emitOpError("has an argument of unknown role '")
           << role << "'";
  if (isa<IndexType>(type)) {
    Value field = loadField(role, builder.getI64Type());
    return Value(arith::IndexCastOp::create(builder, loc, type, field));
  }
  // A number that is wanted in memory is there already.
  Value field = isNumber(role) ? getField(role) : loadField(role, pointer);
  auto memref = dyn_cast<MemRefType>(type);
  if (!memref)
    return field;
  Value descriptor =
      MemRefDescriptor::fromStaticShape(builder, loc, converter, memref, field);
  return UnrealizedConversionCastOp::create(builder, loc, type, descriptor)
      .getResult(0);
}

LogicalResult Wrapper::create() {
  MLIRContext *context = builder.getContext();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                          LLVM::LLVMPointerType::get(context));
  auto wrapper =
      LLVM::LLVMFuncOp::create(builder, loc, getWrapperName(program.getName()),
                               type, LLVM::Linkage::Internal);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(wrapper.addEntryBlock(builder));
  call = wrapper.getArgument(0);
  SmallVector<Value> arguments;
  for (BlockArgument argument : program.getArguments()) {
    FailureOr<Value> value = createArgument(argument);
    if (failed(value))
      return failure();
    arguments.push_back(*value);
  }
  func::CallOp::create(builder, loc, program, arguments);
  LLVM::ReturnOp::create(builder, loc, ValueRange());
  return success();
}

/// Roles have served; what translates functions to LLVM IR knows none.
static void dropRoles(ModuleOp module) {
  StringAttr role = StringAttr::get(module.getContext(), kRoleAttr);
  for (auto func : module.getOps<func::FuncOp>())
    for (unsigned index : llvm::seq(func.getNumArguments()))
      func.removeArgAttr(index, role);
}

void ExportProgramsPass::runOnOperation() {
  ModuleOp module = getOperation();
  LLVMTypeConverter converter(&getContext());
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  for (func::FuncOp program : getPrograms(module)) {
    if (!llvm::is_contained({"forward", "prefill", "decode", "decode_batch"},
                            program.getName()))
      continue;
    program.setPrivate();
    if (failed(Wrapper(builder, program, converter).create()))
      return signalPassFailure();
  }
  dropRoles(module);
  DescriptorOptions options{producer, target, features, weightsFile};
  if (failed(createDescriptor(builder, module, options)))
    signalPassFailure();
}
