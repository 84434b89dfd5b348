//===- BudgetFormat.cpp - The budget as attribute and as JSON ---*- C++ -*-===//
//
// Names the fields of a budget once for both forms.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/Builders.h"
#include "passes/Budget.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
template <typename Owner>
struct Field {
  llvm::StringLiteral name;
  int64_t Owner::*member;
};
} // namespace

static const Field<Budget::Window> kWindowFields[] = {
    {"size", &Budget::Window::size},
    {"of_sequence", &Budget::Window::ofSequence},
    {"flops_per_pair", &Budget::Window::flopsPerPair},
    {"flops_per_key", &Budget::Window::flopsPerKey},
};

static const Field<Budget::Block> kBlockFields[] = {
    {"layer", &Budget::Block::layer},
    {"capacity", &Budget::Block::capacity},
    {"flops_per_token", &Budget::Block::flopsPerToken},
    {"flops_per_pair", &Budget::Block::flopsPerPair},
    {"flops_per_key", &Budget::Block::flopsPerKey},
    {"weight_bytes", &Budget::Block::weightBytes},
    {"cache_row_bytes", &Budget::Block::cacheRowBytes},
    {"first_cache", &Budget::Block::firstCache},
    {"num_caches", &Budget::Block::numCaches},
};

static const Field<Budget> kBudgetFields[] = {
    {"context", &Budget::context},
    {"parameters", &Budget::parameters},
    {"parameter_bytes", &Budget::parameterBytes},
    {"parameter_f32_bytes", &Budget::parameterF32Bytes},
    {"logits_flops", &Budget::logitsFlops},
    {"logits_weight_bytes", &Budget::logitsWeightBytes},
    {"routing_flops", &Budget::routingFlops},
};

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

template <typename Owner, size_t n>
static SmallVector<NamedAttribute>
toAttributes(Builder &builder, const Owner &owner,
             const Field<Owner> (&fields)[n]) {
  return llvm::map_to_vector(fields, [&](const Field<Owner> &field) {
    return builder.getNamedAttr(field.name,
                                builder.getI64IntegerAttr(owner.*field.member));
  });
}

template <typename Owner, size_t n>
static LogicalResult fromAttributes(DictionaryAttr attribute, Owner &owner,
                                    const Field<Owner> (&fields)[n]) {
  for (const Field<Owner> &field : fields) {
    auto value = attribute.getAs<IntegerAttr>(field.name);
    if (!value)
      return failure();
    owner.*field.member = value.getInt();
  }
  return success();
}

static DictionaryAttr toAttribute(Builder &builder,
                                  const Budget::Block &block) {
  SmallVector<NamedAttribute> entries =
      toAttributes(builder, block, kBlockFields);
  SmallVector<Attribute> windows;
  for (const Budget::Window &window : block.windows)
    windows.push_back(builder.getDictionaryAttr(
        toAttributes(builder, window, kWindowFields)));
  if (!windows.empty())
    entries.push_back(
        builder.getNamedAttr("windows", builder.getArrayAttr(windows)));
  return builder.getDictionaryAttr(entries);
}

static LogicalResult fromAttribute(DictionaryAttr attribute,
                                   Budget::Block &block) {
  if (failed(fromAttributes(attribute, block, kBlockFields)))
    return failure();
  auto windows = attribute.getAs<ArrayAttr>("windows");
  if (!windows)
    return success();
  for (auto window : windows.getAsRange<DictionaryAttr>())
    if (failed(fromAttributes(window, block.windows.emplace_back(),
                              kWindowFields)))
      return failure();
  return success();
}

DictionaryAttr Budget::toAttribute(MLIRContext *context) const {
  Builder builder(context);
  SmallVector<NamedAttribute> entries =
      toAttributes(builder, *this, kBudgetFields);
  SmallVector<Attribute> blockEntries;
  for (const Block &block : blocks)
    blockEntries.push_back(::toAttribute(builder, block));
  entries.push_back(
      builder.getNamedAttr("blocks", builder.getArrayAttr(blockEntries)));
  return builder.getDictionaryAttr(entries);
}

FailureOr<Budget> Budget::fromAttribute(DictionaryAttr attribute) {
  Budget budget;
  auto blocks = attribute.getAs<ArrayAttr>("blocks");
  if (!blocks || failed(fromAttributes(attribute, budget, kBudgetFields)))
    return failure();
  for (Attribute entry : blocks) {
    auto fields = dyn_cast<DictionaryAttr>(entry);
    if (!fields ||
        failed(::fromAttribute(fields, budget.blocks.emplace_back())))
      return failure();
  }
  return budget;
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

template <typename Owner, size_t n>
static llvm::json::Object toObject(const Owner &owner,
                                   const Field<Owner> (&fields)[n]) {
  llvm::json::Object object;
  for (const Field<Owner> &field : fields)
    object[field.name] = owner.*field.member;
  return object;
}

static llvm::json::Object toObject(const Budget::Block &block) {
  llvm::json::Object object = toObject(block, kBlockFields);
  llvm::json::Array windows;
  for (const Budget::Window &window : block.windows)
    windows.push_back(toObject(window, kWindowFields));
  if (!windows.empty())
    object["windows"] = std::move(windows);
  return object;
}

static llvm::json::Object toObject(const Budget::Run &run) {
  return llvm::json::Object{{"flops", run.flops},
                            {"dense_flops", run.denseFlops},
                            {"ratio", run.getRatio()}};
}

llvm::json::Value Budget::toJSON() const {
  llvm::json::Object object = toObject(*this, kBudgetFields);
  llvm::json::Array blockObjects;
  for (const Block &block : blocks)
    blockObjects.push_back(toObject(block));
  object["blocks"] = std::move(blockObjects);
  object["forward"] = toObject(getForward());
  object["prefill"] = toObject(getPrefill());
  object["decode"] = toObject(getDecode());
  return object;
}
