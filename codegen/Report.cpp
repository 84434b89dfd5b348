//===- Report.cpp - The budget report ---------------------------*- C++ -*-===//
//
// What a compiled model costs: FLOPs, weights, arena, caches.
//
//===----------------------------------------------------------------------===//

#include "codegen/Report.h"
#include "codegen/nvptx/KernelCosts.h"
#include "codegen/weights/PreparedWeights.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "passes/Budget.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::mod;

static int64_t getInt(Attribute attr) {
  auto integer = dyn_cast_or_null<IntegerAttr>(attr);
  return integer ? integer.getInt() : 0;
}

/// What each program needs of the arena; zero before there is one.
static void addArenas(ModuleOp module, llvm::json::Object &report) {
  for (func::FuncOp program : getPrograms(module))
    if (llvm::json::Object *run = report.getObject(program.getName()))
      (*run)["arena_bytes"] = getInt(program->getAttr("mod.arena_bytes"));
  report["arena_bytes"] = getInt(module->getAttr("mod.arena_bytes"));
}

/// How many kernels each program launches, where it runs on a GPU. Branches of
/// the host are those of a trace, which is seldom wanted.
static void addLaunches(ModuleOp module, llvm::json::Object &report) {
  for (func::FuncOp program : getPrograms(module)) {
    auto launches = program.getOps<gpu::LaunchFuncOp>();
    llvm::json::Object *run = report.getObject(program.getName());
    if (run && !launches.empty())
      (*run)["launches"] = int64_t(llvm::range_size(launches));
    if (run && !launches.empty() && program.getName() == "decode")
      report["gpu"] = reportKernels(program);
  }
}

FailureOr<llvm::json::Object> mod::makeReport(ModuleOp module) {
  auto attr = module->getAttrOfType<DictionaryAttr>(kBudgetAttr);
  FailureOr<Budget> budget =
      attr ? Budget::fromAttribute(attr) : FailureOr<Budget>();
  if (failed(budget))
    return module.emitError("has no budget; run mod-specialize first");
  llvm::json::Value value = budget->toJSON();
  llvm::json::Object report = std::move(*value.getAsObject());
  if (auto model = module->getAttrOfType<DictionaryAttr>("mod.model"))
    if (auto name = model.getAs<StringAttr>("name"))
      report["model"] = name.getValue();
  if (auto weights = module->getAttrOfType<DictionaryAttr>(kWeightsAttr))
    report["weights_bytes"] = getInt(weights.get("bytes"));
  addArenas(module, report);
  addLaunches(module, report);
  report["kv_bytes"] = getInt(module->getAttr("mod.caches_bytes"));
  return report;
}

static int64_t getField(const llvm::json::Object &object, StringRef key) {
  return object.getInteger(key).value_or(0);
}

static std::string mebibytes(int64_t bytes) {
  return llvm::formatv("{0:f2} MiB", double(bytes) / (1 << 20));
}

static void printRun(const llvm::json::Object &report, StringRef program,
                     StringRef what, llvm::raw_ostream &os) {
  const llvm::json::Object *run = report.getObject(program);
  os << llvm::formatv("  {0,-9}{1,14:f3} GFLOP  {2,5:f1} % of dense, in {3} of "
                      "arena  ({4})\n",
                      program, getField(*run, "flops") * 1e-9,
                      100 * run->getNumber("ratio").value_or(1),
                      mebibytes(getField(*run, "arena_bytes")), what);
}

/// The kernels of each program on a GPU.
static void printLaunches(const llvm::json::Object &report,
                          llvm::raw_ostream &os) {
  std::string counts;
  for (StringRef program : {"forward", "prefill", "decode"})
    if (int64_t count = getField(*report.getObject(program), "launches"))
      counts += llvm::formatv("{0}{1} in {2}", counts.empty() ? "" : ", ",
                              count, program);
  if (!counts.empty())
    os << "  launches   " << counts << "\n";
}

void mod::printReport(const llvm::json::Object &report, llvm::raw_ostream &os) {
  os << llvm::formatv("budget of {0}, context {1}\n",
                      report.getString("model").value_or("model"),
                      getField(report, "context"));
  printRun(report, "forward", "a whole context, all logits", os);
  printRun(report, "prefill", "a whole context, the last logits", os);
  printRun(report, "decode", "its last token", os);
  printLaunches(report, os);
  if (const llvm::json::Object *gpu = report.getObject("gpu"))
    printKernels(*gpu, os);
  os << llvm::formatv("  parameters {0}, stored in {1}\n",
                      getField(report, "parameters"),
                      mebibytes(getField(report, "parameter_bytes")));
  os << llvm::formatv("  weights    {0}, as the programs read them; products "
                      "are in {1}\n",
                      mebibytes(getField(report, "weights_bytes")),
                      report.getString("dtype").value_or("f32"));
  os << llvm::formatv(
      "  arena      {0}, as the largest of the programs needs\n",
      mebibytes(getField(report, "arena_bytes")));
  os << llvm::formatv("  KV caches  {0} at most, touched as tokens arrive\n",
                      mebibytes(getField(report, "kv_bytes")));
  for (const llvm::json::Value &value : *report.getArray("blocks")) {
    const llvm::json::Object &block = *value.getAsObject();
    if (getField(block, "layer") < 0)
      continue;
    os << llvm::formatv("  routed layer {0}: {1} of {2} tokens\n",
                        getField(block, "layer"), getField(block, "capacity"),
                        getField(report, "context"));
  }
}
