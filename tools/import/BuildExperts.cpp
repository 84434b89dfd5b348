//===- BuildExperts.cpp - The mixtures of experts of a model ----*- C++ -*-===//
//
// Mixtral's MLP, and mixtures with choices that do nothing.
//
//===----------------------------------------------------------------------===//

#include "tools/import/ForwardBuilder.h"

using namespace mlir;
using namespace mlir::mod;

static Attribute toAttribute(Builder &builder,
                             const std::optional<Capacity> &capacity) {
  if (!capacity)
    return {};
  if (const double *ratio = std::get_if<double>(&*capacity))
    return builder.getF64FloatAttr(*ratio);
  return builder.getI64IntegerAttr(std::get<int64_t>(*capacity));
}

Value ForwardBuilder::buildExperts(const Twine &name, Value x) {
  const ExpertsConfig &mixture = *config.experts;
  Location loc = getLoc(name);
  Value logits = buildLinear(name + ".gate", x, mixture.experts + mixture.noops,
                             /*hasBias=*/false);
  IntegerAttr top;
  ThresholdAttr threshold;
  if (mixture.top)
    top = builder.getI64IntegerAttr(*mixture.top);
  else
    threshold = ThresholdAttr::get(builder.getContext(),
                                   builder.getF64FloatAttr(mixture.least),
                                   /*inclusive=*/false);
  auto experts =
      ExpertsOp::create(builder, loc, x.getType(), x, logits, top,
                        toAttribute(builder, mixture.capacity),
                        GateAttr::get(builder.getContext(), mixture.gate),
                        threshold, mixture.experts);
  for (Region &region : experts.getExperts()) {
    OpBuilder::InsertionGuard guard(builder);
    Block *block = builder.createBlock(&region, {}, x.getType(), loc);
    Value update =
        buildGlu(name + ".experts." + Twine(region.getRegionNumber()),
                 block->getArgument(0), ".w1", ".w3", ".w2");
    YieldOp::create(builder, loc, update);
  }
  return experts.getResult();
}
