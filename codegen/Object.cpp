//===- Object.cpp - From the LLVM dialect to machine code -------*- C++ -*-===//
//
// Translation, optimisation and emission, all in process.
//
//===----------------------------------------------------------------------===//

#include "codegen/Object.h"
#include "codegen/Descriptor.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr llvm::StringLiteral kTriple = "x86_64-unknown-linux-gnu";

/// `+a,-b` for what this machine has and lacks: its name alone promises too
/// much inside a virtual machine.
static std::string getNativeFeatures() {
  std::string features;
  for (const auto &[name, enabled] : llvm::sys::getHostCPUFeatures())
    features += (features.empty() ? "" : ",") +
                std::string(enabled ? "+" : "-") + name.str();
  return features;
}

static bool hasFeature(const llvm::TargetMachine &machine, StringRef feature) {
  return machine.getMCSubtargetInfo()->checkFeatures(("+" + feature).str());
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
mod::createTargetMachine(StringRef cpu) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple(kTriple);
  std::string message;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return llvm::createStringError("this LLVM cannot generate x86-64 code: " +
                                   message);
  bool native = cpu == "native";
  std::string name = native ? llvm::sys::getHostCPUName().str() : cpu.str();
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      target->createMCSubtargetInfo(triple, "", ""));
  if (!info->isCPUStringValid(name))
    return llvm::createStringError(
        "unknown CPU '" + name +
        "'; expected native, x86-64, x86-64-v3, x86-64-v4 or a name that "
        "clang's -march knows");
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, name, native ? getNativeFeatures() : "", llvm::TargetOptions(),
      llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!hasFeature(*machine, "64bit"))
    return llvm::createStringError("CPU '" + name + "' has no 64-bit mode");
  return machine;
}

/// The widest vectors that kernels are written for.
static unsigned getVectorBits(const llvm::TargetMachine &machine) {
  if (hasFeature(machine, "avx512f") && hasFeature(machine, "avx512vl"))
    return 512;
  return hasFeature(machine, "avx2") && hasFeature(machine, "fma") ? 256 : 128;
}

/// KiB of the second level cache of a core (Intel's and AMD's optimisation
/// manuals); 0 for what is not one kind of core.
static int64_t getLevel2KiB(StringRef cpu) {
  return llvm::StringSwitch<int64_t>(cpu)
      .Cases({"haswell", "broadwell", "skylake"}, 256)
      .Cases({"znver1", "znver2", "znver3"}, 512)
      .Cases({"znver4", "znver5"}, 1024)
      .Cases({"skylake-avx512", "cascadelake", "cooperlake"}, 1024)
      .Cases({"icelake-server", "tigerlake", "alderlake"}, 1280)
      .Cases({"sapphirerapids", "emeraldrapids", "graniterapids"}, 2048)
      .Default(0);
}

/// Intel's cores with AMX start `vdpbf16ps` every other cycle, while they start
/// two multiply-adds of f32 in each (measured on Emerald Rapids): f32 is twice
/// as fast without tiles.
static bool hasSlowBF16Dot(StringRef cpu) {
  return cpu == "sapphirerapids" || cpu == "emeraldrapids" ||
         cpu.starts_with("graniterapids");
}

CpuTarget mod::getCpuTarget(const llvm::TargetMachine &machine) {
  CpuTarget target = CpuTarget::get(getVectorBits(machine));
  if (target.vectorBits == 512) {
    bool hasBF16 = hasFeature(machine, "avx512bf16");
    target.hasBF16Dot = hasBF16 && !hasSlowBF16Dot(machine.getTargetCPU());
    target.hasByteDot = hasFeature(machine, "avx512vnni");
    if (hasBF16 && hasFeature(machine, "amx-tile") &&
        hasFeature(machine, "amx-bf16") && hasFeature(machine, "amx-int8"))
      target.addTiles();
  }
  if (int64_t kibibytes = getLevel2KiB(machine.getTargetCPU()))
    target.level2Bytes = kibibytes * 1024;
  return target;
}

std::string mod::getFeatures(const llvm::TargetMachine &machine) {
  std::string features;
  for (StringRef feature :
       {"sse3",       "ssse3",      "sse4.1",   "sse4.2",   "popcnt",
        "avx",        "avx2",       "fma",      "bmi",      "bmi2",
        "avx512f",    "avx512vl",   "avx512bw", "avx512dq", "avx512cd",
        "avx512bf16", "avx512vnni", "amx-tile", "amx-bf16", "amx-int8"})
    if (hasFeature(machine, feature))
      features += (features.empty() ? "" : ",") + feature.str();
  return features;
}

/// Runs the pipeline of -O2 for this machine.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  // Kernels have the unrolled loops that they need.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

llvm::Expected<std::unique_ptr<llvm::Module>>
mod::translateToLLVM(ModuleOp module, llvm::LLVMContext &context,
                     llvm::TargetMachine &machine) {
  registerBuiltinDialectTranslation(*module->getContext());
  registerLLVMDialectTranslation(*module->getContext());
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(
      module, context, module.getName().value_or("model"));
  if (!result)
    return llvm::createStringError("the program has no translation to LLVM IR");
  result->setTargetTriple(machine.getTargetTriple());
  result->setDataLayout(machine.createDataLayout());
  for (llvm::Function &function : *result) {
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("target-features", machine.getTargetFeatureString());
    // A model exports one symbol; two models may live in one process.
    if (!function.isDeclaration() && function.getName() != kQueryFunction)
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
    // A copy of a kernel in each layer would only take time to compile.
    if (function.hasNUsesOrMore(2))
      function.addFnAttr(llvm::Attribute::NoInline);
  }
  optimize(*result, machine);
  return std::move(result);
}

llvm::Error mod::emitCode(llvm::Module &module, llvm::TargetMachine &machine,
                          llvm::CodeGenFileType type,
                          llvm::raw_pwrite_stream &stream) {
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
    return llvm::createStringError("this LLVM cannot write that kind of file");
  passes.run(module);
  stream.flush();
  return llvm::Error::success();
}
