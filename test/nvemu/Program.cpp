//===- Program.cpp - Kernels as code of the host --------------------------===//
//
// Takes the LLVM IR that PTX is selected from. Shared memory becomes a window
// of each block, intrinsics become calls, and LLVM compiles the rest.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/Emulator.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/ReplaceConstant.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/TargetSelect.h"

#include <cstring>

using namespace llvm;
using namespace nvemu;

namespace {

constexpr unsigned kSharedSpace = 3;
constexpr uint64_t kVectorAlignment = 16;

bool isKernel(const Function &function) {
  return function.getCallingConv() == CallingConv::PTX_Kernel;
}

/// Rewrites a module of NVPTX for the host.
class Retargeting {
public:
  explicit Retargeting(Module &module);

  void run();
  size_t getSharedBytes(Function &kernel) { return sharedBytes[&kernel]; }
  bool isParallel(Function &kernel) { return parallel.count(&kernel); }
  std::vector<Function *> kernels;

private:
  void placeShared();
  void placeGlobal(GlobalVariable &global, FunctionCallee window);
  void checkAccesses();
  void checkAccess(Instruction &instruction);
  void replaceCall(CallInst &call);
  bool replaceIntrinsic(CallInst &call, StringRef name);
  void replaceByCall(CallInst &call, void *function);
  bool replaceCopy(CallInst &call, StringRef name);
  bool replaceOrder(CallInst &call, StringRef name);
  bool replaceProduct(CallInst &call, StringRef text);
  void replaceWarpOp(CallInst &call, const WarpOp &op,
                     ArrayRef<Value *> arguments);
  Value *toSlot(IRBuilder<> &b, Value *value);
  Value *fromSlot(IRBuilder<> &b, Value *slots, unsigned index, Type *type);
  void createEntry(Function &kernel);

  FunctionCallee declare(StringRef name, Type *result, ArrayRef<Type *> types) {
    return module.getOrInsertFunction(name,
                                      FunctionType::get(result, types, false));
  }
  Value *flat(IRBuilder<> &b, Value *address) {
    return b.CreateAddrSpaceCast(address, pointer);
  }
  Value *constant(const void *address) {
    return ConstantExpr::getIntToPtr(
        ConstantInt::get(i64, reinterpret_cast<uintptr_t>(address)), pointer);
  }

  Module &module;
  LLVMContext &context;
  Type *i32, *i64, *nothing;
  PointerType *pointer;
  DenseMap<Function *, size_t> sharedBytes;
  DenseSet<Function *> parallel;
  std::string unknown;
  int sites = 0;
};

} // namespace

