//===- Descriptor.cpp - What the runtime knows about a model ----*- C++ -*-===//
//
// Writes runtime/modrt.h's modrt_model, field by field, in its order.
//
//===----------------------------------------------------------------------===//

#include "codegen/Descriptor.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/Budget.h"
#include "runtime/modrt.h"

using namespace mlir;
using namespace mlir::mod;

std::string mod::getWrapperName(StringRef program) {
  return ("mod_" + program).str();
}

namespace {

/// Builds constants of the kinds that the descriptor is made of.
class ConstantBuilder {
public:
  ConstantBuilder(OpBuilder &builder, ModuleOp module)
      : builder(builder), module(module), loc(module.getLoc()),
        pointer(LLVM::LLVMPointerType::get(builder.getContext())) {}

  Value i32(int64_t value) {
    return LLVM::ConstantOp::create(builder, loc,
                                    builder.getI32IntegerAttr(value));
  }
  Value i64(int64_t value) {
    return LLVM::ConstantOp::create(builder, loc,
                                    builder.getI64IntegerAttr(value));
  }
  Value null() { return LLVM::ZeroOp::create(builder, loc, pointer); }
  Value addressOf(StringRef symbol) {
    return LLVM::AddressOfOp::create(builder, loc, pointer, symbol);
  }

  /// A NUL-terminated string in a global of its own.
  Value string(StringRef name, StringRef text);

  /// Bytes at a multiple of 8.
  Value bytes(StringRef name, StringRef content);

  /// A structure of these fields.
  Value structure(ArrayRef<Value> fields);

  /// A global array whose elements `element` builds; null if it has none.
  Value array(StringRef name, int64_t count,
              function_ref<Value(int64_t)> element);

  /// A constant global whose value `initializer` builds.
  void createGlobal(StringRef symbol, function_ref<Value()> initializer);

private:
  LLVM::GlobalOp createBytes(StringRef symbol, StringRef content);

  OpBuilder &builder;
  ModuleOp module;
  Location loc;
  Type pointer;
};

} // namespace

LLVM::GlobalOp ConstantBuilder::createBytes(StringRef symbol,
                                            StringRef content) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(module.getBody());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), content.size());
  return LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/true,
                                LLVM::Linkage::Internal, symbol,
                                builder.getStringAttr(content));
}

Value ConstantBuilder::string(StringRef name, StringRef text) {
  std::string symbol = ("mod.string." + name).str();
  createBytes(symbol, (text + StringRef("\0", 1)).str());
  return addressOf(symbol);
}

Value ConstantBuilder::bytes(StringRef name, StringRef content) {
  std::string symbol = ("mod.bytes." + name).str();
  createBytes(symbol, content).setAlignment(8);
  return addressOf(symbol);
}

Value ConstantBuilder::structure(ArrayRef<Value> fields) {
  SmallVector<Type> types =
      llvm::map_to_vector(fields, [](Value field) { return field.getType(); });
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), types);
  Value value = LLVM::UndefOp::create(builder, loc, type);
  for (auto [index, field] : llvm::enumerate(fields))
    value = LLVM::InsertValueOp::create(builder, loc, value, field, index);
  return value;
}

void ConstantBuilder::createGlobal(StringRef symbol,
                                   function_ref<Value()> initializer) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(module.getBody());
  auto global =
      LLVM::GlobalOp::create(builder, loc, pointer, /*isConstant=*/true,
                             LLVM::Linkage::Internal, symbol, Attribute());
  builder.createBlock(&global.getInitializerRegion());
  Value value = initializer();
  global.setGlobalType(value.getType());
  LLVM::ReturnOp::create(builder, loc, value);
}

