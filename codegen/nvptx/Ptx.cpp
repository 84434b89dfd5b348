//===- Ptx.cpp - From LLVM IR to the code of GPUs -------------------------===//
//
// Optimisation and emission for each chip, and the checks of what comes out.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Ptx.h"
#include "codegen/nvptx/Assembler.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr llvm::StringLiteral kTriple = "nvptx64-nvidia-cuda";
static constexpr uint64_t kMaxSharedBytes = 48 << 10;
static constexpr unsigned kSharedSpace = 3;
static constexpr unsigned kMinChip = 80;

static const llvm::Target *getTarget() {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  std::string message;
  return llvm::TargetRegistry::lookupTarget(llvm::Triple(kTriple), message);
}

bool mod::isGpuChip(StringRef chip) {
  const llvm::Target *target = getTarget();
  if (!target || !chip.starts_with("sm_"))
    return false;
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      target->createMCSubtargetInfo(llvm::Triple(kTriple), "", ""));
  return info->isCPUStringValid(chip);
}

bool mod::isGpuChipNewEnough(StringRef chip) {
  unsigned number = 0;
  return chip.consume_front("sm_") && !chip.consumeInteger(10, number) &&
         number >= kMinChip;
}

static std::unique_ptr<llvm::TargetMachine> createMachine(StringRef chip) {
  // Fences of tensor maps are younger than the chip.
  StringRef features = chip == "sm_90a" ? "+ptx83" : "";
  return std::unique_ptr<llvm::TargetMachine>(getTarget()->createTargetMachine(
      llvm::Triple(kTriple), chip, features, llvm::TargetOptions(),
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  // Kernels unroll what should be; more only takes registers.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, modules);
}

/// What nothing defines, the driver would refuse when it loads the kernels.
static llvm::Error checkDefined(const llvm::Module &module) {
  std::string names;
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty())
      names += (names.empty() ? "" : ", ") + function.getName().str();
  if (names.empty())
    return llvm::Error::success();
  return llvm::createStringError("need functions that nothing defines: " +
                                 names);
}

/// The functions that use a global, through constants too.
static void
collectFunctions(const llvm::Value &value,
                 llvm::SmallPtrSetImpl<const llvm::Function *> &to) {
  for (const llvm::User *user : value.users()) {
    if (auto *instruction = dyn_cast<llvm::Instruction>(user))
      to.insert(instruction->getFunction());
    else
      collectFunctions(*user, to);
  }
}

static llvm::Error checkShared(const llvm::Module &module) {
  llvm::DenseMap<const llvm::Function *, uint64_t> bytes;
  for (const llvm::GlobalVariable &global : module.globals()) {
    if (global.getAddressSpace() != kSharedSpace)
      continue;
    llvm::SmallPtrSet<const llvm::Function *, 4> functions;
    collectFunctions(global, functions);
    for (const llvm::Function *function : functions)
      bytes[function] +=
          module.getDataLayout().getTypeAllocSize(global.getValueType());
  }
  for (auto [function, size] : bytes)
    if (size > kMaxSharedBytes)
      return llvm::createStringError(
          "'" + function->getName() + "' needs " + llvm::Twine(size) +
          " bytes of static shared memory; GPUs have " +
          llvm::Twine(kMaxSharedBytes));
  return llvm::Error::success();
}

/// Bitcode that says how long it is: whoever loads it is given its address.
static std::string writeBitcode(const llvm::Module &module) {
  std::string bitcode, wrapped;
  llvm::raw_string_ostream os(bitcode), wrapper(wrapped);
  llvm::WriteBitcodeToFile(module, os);
  constexpr uint32_t magic = 0x0B17C0DE, headerBytes = 20;
  for (uint32_t field :
       {magic, 0u, headerBytes, uint32_t(bitcode.size()), 0u}) {
    char bytes[4];
    llvm::support::endian::write32le(bytes, field);
    wrapper.write(bytes, sizeof(bytes));
  }
  wrapper << bitcode;
  return wrapped;
}

static llvm::Expected<std::string> writePtx(const llvm::Module &module,
                                            StringRef chip) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(chip);
  std::unique_ptr<llvm::Module> copy = llvm::CloneModule(module);
  for (llvm::Function &function : *copy) {
    function.removeFnAttr("target-cpu");
    function.removeFnAttr("target-features");
  }
  SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("this LLVM cannot write PTX");
  passes.run(*copy);
  return std::string(text.data(), text.size());
}

llvm::Expected<SmallVector<GpuImage>>
mod::compileKernels(llvm::Module &kernels, ArrayRef<std::string> chips,
                    StringRef ptxas) {
  if (chips.empty() || !getTarget())
    return llvm::createStringError("no chip was given that LLVM knows");
  for (StringRef chip : chips)
    if (!isGpuChipNewEnough(chip))
      return llvm::createStringError("cannot be compiled for '" + chip +
                                     "'; expected sm_80 or later");
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(chips.front());
  kernels.setTargetTriple(machine->getTargetTriple());
  kernels.setDataLayout(machine->createDataLayout());
  optimize(kernels, *machine);
  if (llvm::Error error = checkDefined(kernels))
    return error;
  if (llvm::Error error = checkShared(kernels))
    return error;
  SmallVector<GpuImage> images = {
      {"llvm", chips.front(), writeBitcode(kernels), ""}};
  for (const std::string &chip : chips) {
    llvm::Expected<std::string> ptx = writePtx(kernels, chip);
    if (!ptx)
      return ptx.takeError();
    if (!ptxas.empty()) {
      llvm::Expected<Assembly> assembly = assemble(ptxas, chip, *ptx);
      if (!assembly)
        return assembly.takeError();
      images.push_back({"cubin", chip, assembly->code, assembly->warning,
                        std::move(assembly->registers)});
    }
    images.push_back({"ptx", chip, *ptx, ""});
  }
  return images;
}