Retargeting::Retargeting(Module &module)
    : module(module), context(module.getContext()),
      i32(Type::getInt32Ty(context)), i64(Type::getInt64Ty(context)),
      nothing(Type::getVoidTy(context)), pointer(PointerType::get(context, 0)) {
  for (Function &function : module)
    if (isKernel(function))
      kernels.push_back(&function);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Uses of shared memory become places of the block's window.
void Retargeting::placeShared() {
  std::vector<GlobalVariable *> globals;
  std::vector<Constant *> constants;
  for (GlobalVariable &global : module.globals())
    if (global.getAddressSpace() == kSharedSpace) {
      globals.push_back(&global);
      constants.push_back(&global);
    }
  if (globals.empty())
    return;
  convertUsersOfConstantsToInstructions(constants);
  FunctionCallee window = declare("nvemu_shared", pointer, {});
  for (GlobalVariable *global : globals)
    placeGlobal(*global, window);
}

/// Aligned as far as the module says, and no further: what relies on more is
/// found out.
void Retargeting::placeGlobal(GlobalVariable &global, FunctionCallee window) {
  const DataLayout &layout = module.getDataLayout();
  uint64_t alignment = std::max(global.getAlign().valueOrOne(),
                                layout.getABITypeAlign(global.getValueType()))
                           .value();
  DenseMap<Function *, Value *> places;
  for (Use &use : make_early_inc_range(global.uses())) {
    auto *user = dyn_cast<Instruction>(use.getUser());
    if (!user)
      stop("shared memory is used by a constant");
    Function *function = user->getFunction();
    Value *&place = places[function];
    if (!place) {
      size_t &bytes = sharedBytes[function];
      bytes = alignTo(bytes, alignment);
      if (alignment < 128 && bytes % (2 * alignment) == 0)
        bytes += alignment;
      IRBuilder<> b(&*function->getEntryBlock().getFirstInsertionPt());
      Value *address =
          b.CreateConstGEP1_64(b.getInt8Ty(), b.CreateCall(window), bytes);
      place = b.CreateAddrSpaceCast(address, global.getType());
      bytes += layout.getTypeAllocSize(global.getValueType());
    }
    use.set(place);
  }
  global.eraseFromParent();
}

/// Whether this is a table of the module or memory of one thread.
static bool isConstantOrFrame(const Value *object) {
  auto *global = dyn_cast<GlobalVariable>(object);
  return isa<AllocaInst>(object) ||
         (global && global->getAddressSpace() != kSharedSpace);
}

void Retargeting::checkAccess(Instruction &instruction) {
  Value *address = nullptr;
  Type *type = nullptr;
  Align alignment;
  bool writes = false;
  if (auto *load = dyn_cast<LoadInst>(&instruction)) {
    address = load->getPointerOperand();
    type = load->getType();
    alignment = load->getAlign();
  } else if (auto *store = dyn_cast<StoreInst>(&instruction)) {
    address = store->getPointerOperand();
    type = store->getValueOperand()->getType();
    alignment = store->getAlign();
    writes = true;
  }
  if (!address || isConstantOrFrame(getUnderlyingObject(address)))
    return;
  // Vectors are always checked: others are aligned wherever buffers begin.
  bool checksAll = Faults::get().races || Faults::get().bounds;
  if (!checksAll && alignment.value() < kVectorAlignment)
    return;
  bool isShared = address->getType()->getPointerAddressSpace() == kSharedSpace;
  FunctionCallee check =
      declare("nvemu_access", nothing, {pointer, i32, i32, i32, i32});
  IRBuilder<> b(&instruction);
  b.CreateCall(check,
               {flat(b, address),
                b.getInt32(module.getDataLayout().getTypeStoreSize(type)),
                b.getInt32(writes), b.getInt32(isShared),
                b.getInt32(alignment.value())});
}

void Retargeting::checkAccesses() {
  for (Function *kernel : kernels)
    for (BasicBlock &block : *kernel)
      for (Instruction &instruction : make_early_inc_range(block))
        checkAccess(instruction);
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// A value as 8 bytes.
Value *Retargeting::toSlot(IRBuilder<> &b, Value *value) {
  if (value->getType()->isPointerTy())
    return b.CreatePtrToInt(flat(b, value), i64);
  unsigned bits = value->getType()->getPrimitiveSizeInBits();
  if (!value->getType()->isIntegerTy())
    value = b.CreateBitCast(value, b.getIntNTy(bits));
  return b.CreateZExt(value, i64);
}

Value *Retargeting::fromSlot(IRBuilder<> &b, Value *slots, unsigned index,
                             Type *type) {
  Value *value = b.CreateLoad(i64, b.CreateConstGEP1_64(i64, slots, index));
  value = b.CreateTrunc(value, b.getIntNTy(type->getPrimitiveSizeInBits()));
  return type->isIntegerTy() ? value : b.CreateBitCast(value, type);
}

void Retargeting::replaceWarpOp(CallInst &call, const WarpOp &op,
                                ArrayRef<Value *> arguments) {
  parallel.insert(call.getFunction());
  FunctionCallee wait =
      declare("nvemu_warp", nothing, {pointer, pointer, pointer, i32});
  IRBuilder<> entry(
      &*call.getFunction()->getEntryBlock().getFirstInsertionPt());
  Type *type = call.getType();
  unsigned count = arguments.size(), numResults = 2;
  if (auto *structure = dyn_cast<StructType>(type))
    numResults = std::max(numResults, structure->getNumElements());
  Value *slots = entry.CreateAlloca(ArrayType::get(i64, count + numResults));
  IRBuilder<> b(&call);
  for (unsigned i = 0; i < count; ++i)
    b.CreateStore(toSlot(b, arguments[i]), b.CreateConstGEP1_64(i64, slots, i));
  Value *results = b.CreateConstGEP1_64(i64, slots, count);
  b.CreateCall(wait, {constant(&op), slots, results, b.getInt32(++sites)});
  Value *result = nullptr;
  if (auto *structure = dyn_cast<StructType>(type)) {
    result = PoisonValue::get(structure);
    for (auto [i, field] : enumerate(structure->elements()))
      result = b.CreateInsertValue(result, fromSlot(b, results, i, field), i);
  } else if (!type->isVoidTy()) {
    result = fromSlot(b, results, 0, type);
  }
  if (result)
    call.replaceAllUsesWith(result);
}

bool Retargeting::replaceCopy(CallInst &call, StringRef name) {
  IRBuilder<> b(&call);
  parallel.insert(call.getFunction());
  if (name == "cp.async.commit.group") {
    b.CreateCall(declare("nvemu_commit", nothing, {}));
    return true;
  }
  FunctionCallee wait = declare("nvemu_wait", nothing, {i32});
  if (name == "cp.async.wait.group" || name == "cp.async.wait.all") {
    b.CreateCall(
        wait, {name.ends_with("all") ? b.getInt32(0) : call.getArgOperand(0)});
    return true;
  }
  bool isPartial = name.consume_back(".s");
  int bytes;
  if (!name.contains(".shared.global.") ||
      name.rsplit('.').second.getAsInteger(10, bytes))
    return false;
  FunctionCallee copy =
      declare("nvemu_copy", nothing, {pointer, pointer, i32, i32});
  b.CreateCall(copy, {flat(b, call.getArgOperand(0)),
                      flat(b, call.getArgOperand(1)), b.getInt32(bytes),
                      isPartial ? call.getArgOperand(2) : b.getInt32(bytes)});
  return true;
}

/// What orders products of warpgroups.
bool Retargeting::replaceOrder(CallInst &call, StringRef name) {
  IRBuilder<> b(&call);
  if (name == "wgmma.wait_group.sync.aligned") {
    b.CreateCall(declare("nvemu_product_wait", nothing, {i64}),
                 {call.getArgOperand(0)});
    return true;
  }
  StringRef function =
      StringSwitch<StringRef>(name)
          .Case("fence.proxy.async.shared_cta", "nvemu_proxy_fence")
          .Case("wgmma.fence.sync.aligned", "nvemu_product_fence")
          .Case("wgmma.commit_group.sync.aligned", "nvemu_product_commit")
          .Default("");
  if (function.empty())
    return false;
  b.CreateCall(declare(function, nothing, {}));
  return true;
}

/// A product of warpgroups in the form that NVVM gives it: sums, descriptors,
/// whether sums are added to, signs, and whether operands are transposed.
bool Retargeting::replaceProduct(CallInst &call, StringRef text) {
  Regex product("wgmma\\.mma_async\\.sync\\.aligned\\.m64n([0-9]+)k16\\.f32"
                "\\.(bf16|f16)\\.");
  SmallVector<StringRef> match;
  unsigned columns;
  if (!product.match(text, &match) || match[1].getAsInteger(10, columns))
    return false;
  SmallVector<Value *> arguments(call.args());
  constexpr int64_t flags[] = {1, 1, 1, 0, 0};
  unsigned sums = columns / 2, first = sums + 2;
  if (arguments.size() != first + std::size(flags))
    return false;
  for (auto [i, flag] : enumerate(flags)) {
    auto *constant = dyn_cast<ConstantInt>(arguments[first + i]);
    if (!constant || constant->getSExtValue() != flag)
      return false;
  }
  SmallVector<Value *> ordered = {ConstantInt::get(i64, columns),
                                  arguments[sums], arguments[sums + 1]};
  ordered.append(arguments.begin(), arguments.begin() + sums);
  replaceWarpOp(call, *findGroupOp(match[2].str()), ordered);
  return true;
}

/// Whether the intrinsic is known.
bool Retargeting::replaceIntrinsic(CallInst &call, StringRef name) {
  IRBuilder<> b(&call);
  StringRef rest = name;
  if (rest.consume_front("read.ptx.sreg.")) {
    int number = findRegister(rest.str());
    FunctionCallee read = declare("nvemu_register", i32, {i32});
    if (rest == "warpsize")
      call.replaceAllUsesWith(b.getInt32(32));
    else if (number >= 0)
      call.replaceAllUsesWith(b.CreateCall(read, {b.getInt32(number)}));
    return rest == "warpsize" || number >= 0;
  }
  if (name == "barrier0" || name.starts_with("barrier.cta.sync.aligned.all")) {
    parallel.insert(call.getFunction());
    b.CreateCall(declare("nvemu_barrier", nothing, {i32}),
                 {b.getInt32(++sites)});
    return true;
  }
  if (void *function = findBarrierFunction(name.str())) {
    parallel.insert(call.getFunction());
    replaceByCall(call, function);
    return true;
  }
  if (name.starts_with("cp.async."))
    return replaceCopy(call, name);
  if (const WarpOp *op = findWarpOp(name.str())) {
    replaceWarpOp(call, *op, SmallVector<Value *>(call.args()));
    return true;
  }
  if (replaceOrder(call, name))
    return true;
  void *function = findScalarFunction(name.str());
  if (function)
    replaceByCall(call, function);
  return function;
}

/// A function that takes what the intrinsic does.
void Retargeting::replaceByCall(CallInst &call, void *function) {
  IRBuilder<> b(&call);
  call.replaceAllUsesWith(b.CreateCall(call.getFunctionType(),
                                       constant(function),
                                       SmallVector<Value *>(call.args())));
}

void Retargeting::replaceCall(CallInst &call) {
  if (call.isInlineAsm()) {
    StringRef text = cast<InlineAsm>(call.getCalledOperand())->getAsmString();
    if (replaceProduct(call, text))
      call.eraseFromParent();
    else
      unknown += "\n  asm: " + text.str();
    return;
  }
  Function *callee = call.getCalledFunction();
  if (!callee)
    return;
  StringRef name = callee->getName();
  bool isDefined = !callee->isDeclaration() || name.starts_with("nvemu_");
  if (name.consume_front("llvm.nvvm.")) {
    if (replaceIntrinsic(call, name))
      call.eraseFromParent();
    else
      unknown += "\n  " + callee->getName().str();
  } else if (!isDefined && !callee->isIntrinsic()) {
    unknown += "\n  " + name.str();
  }
}

/// The kernel with its arguments behind addresses, as launches have them.
void Retargeting::createEntry(Function &kernel) {
  auto *entry = Function::Create(FunctionType::get(nothing, {pointer}, false),
                                 Function::ExternalLinkage,
                                 "nvemu_entry_" + kernel.getName(), module);
  IRBuilder<> b(BasicBlock::Create(context, "", entry));
  SmallVector<Value *> arguments;
  for (Argument &argument : kernel.args()) {
    Value *slot =
        b.CreateConstGEP1_32(pointer, entry->getArg(0), argument.getArgNo());
    arguments.push_back(
        b.CreateLoad(argument.getType(), b.CreateLoad(pointer, slot)));
  }
  b.CreateCall(&kernel, arguments);
  b.CreateRetVoid();
}

void Retargeting::run() {
  checkAccesses();
  placeShared();
  for (Function &function : module)
    for (BasicBlock &block : function)
      for (Instruction &instruction : make_early_inc_range(block))
        if (auto *call = dyn_cast<CallInst>(&instruction))
          replaceCall(*call);
  if (!unknown.empty())
    stop("not emulated:%s", unknown.c_str());
  for (Function &function : module) {
    function.removeFnAttr("target-cpu");
    function.removeFnAttr("target-features");
    if (!function.isIntrinsic())
      function.setCallingConv(CallingConv::C);
  }
  for (Function *kernel : kernels)
    createEntry(*kernel);
  std::string problems;
  raw_string_ostream stream(problems);
  if (verifyModule(module, &stream))
    stop("cannot run this module: %s", problems.c_str());
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

struct Program::Code {
  std::string image;
  std::unique_ptr<orc::LLJIT> jit;

  std::unique_ptr<Module> parse(LLVMContext &context) const;
  std::unique_ptr<Module> extract(LLVMContext &context, StringRef name) const;
};

template <typename T>
static T take(Expected<T> value, const char *what) {
  if (!value)
    stop("%s: %s", what, toString(value.takeError()).c_str());
  return std::move(*value);
}

static std::string copyImage(const void *image) {
  uint32_t header[5];
  memcpy(header, image, sizeof(header));
  if (header[0] != 0x0B17C0DE)
    stop("the image is not LLVM IR");
  return {static_cast<const char *>(image), header[2] + header[3]};
}

/// Without the bodies of functions.
std::unique_ptr<Module> Program::Code::parse(LLVMContext &context) const {
  return take(getLazyBitcodeModule(MemoryBufferRef(image, "kernels"), context),
              "the image");
}

/// The module with one kernel alone.
std::unique_ptr<Module> Program::Code::extract(LLVMContext &context,
                                               StringRef name) const {
  std::unique_ptr<Module> module = parse(context);
  for (Function &function : make_early_inc_range(*module))
    if (isKernel(function) && function.getName() != name)
      function.eraseFromParent();
  if (Error error = module->materializeAll())
    stop("the image: %s", toString(std::move(error)).c_str());
  for (GlobalValue &value : module->global_values())
    if (!value.isDeclaration())
      value.setLinkage(GlobalValue::InternalLinkage);
  return module;
}

/// What the host's library for narrow floats may lack.
static uint16_t roundToBF16(float number) {
  uint32_t bits;
  memcpy(&bits, &number, 4);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// Narrow floats are returned in the low bits of a vector register, as a double
/// is.
static double truncateToBF16(float number) {
  uint64_t bits = roundToBF16(number);
  double result;
  memcpy(&result, &bits, sizeof(result));
  return result;
}

/// Compiles fast rather than well: kernels run once or a few times.
static orc::JITTargetMachineBuilder getHost() {
  auto host = take(orc::JITTargetMachineBuilder::detectHost(), "the host");
  host.setCodeGenOptLevel(CodeGenOptLevel::None);
  return host;
}

static void define(orc::LLJIT &jit) {
  auto entryPoints = getEntryPoints();
  entryPoints.emplace_back("__truncsfbf2",
                           reinterpret_cast<void *>(truncateToBF16));
  orc::SymbolMap symbols;
  for (auto &[name, address] : entryPoints)
    symbols[jit.mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(address),
                                          JITSymbolFlags::Exported |
                                              JITSymbolFlags::Callable};
  orc::JITDylib &library = jit.getMainJITDylib();
  if (Error error = library.define(orc::absoluteSymbols(std::move(symbols))))
    stop("%s", toString(std::move(error)).c_str());
  library.addGenerator(
      take(orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
               jit.getDataLayout().getGlobalPrefix()),
           "symbols"));
}

Program::Program(const void *image) : code(std::make_unique<Code>()) {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  code->image = copyImage(image);
  code->jit =
      take(orc::LLJITBuilder().setJITTargetMachineBuilder(getHost()).create(),
           "the compiler");
  define(*code->jit);
  LLVMContext context;
  std::unique_ptr<Module> module = code->parse(context);
  for (const Function &function : *module)
    if (isKernel(function)) {
      std::string name = function.getName().str();
      kernels[name] = {name, this, function.arg_size()};
    }
}

void Program::compile(Kernel &kernel) {
  orc::LLJIT &jit = *code->jit;
  auto context = std::make_unique<LLVMContext>();
  std::unique_ptr<Module> module = code->extract(*context, kernel.name);
  module->setTargetTriple(jit.getTargetTriple());
  module->setDataLayout(jit.getDataLayout());
  Retargeting retargeting(*module);
  retargeting.run();
  Function &function = *retargeting.kernels.front();
  kernel.sharedBytes = retargeting.getSharedBytes(function);
  kernel.isParallel = retargeting.isParallel(function);
  if (Error error = jit.addIRModule(
          orc::ThreadSafeModule(std::move(module), std::move(context))))
    stop("%s", toString(std::move(error)).c_str());
  kernel.entry =
      take(jit.lookup("nvemu_entry_" + kernel.name), kernel.name.c_str())
          .toPtr<void (*)(void **)>();
}

Program::~Program() = default;

Kernel *Program::find(const std::string &name) {
  auto found = kernels.find(name);
  return found == kernels.end() ? nullptr : &found->second;
}
