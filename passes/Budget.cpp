//===- Budget.cpp - What a model costs --------------------------*- C++ -*-===//
//
// Adds up what the ops of a static model say they cost.
//
//===----------------------------------------------------------------------===//

#include "passes/Budget.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "passes/Model.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::mod;

static int64_t getBytes(Type type) {
  auto shaped = cast<ShapedType>(type);
  return shaped.getNumElements() * (shaped.getElementTypeBitWidth() / 8);
}

/// Bytes of the weight of a product once it is of `dtype`, with its scales.
static int64_t getProductBytes(Type weight, StringRef dtype) {
  auto shaped = cast<ShapedType>(weight);
  int64_t outputs = shaped.getDimSize(0), inputs = shaped.getDimSize(1);
  int64_t groups = llvm::divideCeil(inputs, LinearOp::kGroup);
  return llvm::StringSwitch<int64_t>(dtype)
      .Cases({"bf16", "f16"}, 2 * outputs * inputs)
      .Case("i8", outputs * (inputs + 4))
      .Case("i4", outputs * groups * (LinearOp::kGroup / 2 + 4))
      .Default(getBytes(weight));
}

//===----------------------------------------------------------------------===//
// Walking a model
//===----------------------------------------------------------------------===//

namespace {
/// Adds the ops of a model to its budget.
class Accountant {
public:
  Accountant(Budget &budget, func::FuncOp forward, StringRef dtype)
      : budget(budget), head(getHead(forward)), dtype(dtype),
        caches(getKeysAndValues(forward)) {}

  void addBlock(Block &block, unsigned index);

private:
  using Values = llvm::SmallPtrSet<Value, 16>;

  void addOp(Operation *op, unsigned index, Values &weights);
  void addAttention(AttentionOp op, unsigned index);
  void addWindow(Budget::Block &block, const Budget::Window &window);
  void addCache(KeysAndValues rows, Budget::Block &block);
  void addRouted(RoutedOp op);
  void addBypass(Block &bypass, unsigned index);
  void addExperts(ExpertsOp op, unsigned index);
  void addWeights(Operation *op, int64_t &bytes, Values &seen);
  bool isParameter(Value value);

  Budget &budget;
  LinearOp head;
  StringRef dtype;
  SetVector<KeysAndValues> caches;
  DenseSet<KeysAndValues> counted;
  llvm::DenseMap<Value, bool> parameters;
};
} // namespace

/// Whether a value is computed from parameters and constants alone.
bool Accountant::isParameter(Value value) {
  auto [it, isNew] = parameters.try_emplace(value, false);
  Operation *op = value.getDefiningOp();
  if (!isNew || !op)
    return it->second;
  bool result =
      llvm::all_of(op->getOperands(),
                   [&](Value operand) { return isParameter(operand); }) &&
      !isa<tensor::EmptyOp>(op);
  return parameters[value] = result;
}

void Accountant::addWeights(Operation *op, int64_t &bytes, Values &seen) {
  auto linear = dyn_cast<LinearOp>(op);
  for (Value operand : op->getOperands())
    if (isa<RankedTensorType>(operand.getType()) && isParameter(operand) &&
        seen.insert(operand).second)
      bytes += linear && operand == linear.getWeight()
                   ? getProductBytes(operand.getType(), dtype)
                   : getBytes(operand.getType());
}

void Accountant::addCache(KeysAndValues rows, Budget::Block &block) {
  for (Value value : {rows.first, rows.second}) {
    auto type = cast<RankedTensorType>(value.getType());
    block.cacheRowBytes +=
        type.getDimSize(2) * (type.getElementTypeBitWidth() / 8);
  }
  int64_t number = llvm::find(caches, rows) - caches.begin();
  if (block.numCaches++ == 0)
    block.firstCache = number;
}