Value ConstantBuilder::array(StringRef name, int64_t count,
                             function_ref<Value(int64_t)> element) {
  if (!count)
    return null();
  std::string symbol = ("mod." + name).str();
  createGlobal(symbol, [&] {
    Value value;
    for (int64_t index : llvm::seq(count)) {
      Value item = element(index);
      if (!value)
        value = LLVM::UndefOp::create(
            builder, loc, LLVM::LLVMArrayType::get(item.getType(), count));
      value = LLVM::InsertValueOp::create(builder, loc, value, item, index);
    }
    return value;
  });
  return addressOf(symbol);
}

static_assert(kTraceRows == MODRT_TRACE_ROWS, "programs write traces");

/// The number of the layer that a cache belongs to, -1 outside routed blocks.
static int64_t getLayer(const Budget &budget, int64_t cache) {
  for (const Budget::Block &block : llvm::drop_begin(budget.blocks))
    if (cache >= block.firstCache && cache < block.firstCache + block.numCaches)
      return block.layer;
  return -1;
}

namespace {

/// Attributes of the module that the descriptor is made from.
struct ModuleFacts {
  explicit ModuleFacts(ModuleOp module)
      : module(module),
        model(module->getAttrOfType<DictionaryAttr>("mod.model")),
        weights(module->getAttrOfType<DictionaryAttr>("mod.weights")),
        caches(module->getAttrOfType<ArrayAttr>("mod.caches")) {}

  int64_t getInt(StringRef name) const { return get(module->getAttr(name)); }
  int64_t getModelInt(StringRef name) const { return get(model, name); }
  int64_t getWeightsInt(StringRef name) const { return get(weights, name); }
  int64_t getCacheInt(int64_t index, StringRef name) const {
    return get(cast<DictionaryAttr>(caches[index]), name);
  }
  StringRef getModelString(StringRef name, StringRef otherwise) const {
    auto attr = model ? model.getAs<StringAttr>(name) : StringAttr();
    return attr ? attr.getValue() : otherwise;
  }
  ArrayRef<int32_t> getEos() const {
    auto attr = model ? model.getAs<DenseI32ArrayAttr>("eos") : nullptr;
    return attr ? attr.asArrayRef() : ArrayRef<int32_t>();
  }
  /// Sequences that one run of decode_batch takes; 1 where there is none.
  int64_t getBatch() const { return std::max<int64_t>(1, getInt("mod.batch")); }
  /// How a routed block routes prompts (0) or single tokens (1).
  StringRef getRouting(int64_t block, unsigned phase) const {
    auto routing = module->getAttrOfType<ArrayAttr>("mod.routing");
    if (!routing || block == 0)
      return {};
    auto phases = cast<ArrayAttr>(routing[block - 1]);
    return cast<StringAttr>(phases[phase]).getValue();
  }
  int64_t getNumCaches() const { return caches ? caches.size() : 0; }
  StringRef getTokenizer() const {
    auto attr = module->getAttrOfType<StringAttr>("mod.tokenizer");
    return attr ? attr.getValue() : StringRef();
  }
  /// The table of kernels or of their images; null where there are none.
  ArrayAttr getTable(StringRef name) const {
    return module->getAttrOfType<ArrayAttr>(name);
  }
  std::string getReport() const {
    auto attr = module->getAttrOfType<StringAttr>("mod.report");
    return attr ? attr.getValue().str() : "{}";
  }

private:
  static int64_t get(Attribute attr) {
    auto integer = dyn_cast_or_null<IntegerAttr>(attr);
    return integer ? integer.getInt() : 0;
  }
  static int64_t get(DictionaryAttr dictionary, StringRef name) {
    return dictionary ? get(dictionary.get(name)) : 0;
  }

  ModuleOp module;
  DictionaryAttr model, weights;
  ArrayAttr caches;
};

} // namespace

static Value createWindows(ConstantBuilder &constant,
                           ArrayRef<Budget::Window> windows, int64_t block) {
  std::string name = ("block." + Twine(block) + ".windows").str();
  return constant.array(name, windows.size(), [&](int64_t i) {
    const Budget::Window &window = windows[i];
    return constant.structure(
        {constant.i64(window.size), constant.i64(window.ofSequence),
         constant.i64(window.flopsPerPair), constant.i64(window.flopsPerKey)});
  });
}

