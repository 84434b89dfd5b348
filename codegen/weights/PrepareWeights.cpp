//===- PrepareWeights.cpp - Run @prepare_weights ----------------*- C++ -*-===//
//
// Cuts the function into one kernel per distinct computation, compiles these,
// and runs them over the mapped checkpoint into the mapped file.
//
//===----------------------------------------------------------------------===//

#include "codegen/weights/PrepareWeights.h"
#include "codegen/Passes.h"
#include "codegen/weights/ParameterValues.h"
#include "codegen/weights/PreparedWeights.h"
#include "codegen/weights/WeightKernels.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/FileOutputBuffer.h"
#include "llvm/Support/ThreadPool.h"
#include <mutex>

namespace mlir::mod {
#define GEN_PASS_DEF_PREPAREWEIGHTSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;
using ml_program::GlobalOp;

OwningOpRef<ModuleOp> mod::cloneWeights(ModuleOp module) {
  OwningOpRef<ModuleOp> copy = ModuleOp::create(module.getLoc());
  OpBuilder builder(copy->getBodyRegion());
  for (Operation &op : *module.getBody()) {
    auto global = dyn_cast<GlobalOp>(op);
    bool isParameter = global && !global->hasAttr(kOffsetAttr);
    if (isParameter || &op == getPrepareWeights(module))
      builder.clone(op);
  }
  return copy;
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

namespace {
/// The bytes of the parameters.
class ParameterData {
public:
  /// Finds the bytes of each parameter that the function takes.
  llvm::Error load(ModuleOp module, func::FuncOp prepareWeights);

  ArrayRef<char> get(unsigned argument) const { return data[argument]; }
  StringRef getName(unsigned argument) const { return names[argument]; }

private:
  llvm::Expected<ArrayRef<char>> find(GlobalOp global);
  ArrayRef<char> expand(DenseElementsAttr splat);

  std::vector<ArrayRef<char>> data;
  std::vector<StringRef> names;
  /// Splats, written out.
  std::vector<std::vector<char>> storage;
};
} // namespace

static llvm::Error parameterError(StringRef name, const Twine &message) {
  return llvm::createStringError("parameter '" + name + "' " + message);
}

llvm::Error ParameterData::load(ModuleOp module, func::FuncOp prepareWeights) {
  SymbolTable symbols(module);
  for (unsigned index : llvm::seq(prepareWeights.getNumArguments())) {
    auto name =
        prepareWeights.getArgAttrOfType<StringAttr>(index, kParameterAttr);
    auto global = symbols.lookup<GlobalOp>(name);
    if (!global)
      return parameterError(name, "is not in the module");
    llvm::Expected<ArrayRef<char>> bytes = find(global);
    if (!bytes)
      return bytes.takeError();
    int64_t expected = getNumBytes(cast<RankedTensorType>(global.getType()));
    if (int64_t(bytes->size()) != expected)
      return parameterError(name, "has " + Twine(bytes->size()) +
                                      " bytes, expected " + Twine(expected));
    data.push_back(*bytes);
    names.push_back(name);
  }
  return llvm::Error::success();
}

llvm::Expected<ArrayRef<char>> ParameterData::find(GlobalOp global) {
  Attribute value = global.getValueAttr();
  if (auto resource = dyn_cast_if_present<DenseResourceElementsAttr>(value))
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      return blob->getData();
  if (auto dense = dyn_cast_if_present<DenseElementsAttr>(value))
    return dense.isSplat() ? expand(dense) : dense.getRawData();
  return parameterError(global.getSymName(),
                        "has no data, expected a checkpoint to be loaded");
}

ArrayRef<char> ParameterData::expand(DenseElementsAttr splat) {
  ArrayRef<char> element = splat.getRawData();
  std::vector<char> &bytes = storage.emplace_back();
  for (int64_t i = 0; i < splat.getNumElements(); ++i)
    llvm::append_range(bytes, element);
  return bytes;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// One run of a kernel: a weight.
struct WeightTask {
  unsigned kernel;
  SmallVector<unsigned> parameters;
  SafetensorsEntry weight;
};

/// @prepare_weights as runs of kernels, of which there is one for each
/// computation and type: layers are alike.
class WeightPlan {
public:
  explicit WeightPlan(func::FuncOp prepareWeights);

  ModuleOp getKernels() { return *kernels; }
  ArrayRef<WeightTask> getTasks() const { return tasks; }

private:
  func::FuncOp makeKernel(Value weight, ArrayRef<BlockArgument> parameters);
  unsigned getOrdinal(func::FuncOp kernel);

  OwningOpRef<ModuleOp> kernels;
  OpBuilder builder;
  llvm::StringMap<unsigned> ordinals;
  std::vector<WeightTask> tasks;
};
} // namespace

/// The ops that compute a value of a block, in order, and the arguments of the
/// block that they use.
static std::pair<SmallVector<Operation *>, SmallVector<BlockArgument>>
getSlice(Value value) {
  SetVector<Value> needed;
  SmallVector<Operation *> ops;
  SmallVector<BlockArgument> arguments;
  std::function<void(Value)> visit = [&](Value value) {
    if (!needed.insert(value))
      return;
    Operation *op = value.getDefiningOp();
    if (!op)
      return arguments.push_back(cast<BlockArgument>(value));
    for (Value dependency : getDependencies(op))
      visit(dependency);
    // All results of an op come with the first one.
    needed.insert_range(op->getResults());
    ops.push_back(op);
  };
  visit(value);
  return {ops, arguments};
}

WeightPlan::WeightPlan(func::FuncOp prepareWeights)
    : kernels(ModuleOp::create(prepareWeights.getLoc())),
      builder(kernels->getBodyRegion()) {
  auto returnOp =
      cast<func::ReturnOp>(prepareWeights.getBody().front().getTerminator());
  std::vector<SafetensorsEntry> table = getWeightTable(prepareWeights);
  for (auto [value, weight] : llvm::zip(returnOp.getOperands(), table)) {
    auto [ops, arguments] = getSlice(value);
    unsigned kernel = getOrdinal(makeKernel(value, arguments));
    auto parameters = llvm::map_to_vector(
        arguments, [](BlockArgument arg) { return arg.getArgNumber(); });
    tasks.push_back({kernel, parameters, weight});
  }
}

func::FuncOp WeightPlan::makeKernel(Value weight,
                                    ArrayRef<BlockArgument> parameters) {
  auto toMemRef = [](Type type) -> Type {
    auto tensor = cast<RankedTensorType>(type);
    return MemRefType::get(tensor.getShape(), tensor.getElementType());
  };
  auto types = llvm::map_to_vector(
      parameters, [&](BlockArgument arg) { return toMemRef(arg.getType()); });
  types.push_back(toMemRef(weight.getType()));
  Location loc = builder.getUnknownLoc();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(kernels->getBody());
  auto kernel = func::FuncOp::create(builder, loc, "kernel",
                                     builder.getFunctionType(types, {}));
  builder.setInsertionPointToStart(kernel.addEntryBlock());
  IRMapping mapping;
  for (auto [parameter, argument] :
       llvm::zip(parameters, kernel.getArguments())) {
    Value tensor = bufferization::ToTensorOp::create(
        builder, loc, parameter.getType(), argument, /*restrict=*/true);
    mapping.map(Value(parameter), tensor);
  }
  for (Operation *op : getSlice(weight).first)
    builder.clone(*op, mapping);
  auto store = bufferization::MaterializeInDestinationOp::create(
      builder, loc, mapping.lookup(weight), kernel.getArguments().back());
  store.setRestrict(true);
  store.setWritable(true);
  func::ReturnOp::create(builder, loc);
  return kernel;
}

/// The number of a kernel like this one, which is erased if there was one.
unsigned WeightPlan::getOrdinal(func::FuncOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  kernel.print(os, OpPrintingFlags().useLocalScope());
  auto [it, inserted] = ordinals.try_emplace(text, ordinals.size());
  if (inserted)
    kernel.setSymName(getKernelName(it->second));
  else
    kernel.erase();
  return it->second;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static llvm::Error runTask(const WeightTask &task, const WeightKernels &kernels,
                           const ParameterData &parameters, char *data) {
  SmallVector<void *> pointers;
  for (unsigned parameter : task.parameters)
    pointers.push_back(const_cast<char *>(parameters.get(parameter).data()));
  pointers.push_back(data + task.weight.offset);
  return kernels.run(task.kernel, pointers);
}

/// What is larger than the largest f16 became infinite.
static llvm::Error checkRange(const WeightTask &task,
                              const ParameterData &parameters,
                              const char *data) {
  constexpr uint16_t magnitude = 0x7fff, infinity = 0x7c00;
  const auto *begin =
      reinterpret_cast<const uint16_t *>(data + task.weight.offset);
  auto isInfinite = [](uint16_t bits) {
    return (bits & magnitude) == infinity;
  };
  if (!task.weight.type.getElementType().isF16() ||
      std::none_of(begin, begin + task.weight.type.getNumElements(),
                   isInfinite))
    return llvm::Error::success();
  std::string names;
  for (unsigned parameter : task.parameters)
    names += (names.empty() ? "'" : ", '") +
             parameters.getName(parameter).str() + "'";
  return llvm::createStringError(
      "the weight made of " + names +
      " has numbers beyond 65504, the largest of f16; expected a wider dtype");
}

/// Runs all tasks on the machine's threads.
static llvm::Error runTasks(ArrayRef<WeightTask> tasks,
                            const WeightKernels &kernels,
                            const ParameterData &parameters,
                            MutableArrayRef<char> data,
                            const WeightsProgress &progress) {
  std::mutex mutex;
  llvm::Error result = llvm::Error::success();
  int64_t done = 0;
  llvm::DefaultThreadPool pool;
  for (const WeightTask &task : tasks)
    pool.async([&] {
      llvm::Error error = runTask(task, kernels, parameters, data.data());
      if (!error)
        error = checkRange(task, parameters, data.data());
      std::lock_guard<std::mutex> lock(mutex);
      result = llvm::joinErrors(std::move(result), std::move(error));
      done += getNumBytes(task.weight.type);
      if (progress)
        progress(done, data.size());
    });
  pool.wait();
  return result;
}

llvm::Error mod::prepareWeights(ModuleOp module, MutableArrayRef<char> data,
                                WeightsProgress progress) {
  func::FuncOp function = getPrepareWeights(module);
  if (int64_t(data.size()) != getWeightsDataBytes(function))
    return llvm::createStringError("expected memory for the weights' data");
  ParameterData parameters;
  if (llvm::Error error = parameters.load(module, function))
    return error;
  module.getContext()
      ->loadDialect<bufferization::BufferizationDialect, func::FuncDialect,
                    memref::MemRefDialect>();
  WeightPlan plan(function);
  llvm::Expected<WeightKernels> kernels =
      WeightKernels::compile(plan.getKernels());
  if (!kernels)
    return kernels.takeError();
  return runTasks(plan.getTasks(), *kernels, parameters, data, progress);
}

/// Each result has a name, and a place right behind the one before.
static llvm::Error checkResults(func::FuncOp function) {
  int64_t end = 0;
  for (unsigned index : llvm::seq(function.getNumResults())) {
    auto error = [&](const Twine &message) {
      return llvm::createStringError("result " + Twine(index) + " of @" +
                                     kPrepareWeights + message);
    };
    if (!function.getResultAttrOfType<StringAttr>(index, kWeightAttr))
      return error(" has no '" + kWeightAttr + "', expected its name");
    auto offset = function.getResultAttrOfType<IntegerAttr>(index, kOffsetAttr);
    if (!offset || offset.getInt() != end)
      return error(" is not at '" + kOffsetAttr + "' " + Twine(end) +
                   ", behind the one before");
    end +=
        getNumBytes(cast<RankedTensorType>(function.getResultTypes()[index]));
  }
  return llvm::Error::success();
}

llvm::Error mod::writeWeights(ModuleOp module, StringRef path,
                              WeightsProgress progress) {
  func::FuncOp function = getPrepareWeights(module);
  if (!function)
    return llvm::createStringError("expected @" + kPrepareWeights +
                                   "; weights have not been hoisted");
  if (llvm::Error error = checkResults(function))
    return error;
  std::string header = getWeightsHeader(function);
  size_t bytes = header.size() + getWeightsDataBytes(function);
  auto file = llvm::FileOutputBuffer::create(path, bytes);
  if (!file)
    return llvm::createFileError(path, file.takeError());
  char *begin = reinterpret_cast<char *>((*file)->getBufferStart());
  llvm::copy(header, begin);
  MutableArrayRef<char> data(begin + header.size(), bytes - header.size());
  if (llvm::Error error = prepareWeights(module, data, progress))
    return error;
  if (llvm::Error error = (*file)->commit())
    return llvm::createFileError(path, std::move(error));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct PrepareWeightsPass
    : mod::impl::PrepareWeightsPassBase<PrepareWeightsPass> {
  using PrepareWeightsPassBase::PrepareWeightsPassBase;

  void runOnOperation() override {
    if (llvm::Error error = writeWeights(getOperation(), output)) {
      getOperation().emitError() << llvm::toString(std::move(error));
      signalPassFailure();
    }
  }
};
} // namespace
