//===- HoistWeights.cpp - Compute weights once ------------------*- C++ -*-===//
//
// Moves what programs compute from parameters alone into @prepare_weights.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/weights/ParameterValues.h"
#include "codegen/weights/PreparedWeights.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Iterators.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/CSE.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::mod {
#define GEN_PASS_DEF_HOISTWEIGHTSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;
using ml_program::GlobalLoadConstOp;
using ml_program::GlobalOp;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// Names that differ in one place as one: `a.{q,k,v}_proj`.
static std::string joinNames(ArrayRef<StringRef> names) {
  if (names.size() == 1)
    return names.front().str();
  StringRef prefix = names.front();
  for (StringRef name : names)
    while (!name.starts_with(prefix))
      prefix = prefix.drop_back();
  StringRef suffix = names.front().drop_front(prefix.size());
  for (StringRef name : names)
    while (!name.drop_front(prefix.size()).ends_with(suffix))
      suffix = suffix.drop_front();
  auto middle = llvm::map_range(names, [&](StringRef name) {
    return name.drop_front(prefix.size()).drop_back(suffix.size());
  });
  return (prefix + "{" + llvm::join(middle, ",") + "}" + suffix).str();
}

/// The parameters that a value of @prepare_weights is computed from, in the
/// order of operands.
static void collectParameters(Value value, SetVector<Value> &visited,
                              SmallVectorImpl<StringRef> &names) {
  if (!visited.insert(value))
    return;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto func = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    names.push_back(func.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                      kParameterAttr));
    return;
  }
  for (Value dependency : getDependencies(value.getDefiningOp()))
    collectParameters(dependency, visited, names);
}

/// A name that says what a weight is made of.
static std::string makeName(Value value, llvm::StringSet<> &taken) {
  SetVector<Value> visited;
  SmallVector<StringRef> parameters;
  collectParameters(value, visited, parameters);
  std::string base = joinNames(parameters);
  Value panels = value;
  if (auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>())
    panels = collapse.getSrc();
  if (panels.getDefiningOp<linalg::PackOp>())
    base += ".packed";
  std::string name = base;
  for (unsigned count = 1; !taken.insert(name).second; ++count)
    name = base + "." + std::to_string(count);
  return name;
}

//===----------------------------------------------------------------------===//
// Hoisting
//===----------------------------------------------------------------------===//

namespace {
/// Builds @prepare_weights and makes programs load its results.
class Hoister {
public:
  Hoister(ModuleOp module)
      : module(module), symbols(module), builder(module.getContext()) {}

  LogicalResult run();

private:
  LogicalResult collect(func::FuncOp program);
  Value clone(Value value, IRMapping &mapping);
  Value getParameter(GlobalLoadConstOp load);
  void finishFunction();
  void annotateResults(ArrayRef<Value> weights);
  void replace(const SafetensorsEntry &weight, ArrayRef<Value> values);
  void annotateModule();

  ModuleOp module;
  SymbolTable symbols;
  OpBuilder builder;
  ParameterValues parameters;
  func::FuncOp prepareWeights;
  llvm::DenseMap<Attribute, BlockArgument> arguments;
  /// Values of programs, and what computes the same in @prepare_weights.
  SmallVector<Value> values;
  SmallVector<Value> clones;
};

struct HoistWeightsPass : mod::impl::HoistWeightsPassBase<HoistWeightsPass> {
  using HoistWeightsPassBase::HoistWeightsPassBase;

  void runOnOperation() override {
    if (failed(Hoister(getOperation()).run()))
      signalPassFailure();
  }
};
} // namespace

/// Erases what the programs no longer need.
static void eraseDead(func::FuncOp program) {
  program.walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
    if (isOpTriviallyDead(op))
      op->erase();
  });
}

LogicalResult Hoister::run() {
  if (auto existing = getPrepareWeights(module))
    return existing.emitError("weights have been hoisted already");
  builder.setInsertionPointToEnd(module.getBody());
  prepareWeights =
      func::FuncOp::create(builder, module.getLoc(), kPrepareWeights,
                           builder.getFunctionType({}, {}));
  builder.setInsertionPointToEnd(prepareWeights.addEntryBlock());
  for (func::FuncOp program : getPrograms(module))
    if (failed(collect(program)))
      return failure();
  finishFunction();
  annotateModule();
  for (func::FuncOp program : getPrograms(module))
    eraseDead(program);
  return success();
}

/// Finds the parameter-only values that other ops of a program use.
LogicalResult Hoister::collect(func::FuncOp program) {
  SetVector<Value> found;
  WalkResult result = program.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (parameters.contains(op))
      return WalkResult::skip();
    if (auto load = dyn_cast<GlobalLoadConstOp>(op)) {
      load.emitError("parameter ")
          << load.getGlobal() << " is " << load.getType()
          << ", expected a static tensor that a "
             "safetensors file can hold";
      return WalkResult::interrupt();
    }
    for (Value operand : op->getOperands())
      if (parameters.contains(operand))
        found.insert(operand);
    return WalkResult::advance();
  });
  IRMapping mapping;
  for (Value value : found) {
    values.push_back(value);
    clones.push_back(clone(value, mapping));
  }
  return failure(result.wasInterrupted());
}