static Value createBlock(ConstantBuilder &constant, const ModuleFacts &facts,
                         const Budget::Block &block, int64_t index) {
  auto policy = [&](StringRef phase, unsigned number) {
    StringRef name = facts.getRouting(index, number);
    return name.empty()
               ? constant.null()
               : constant.string(("block." + Twine(index) + "." + phase).str(),
                                 name);
  };
  Value prefill = policy("prefill", 0), decode = policy("decode", 1);
  return constant.structure(
      {constant.i64(block.layer), constant.i64(block.capacity),
       constant.i64(block.flopsPerToken), constant.i64(block.flopsPerPair),
       constant.i64(block.flopsPerKey), constant.i64(block.weightBytes),
       constant.i64(block.cacheRowBytes), constant.i64(block.firstCache),
       constant.i64(block.numCaches), prefill, decode,
       constant.i64(block.windows.size()),
       createWindows(constant, block.windows, index)});
}

static Value createKernel(ConstantBuilder &constant, int64_t index,
                          DictionaryAttr kernel) {
  std::string name = ("kernel." + Twine(index)).str();
  return constant.structure(
      {constant.string(name, kernel.getAs<StringAttr>("name")),
       constant.i64(kernel.getAs<IntegerAttr>("threads").getInt())});
}

static Value createImage(ConstantBuilder &constant, int64_t index,
                         DictionaryAttr image) {
  std::string name = ("image." + Twine(index)).str();
  StringRef data = image.getAs<StringAttr>("data");
  // PTX ends with a NUL.
  std::string content = (data + StringRef("\0", 1)).str();
  return constant.structure(
      {constant.string(name + ".kind", image.getAs<StringAttr>("kind")),
       constant.string(name + ".chip", image.getAs<StringAttr>("chip")),
       constant.bytes(name, content), constant.i64(data.size())});
}

static Value createTensorMap(ConstantBuilder &constant, DictionaryAttr map) {
  auto field = [&](StringRef name) {
    return constant.i64(map.getAs<IntegerAttr>(name).getInt());
  };
  return constant.structure({field("offset"), field("rows"), field("columns")});
}

/// A pointer to modrt_kernels, null where programs run on the CPU.
static Value createKernels(ConstantBuilder &constant,
                           const ModuleFacts &facts) {
  ArrayAttr kernels = facts.getTable("mod.kernels");
  ArrayAttr images = facts.getTable("mod.images");
  if (!kernels || !images)
    return constant.null();
  ArrayAttr maps = facts.getTable("mod.tensor_maps");
  int64_t numMaps = maps ? maps.size() : 0;
  return constant.array("gpu_code", 1, [&](int64_t) {
    Value table = constant.array("kernels", kernels.size(), [&](int64_t i) {
      return createKernel(constant, i, cast<DictionaryAttr>(kernels[i]));
    });
    Value code = constant.array("images", images.size(), [&](int64_t i) {
      return createImage(constant, i, cast<DictionaryAttr>(images[i]));
    });
    Value mapTable = constant.array("tensor_maps", numMaps, [&](int64_t i) {
      return createTensorMap(constant, cast<DictionaryAttr>(maps[i]));
    });
    return constant.structure({constant.i64(kernels.size()), table,
                               constant.i64(images.size()), code,
                               constant.i64(numMaps), mapTable});
  });
}