/// Windows of one size are one.
void Accountant::addWindow(Budget::Block &block, const Budget::Window &window) {
  if (window.size >= budget.context)
    return;
  auto *known = llvm::find_if(block.windows, [&](const Budget::Window &other) {
    return other.size == window.size && other.ofSequence == window.ofSequence;
  });
  if (known == block.windows.end()) {
    block.windows.push_back(window);
    return;
  }
  known->flopsPerPair += window.flopsPerPair;
  known->flopsPerKey += window.flopsPerKey;
}

/// Keys and values of all tokens are not those of a routed block, though it
/// attends to them.
void Accountant::addAttention(AttentionOp op, unsigned index) {
  Budget::Block &block = budget.blocks[index];
  bool isOwn = index == 0 || isOfBlock(op.getKey());
  int64_t flops = op.getFlops(/*tokens=*/1, /*past=*/0);
  (isOwn ? block.flopsPerPair : block.flopsPerKey) += flops;
  if (op.getWindow())
    addWindow(block, {int64_t(*op.getWindow()), bool(op.getOwnPositions()),
                      isOwn ? flops : 0, isOwn ? 0 : flops});
  KeysAndValues rows(op.getKey(), op.getValue());
  if (counted.insert(rows).second)
    addCache(rows, isOwn ? block : budget.blocks.front());
}

void Accountant::addRouted(RoutedOp op) {
  Budget::Block block;
  block.layer = budget.blocks.size() - 1;
  if (auto layer = op->getAttrOfType<IntegerAttr>(kLayerAttr))
    block.layer = layer.getInt();
  Block &body = op.getBody().front();
  block.capacity =
      cast<RankedTensorType>(body.getArgument(0).getType()).getDimSize(1);
  budget.blocks.push_back(block);
  unsigned index = budget.blocks.size() - 1;
  addBlock(body, index);
  if (!op.getBypass().empty())
    addBypass(op.getBypass().front(), index);
}

/// A bypass counts for every token, and a token that takes part in the block
/// costs as much less: sums over all tokens are then right.
void Accountant::addBypass(Block &bypass, unsigned index) {
  int64_t before = budget.blocks[0].flopsPerToken;
  addBlock(bypass, 0);
  budget.blocks[index].flopsPerToken -= budget.blocks[0].flopsPerToken - before;
}

/// A token goes through an expert as often as is expected.
void Accountant::addExperts(ExpertsOp op, unsigned index) {
  int64_t before = budget.blocks[index].flopsPerToken;
  for (Region &expert : op.getExperts())
    addBlock(expert.front(), index);
  int64_t tokens = cast<RankedTensorType>(op.getX().getType()).getDimSize(1);
  int64_t &flops = budget.blocks[index].flopsPerToken;
  flops = before +
          std::llround(op.getExpectedShare(tokens) * double(flops - before));
}

void Accountant::addOp(Operation *op, unsigned index, Values &weights) {
  if (auto routed = dyn_cast<RoutedOp>(op))
    return addRouted(routed);
  if (auto experts = dyn_cast<ExpertsOp>(op))
    return addExperts(experts, index);
  if (op == head) {
    budget.logitsFlops = head.getFlops(1, 0);
    Values seen;
    return addWeights(op, budget.logitsWeightBytes, seen);
  }
  Budget::Block &block = budget.blocks[index];
  if (auto attention = dyn_cast<AttentionOp>(op))
    return addAttention(attention, index);
  if (auto product = dyn_cast<FlopsOpInterface>(op)) {
    int64_t flops = product.getFlops(1, 0);
    block.flopsPerToken += flops;
    if (isa<RouterOp, PredictorOp>(op))
      budget.routingFlops += flops;
  }
  bool dependsOnTokens = llvm::any_of(
      op->getOperands(), [&](Value operand) { return !isParameter(operand); });
  // Of the embedding table only the rows of the tokens are read.
  if (dependsOnTokens && !isa<EmbeddingOp>(op))
    addWeights(op, block.weightBytes, weights);
}

void Accountant::addBlock(Block &block, unsigned index) {
  Values weights;
  for (Operation &op : block.without_terminator())
    addOp(&op, index, weights);
}

