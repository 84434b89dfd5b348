//===- KernelCosts.cpp - What kernels move and compute --------------------===//
//
// Bytes and FLOPs of launches, and the time that chips need for them at least.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/KernelCosts.h"
#include "codegen/nvptx/DeviceMemory.h"
#include "codegen/nvptx/Passes.h"
#include "dialect/ModOps.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "runtime/cuda/Chips.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::mod;

static constexpr llvm::StringLiteral kCostAttr = "mod.cost";

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

static int64_t getBytes(Value buffer) {
  FailureOr<MemRefType> type = getStaticType(buffer);
  if (failed(type))
    return 0;
  return type->getNumElements() * type->getElementTypeBitWidth() / 8;
}

/// Whether a buffer is one of weights or caches: these have to be read.
static bool isNeeded(Value buffer) {
  auto argument = dyn_cast<BlockArgument>(getRoot(buffer));
  if (!argument)
    return false;
  auto program = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  return argument == getArgument(program, role::kWeights) ||
         argument == getArgument(program, role::kCaches);
}

static int64_t getTokens(Value buffer) {
  FailureOr<MemRefType> type = getStaticType(buffer);
  return failed(type) ? 0 : type->getDimSize(1);
}

static int64_t countKeys(PanelAttentionOp op) {
  return cast<MemRefType>(op.getKeys().getType()).getDimSize(1);
}

/// The most of them that a query sees.
static int64_t countSeen(PanelAttentionOp op) {
  int64_t keys = countKeys(op);
  return op.getWindow() ? std::min<int64_t>(keys, *op.getWindow()) : keys;
}

/// What an op touches of an operand.
static int64_t getTouchedBytes(Operation *op, Value operand) {
  if (auto embedding = dyn_cast<EmbeddingOp>(op))
    if (operand == embedding.getTable())
      return getBytes(embedding.getInto());
  // A single query reads what its window leaves.
  if (auto attention = dyn_cast<PanelAttentionOp>(op))
    if (isNeeded(operand) && getTokens(attention.getQuery()) == 1)
      return getBytes(operand) / countKeys(attention) * countSeen(attention);
  // The rest of a cache stays as it is.
  if (auto append = dyn_cast<AppendPanelsOp>(op))
    if (isNeeded(operand)) {
      auto type = cast<MemRefType>(operand.getType());
      Value rows = append->getOperand(0);
      return cast<MemRefType>(rows.getType()).hasStaticShape()
                 ? getBytes(rows) * type.getElementTypeBitWidth() / 32
                 : getBytes(operand);
    }
  return getBytes(operand);
}

/// Whether an op reads what it writes.
static bool readsDestination(Operation *op, Value operand) {
  if (auto attention = dyn_cast<PanelAttentionOp>(op))
    return operand == attention.getPartials();
  auto linear = dyn_cast<LinearOp>(op);
  return linear && linear.getAccumulate() && operand == linear.getInto();
}

static int64_t getFlops(Operation *op) {
  return llvm::TypeSwitch<Operation *, int64_t>(op)
      .Case([](LinearOp op) {
        Value counted = op.getRows() ? op.getRows() : op.getInput();
        return 2 * getTokens(counted) * op.getNumInputs() * op.getNumSums();
      })
      .Case([](RouterOp op) {
        return 2 * getBytes(op.getX()) / int64_t(sizeof(float));
      })
      // Scores and sums of values, for each key of a whole context.
      .Case([](PanelAttentionOp op) {
        int64_t width =
            cast<MemRefType>(op->getOperand(0).getType()).getShape().back();
        return 4 * getTokens(op->getOperand(0)) * width * countSeen(op);
      })
      .Default([](Operation *) -> int64_t { return 0; });
}

KernelCost KernelCost::compute(ArrayRef<Operation *> ops) {
  KernelCost cost;
  llvm::SmallDenseSet<Value> seen;
  for (Operation *op : ops) {
    cost.flops += getFlops(op);
    for (Value operand : op->getOperands()) {
      if (!isa<MemRefType>(operand.getType()) || !seen.insert(operand).second)
        continue;
      int64_t bytes = getTouchedBytes(op, operand);
      cost.bytes += readsDestination(op, operand) ? 2 * bytes : bytes;
      if (isNeeded(operand))
        cost.minimumBytes += bytes;
    }
  }
  return cost;
}