/// The fields of modrt_model, in its order.
static SmallVector<Value> createFields(ConstantBuilder &constant,
                                       const ModuleFacts &facts,
                                       const Budget &budget,
                                       const DescriptorOptions &options) {
  SmallVector<Value> fields = {constant.i32(MODRT_MAGIC),
                               constant.i32(MODRT_ABI_VERSION)};
  auto string = [&](StringRef name, StringRef text) {
    fields.push_back(constant.string(name, text));
  };
  auto i64 = [&](int64_t value) { fields.push_back(constant.i64(value)); };

  string("name", facts.getModelString("name", "model"));
  string("producer", options.producer);
  string("target", options.target);
  string("features", options.features);
  string("report", facts.getReport());
  string("tokenizer", facts.getModelString("tokenizer", "none"));
  if (options.weightsFile.empty())
    fields.push_back(constant.null());
  else
    string("weights_file", options.weightsFile);
  i64(facts.getWeightsInt("bytes"));
  i64(facts.getWeightsInt("offset"));
  i64(facts.getWeightsInt("hash"));
  i64(budget.context);
  i64(facts.getModelInt("vocab"));
  ArrayRef<int32_t> eos = facts.getEos();
  i64(eos.size());
  fields.push_back(constant.array("eos", eos.size(), [&](int64_t index) {
    return constant.i32(eos[index]);
  }));
  i64(facts.getInt("mod.arena_bytes"));
  i64(facts.getInt("mod.caches_bytes"));
  i64(facts.getNumCaches());
  fields.push_back(
      constant.array("caches", facts.getNumCaches(), [&](int64_t index) {
        return constant.structure(
            {constant.i64(getLayer(budget, index)),
             constant.i64(facts.getCacheInt(index, "length")),
             constant.i64(facts.getCacheInt(index, "row_bytes"))});
      }));
  i64(budget.blocks.size());
  fields.push_back(
      constant.array("blocks", budget.blocks.size(), [&](int64_t index) {
        return createBlock(constant, facts, budget.blocks[index], index);
      }));
  i64(budget.logitsFlops);
  i64(budget.logitsWeightBytes);
  for (StringRef program : {"forward", "prefill", "decode"})
    fields.push_back(constant.addressOf(getWrapperName(program)));
  int64_t batch = facts.getBatch();
  fields.push_back(batch > 1
                       ? constant.addressOf(getWrapperName("decode_batch"))
                       : constant.null());
  i64(batch);
  StringRef tokenizer = facts.getTokenizer();
  fields.push_back(tokenizer.empty() ? constant.null()
                                     : constant.bytes("tokenizer", tokenizer));
  i64(tokenizer.size());
  fields.push_back(createKernels(constant, facts));
  return fields;
}

/// `const modrt_model *mod_model(uint32_t abi_version)`.
static void createQuery(OpBuilder &builder, Location loc, StringRef model) {
  MLIRContext *context = builder.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context);
  auto type = LLVM::LLVMFunctionType::get(pointer, builder.getI32Type());
  auto query = LLVM::LLVMFuncOp::create(builder, loc, kQueryFunction, type);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(query.addEntryBlock(builder));
  Value version = LLVM::ConstantOp::create(
      builder, loc, builder.getI32IntegerAttr(MODRT_ABI_VERSION));
  Value same = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::eq,
                                    query.getArgument(0), version);
  Value address = LLVM::AddressOfOp::create(builder, loc, pointer, model);
  Value null = LLVM::ZeroOp::create(builder, loc, pointer);
  Value result = LLVM::SelectOp::create(builder, loc, same, address, null);
  LLVM::ReturnOp::create(builder, loc, result);
}

LogicalResult mod::createDescriptor(OpBuilder &builder, ModuleOp module,
                                    const DescriptorOptions &options) {
  auto attr = module->getAttrOfType<DictionaryAttr>(kBudgetAttr);
  if (!attr)
    return module.emitError("has no 'mod.budget'; run mod-specialize first");
  FailureOr<Budget> budget = Budget::fromAttribute(attr);
  if (failed(budget))
    return module.emitError("has a malformed 'mod.budget'");
  ConstantBuilder constant(builder, module);
  ModuleFacts facts(module);
  constant.createGlobal("mod.descriptor", [&] {
    return constant.structure(createFields(constant, facts, *budget, options));
  });
  createQuery(builder, module.getLoc(), "mod.descriptor");
  return success();
}