Value Hoister::clone(Value value, IRMapping &mapping) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (auto load = dyn_cast<GlobalLoadConstOp>(op)) {
    mapping.map(value, getParameter(load));
  } else {
    for (Value dependency : getDependencies(op))
      clone(dependency, mapping);
    builder.clone(*op, mapping);
  }
  return mapping.lookup(value);
}

Value Hoister::getParameter(GlobalLoadConstOp load) {
  BlockArgument &argument = arguments[load.getGlobalAttr()];
  if (argument)
    return argument;
  unsigned index = prepareWeights.getNumArguments();
  StringAttr name = load.getGlobalAttr().getLeafReference();
  auto attrs =
      builder.getDictionaryAttr(builder.getNamedAttr(kParameterAttr, name));
  (void)prepareWeights.insertArgument(index, load.getType(), attrs,
                                      load.getLoc());
  argument = prepareWeights.getArgument(index);
  return argument;
}

/// Returns the distinct weights in the order of the file.
void Hoister::finishFunction() {
  auto returnOp =
      func::ReturnOp::create(builder, prepareWeights.getLoc(), clones);
  // Programs compute the same weights, each for itself.
  IRRewriter rewriter(builder.getContext());
  DominanceInfo dominance(prepareWeights);
  eliminateCommonSubExpressions(rewriter, dominance, prepareWeights);

  llvm::MapVector<Value, SmallVector<Value>> uses;
  for (auto [value, weight] : llvm::zip(values, returnOp.getOperands()))
    uses[weight].push_back(value);
  auto types = llvm::map_to_vector(uses, [](const auto &use) {
    return cast<RankedTensorType>(use.first.getType());
  });
  SmallVector<Value> weights;
  for (unsigned index : getAlignedOrder(types))
    weights.push_back(uses.begin()[index].first);
  returnOp.getOperandsMutable().assign(weights);
  annotateResults(weights);
  for (auto [weight, entry] :
       llvm::zip(weights, getWeightTable(prepareWeights)))
    replace(entry, uses[weight]);
}

void Hoister::annotateResults(ArrayRef<Value> weights) {
  prepareWeights.setFunctionType(builder.getFunctionType(
      prepareWeights.getArgumentTypes(), ValueRange(weights).getTypes()));
  llvm::StringSet<> taken;
  int64_t offset = 0;
  for (auto [index, weight] : llvm::enumerate(weights)) {
    prepareWeights.setResultAttr(
        index, kWeightAttr, builder.getStringAttr(makeName(weight, taken)));
    prepareWeights.setResultAttr(index, kOffsetAttr,
                                 builder.getI64IntegerAttr(offset));
    offset += getNumBytes(cast<RankedTensorType>(weight.getType()));
  }
}

/// Makes programs load a weight instead of computing it.
void Hoister::replace(const SafetensorsEntry &weight, ArrayRef<Value> values) {
  // Globals stand before the programs that load them.
  OpBuilder globals(getPrograms(module).front());
  auto global = GlobalOp::create(
      globals, module.getLoc(), "prepared." + weight.name, weight.type,
      /*is_mutable=*/false,
      ml_program::ExternAttr::get(builder.getContext(), weight.type),
      builder.getStringAttr("private"));
  global->setAttr(kOffsetAttr, builder.getI64IntegerAttr(weight.offset));
  symbols.insert(global);
  auto symbol = FlatSymbolRefAttr::get(global.getSymNameAttr());
  for (Value value : values) {
    OpBuilder loads(builder.getContext());
    loads.setInsertionPointAfterValue(value);
    Value load =
        GlobalLoadConstOp::create(loads, value.getLoc(), weight.type, symbol);
    value.replaceUsesWithIf(load, [&](OpOperand &use) {
      return !parameters.isWithin(use.getOwner());
    });
  }
}

/// FNV-1a, by which the runtime knows the weights that a model belongs to.
static uint64_t hash(StringRef bytes) {
  uint64_t value = 0xcbf29ce484222325;
  for (unsigned char byte : bytes)
    value = (value ^ byte) * 0x100000001b3;
  return value;
}

void Hoister::annotateModule() {
  std::string header = getWeightsHeader(prepareWeights);
  int64_t dataBytes = getWeightsDataBytes(prepareWeights);
  auto number = [&](StringRef name, int64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
  };
  module->setAttr(kWeightsAttr, builder.getDictionaryAttr(
                                    {number("bytes", header.size() + dataBytes),
                                     number("offset", header.size()),
                                     number("hash", hash(header))}));
  remark::passed(module.getLoc(),
                 remark::RemarkOpts::name("HoistWeights")
                     .category(HoistWeightsPass::getArgumentName()))
      << "weights computed once"
      << remark::metric("weights", int64_t(prepareWeights.getNumResults()))
      << remark::metric("parameters", int64_t(prepareWeights.getNumArguments()))
      << remark::metric("uses", int64_t(values.size()))
      << remark::metric("bytes", dataBytes);
}