void KernelCost::attach(Operation *launch) const {
  launch->setAttr(kCostAttr,
                  DenseI64ArrayAttr::get(launch->getContext(),
                                         {bytes, minimumBytes, flops}));
}

KernelCost KernelCost::get(Operation *launch) {
  auto values = launch->getAttrOfType<DenseI64ArrayAttr>(kCostAttr);
  return values ? KernelCost{values[0], values[1], values[2]} : KernelCost();
}

void KernelCost::add(const KernelCost &other) {
  bytes += other.bytes;
  minimumBytes += other.minimumBytes;
  flops += other.flops;
}

//===----------------------------------------------------------------------===//
// Chips
//===----------------------------------------------------------------------===//

using modrt::Chip;
using modrt::chips;

/// The time in microseconds that work needs at least: products of one token are
/// made of FP32 multiply-adds.
static double getTime(const Chip &chip, const KernelCost &cost) {
  return std::max(double(cost.bytes) / (chip.gigabytes * 1e3),
                  double(cost.flops) / (chip.teraflops * 1e6));
}

/// The share of a multiprocessor's warps that blocks of a kernel fill.
/// Registers are given to warps in units of 256; the system takes 1 KiB of
/// shared memory for each block.
static double getOccupancy(const Chip &chip, int64_t threads, int64_t registers,
                           int64_t shared) {
  constexpr int64_t allRegisters = 64 << 10, unit = 256, reserved = 1 << 10;
  int64_t blockWarps = llvm::divideCeil(threads, 32);
  int64_t warpRegisters = llvm::alignTo(registers * 32, unit);
  int64_t fit = std::min({chip.blocks, chip.warps / blockWarps,
                          chip.sharedBytes / (shared + reserved),
                          allRegisters / (warpRegisters * blockWarps)});
  return double(fit * blockWarps) / double(chip.warps);
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

using Launches = SmallVector<gpu::LaunchFuncOp>;

/// The most kernels of a layer, of those that the device decides on or of
/// others. From one attention to the next there are as many as in the layer of
/// the latter: what is behind it is alike in all layers.
static int64_t countLayer(const Launches &launches, bool isRouted) {
  int64_t most = 0, last = -1;
  for (int64_t i = 0, count = launches.size(); i < count; ++i) {
    gpu::LaunchFuncOp launch = launches[i];
    if (!launch.getKernelName().getValue().starts_with("panel_attention"))
      continue;
    if (last >= 0 && launch->hasAttr(kGuardedAttr) == isRouted)
      most = std::max(most, i - last);
    last = i;
  }
  return most;
}

/// The bytes of static shared memory of a kernel.
static int64_t getSharedBytes(gpu::GPUFuncOp kernel) {
  int64_t bytes = 0;
  for (Value buffer : kernel.getWorkgroupAttributions()) {
    auto type = cast<MemRefType>(buffer.getType());
    bytes += type.getNumElements() * type.getElementTypeBitWidth() / 8;
  }
  return bytes;
}

static llvm::json::Array reportRoofline(const Launches &launches) {
  llvm::json::Array reported;
  for (const Chip &chip : chips) {
    double time = 0;
    for (gpu::LaunchFuncOp launch : launches)
      time += getTime(chip, KernelCost::get(launch));
    reported.push_back(llvm::json::Object{
        {"chip", chip.name},
        {"source", chip.source},
        {"gigabytes_per_second", chip.gigabytes},
        {"teraflops", chip.teraflops},
        {"tensor_teraflops", llvm::json::Object{{"bf16", chip.tensorTeraflops},
                                                {"f16", chip.tensorTeraflops},
                                                {"tf32", chip.tf32Teraflops}}},
        {"microseconds", time}});
  }
  return reported;
}

static llvm::json::Object reportOccupancy(int64_t threads, int64_t registers,
                                          int64_t shared) {
  llvm::json::Object shares;
  for (const Chip &chip : chips)
    shares[chip.name] = getOccupancy(chip, threads, registers, shared);
  return shares;
}

static llvm::json::Array reportEach(const Launches &launches) {
  struct Entry {
    int64_t launches = 0;
    KernelCost cost;
  };
  llvm::MapVector<Attribute, Entry> entries;
  for (gpu::LaunchFuncOp launch : launches) {
    Entry &entry = entries[launch.getKernel()];
    ++entry.launches;
    entry.cost.add(KernelCost::get(launch));
  }
  llvm::json::Array kernels;
  auto module = launches.front()->getParentOfType<ModuleOp>();
  auto registers = module->getAttrOfType<DictionaryAttr>(kRegistersAttr);
  for (auto &[name, entry] : entries) {
    auto kernel =
        module.lookupSymbol<gpu::GPUFuncOp>(cast<SymbolRefAttr>(name));
    int64_t threads = (*kernel.getKnownBlockSize())[0];
    int64_t shared = getSharedBytes(kernel);
    llvm::json::Object times;
    for (const Chip &chip : chips)
      times[chip.name] = getTime(chip, entry.cost);
    llvm::json::Object described{{"name", kernel.getName()},
                                 {"launches", entry.launches},
                                 {"threads", threads},
                                 {"shared_bytes", shared},
                                 {"bytes", entry.cost.bytes},
                                 {"flops", entry.cost.flops},
                                 {"microseconds", std::move(times)}};
    auto count = registers ? registers.getAs<IntegerAttr>(kernel.getName())
                           : IntegerAttr();
    if (count) {
      described["registers"] = count.getInt();
      described["occupancy"] = reportOccupancy(threads, count.getInt(), shared);
    }
    kernels.push_back(std::move(described));
  }
  return kernels;
}

llvm::json::Object mod::reportKernels(func::FuncOp program) {
  Launches launches(program.getOps<gpu::LaunchFuncOp>());
  KernelCost total;
  for (gpu::LaunchFuncOp launch : launches)
    total.add(KernelCost::get(launch));
  return llvm::json::Object{
      {"dense_layer_launches", countLayer(launches, /*isRouted=*/false)},
      {"routed_layer_launches", countLayer(launches, /*isRouted=*/true)},
      {"bytes", total.bytes},
      {"minimum_bytes", total.minimumBytes},
      {"roofline", reportRoofline(launches)},
      {"kernels", reportEach(launches)}};
}

static int64_t getField(const llvm::json::Object &object, StringRef key) {
  return object.getInteger(key).value_or(0);
}

static void printKernel(const llvm::json::Object &kernel,
                        llvm::raw_ostream &os) {
  std::string registers = "-", occupancy;
  if (const llvm::json::Object *chips = kernel.getObject("occupancy")) {
    registers = std::to_string(getField(kernel, "registers"));
    occupancy =
        llvm::formatv("{0,5:f0} %", 100 * chips->getNumber("A100").value_or(0));
  }
  os << llvm::formatv(
      "    {0,-21}{1,5}{2,8}{3,8}{4,10}{5,8:f2}{6,10:f2}{7,8:f1}{8}\n",
      *kernel.getString("name"), getField(kernel, "launches"),
      getField(kernel, "threads"), getField(kernel, "shared_bytes"), registers,
      double(getField(kernel, "bytes")) / (1 << 20),
      double(getField(kernel, "flops")) * 1e-6,
      kernel.getObject("microseconds")->getNumber("A100").value_or(0),
      occupancy);
}

void mod::printKernels(const llvm::json::Object &report,
                       llvm::raw_ostream &os) {
  int64_t bytes = getField(report, "bytes"),
          least = getField(report, "minimum_bytes");
  os << llvm::formatv("  a token    {0:f2} MiB moved, {1:f3} of the least: "
                      "weights and full caches once\n",
                      double(bytes) / (1 << 20), double(bytes) / least);
  os << llvm::formatv(
      "  layers     {0} kernels of a dense one, {1} of a routed "
      "one, in decode\n",
      getField(report, "dense_layer_launches"),
      getField(report, "routed_layer_launches"));
  for (const llvm::json::Value &value : *report.getArray("roofline")) {
    const llvm::json::Object &chip = *value.getAsObject();
    os << llvm::formatv("  roofline   {0,9:f1} us of a token on {1} ({2})\n",
                        chip.getNumber("microseconds").value_or(0),
                        *chip.getString("chip"), *chip.getString("source"));
  }
  os << "  kernels of decode    launches threads  shared registers     MiB"
        "     MFLOP  us and occupancy of A100\n";
  for (const llvm::json::Value &value : *report.getArray("kernels"))
    printKernel(*value.getAsObject(), os);
}