static void addParameters(ModuleOp module, Budget &budget) {
  for (auto global : module.getOps<ml_program::GlobalOp>()) {
    auto type = dyn_cast<RankedTensorType>(global.getType());
    if (!type || !type.hasStaticShape())
      continue;
    budget.parameters += type.getNumElements();
    budget.parameterBytes += getBytes(type);
    budget.parameterF32Bytes += 4 * type.getNumElements();
  }
}

FailureOr<Budget> Budget::compute(ModuleOp module, StringRef dtype) {
  FailureOr<func::FuncOp> forward = mod::getForward(module);
  if (failed(forward))
    return failure();
  auto tokens = cast<RankedTensorType>(forward->getArgumentTypes()[0]);
  if (!tokens.hasStaticShape())
    return forward->emitOpError("has no budget before mod-specialize");
  Budget budget;
  budget.context = tokens.getDimSize(1);
  addParameters(module, budget);
  budget.blocks.emplace_back();
  budget.blocks[0].capacity = budget.context;
  Accountant(budget, *forward, dtype).addBlock(forward->getBody().front(), 0);
  return budget;
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// The keys that some tokens see together, each those before it, of which a
/// window leaves the last.
static int64_t countPairs(int64_t tokens, int64_t window) {
  int64_t growing = std::min(tokens, window);
  return growing * (growing + 1) / 2 + (tokens - growing) * window;
}

/// How many of `tokens` of all tokens a window holds; spread evenly, these have
/// their share in a window of the sequence.
static int64_t getSize(const Budget::Window &window, int64_t tokens,
                       int64_t all) {
  if (!window.ofSequence)
    return window.size;
  return std::max<int64_t>(1, std::llround(double(window.size) * tokens / all));
}

/// The FLOPs of `tokens` of all tokens in a block, each of which sees those
/// before; to be anywhere among all is to see half of them.
static int64_t getFlops(const Budget::Block &block, int64_t tokens,
                        int64_t all) {
  int64_t flops = block.flopsPerToken * tokens +
                  block.flopsPerPair * countPairs(tokens, tokens) +
                  block.flopsPerKey * (tokens * (all + 1) / 2);
  for (const Budget::Window &window : block.windows) {
    int64_t hiddenPairs = countPairs(tokens, tokens) -
                          countPairs(tokens, getSize(window, tokens, all));
    int64_t hiddenKeys =
        tokens * (countPairs(all, all) - countPairs(all, window.size)) / all;
    flops -=
        window.flopsPerPair * hiddenPairs + window.flopsPerKey * hiddenKeys;
  }
  return flops;
}

/// The FLOPs of the last of them.
static int64_t getLastFlops(const Budget::Block &block, int64_t tokens,
                            int64_t all) {
  int64_t flops = block.flopsPerToken + block.flopsPerPair * tokens +
                  block.flopsPerKey * all;
  for (const Budget::Window &window : block.windows) {
    int64_t size = std::min(tokens, getSize(window, tokens, all));
    flops -= window.flopsPerPair * (tokens - size) +
             window.flopsPerKey * (all - window.size);
  }
  return flops;
}

int64_t Budget::getForwardFlops(const Block &block) const {
  return getFlops(block, block.capacity, context);
}

Budget::Run Budget::getForward() const {
  Run run;
  for (const Block &block : blocks) {
    run.flops += getForwardFlops(block);
    run.denseFlops += getFlops(block, context, context);
  }
  run.flops += logitsFlops * context;
  run.denseFlops += (logitsFlops - routingFlops) * context;
  return run;
}

Budget::Run Budget::getPrefill() const {
  Run run = getForward();
  run.flops -= logitsFlops * (context - 1);
  run.denseFlops -= logitsFlops * (context - 1);
  return run;
}

Budget::Run Budget::getDecode() const {
  Run run;
  for (const Block &block : blocks) {
    double taken = double(block.capacity) / context;
    run.flops +=
        std::llround(taken * getLastFlops(block, block.capacity, context));
    run.denseFlops += getLastFlops(block, context, context);
  }
  run.flops += logitsFlops;
  run.denseFlops += logitsFlops - routingFlops;
  return run;
}
