//===- ReadLayers.cpp - Which layers are routed -----------------*- C++ -*-===//
//
// Layers and ranges of a `mod` object, and how many tokens go through them.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Readers.h"

using namespace mlir;
using namespace mlir::mod;

static SmallVector<int64_t> readLayerList(ObjectReader &mod, int64_t layers) {
  SmallVector<int64_t> routed;
  for (const ObjectReader::Element &element :
       mod.getElements("routed_layers")) {
    int64_t layer = mod.toInteger(element, 0, layers - 1);
    if (llvm::is_contained(routed, layer))
      mod.error(element, "is layer " + Twine(layer) + " again");
    routed.push_back(layer);
  }
  if (routed.empty())
    mod.error("routed_layers", "must list at least one layer");
  return routed;
}

/// The first and the last layer.
using LayerRange = std::pair<int64_t, int64_t>;

static LayerRange readRange(ObjectReader &mod,
                            const ObjectReader::Element &element,
                            int64_t layers) {
  SmallVector<int64_t> range;
  for (const ObjectReader::Element &layer : mod.getElements(element))
    range.push_back(mod.toInteger(layer, 0, layers - 1));
  if (range.size() == 2 && range[0] <= range[1])
    return {range[0], range[1]};
  mod.error(element, "must be the first and the last of the layers that are "
                     "routed together");
  return {0, 0};
}

static SmallVector<LayerRange> readRanges(ObjectReader &mod, int64_t layers) {
  SmallVector<LayerRange> ranges;
  if (mod.has("routed_layers"))
    mod.error("ranges", "say what 'routed_layers' says too: expected one of "
                        "the two");
  for (const ObjectReader::Element &element : mod.getElements("ranges")) {
    LayerRange range = readRange(mod, element, layers);
    if (!ranges.empty() && range.first <= ranges.back().second)
      mod.error(element, "must begin behind layer " +
                             Twine(ranges.back().second) +
                             ", where the one before ends");
    ranges.push_back(range);
  }
  if (ranges.empty())
    mod.error("ranges", "must list at least one range of layers");
  return ranges;
}

/// All layers but the first and the last.
static SmallVector<LayerRange> getMiddle(ObjectReader &mod, int64_t layers) {
  if (layers < 3)
    mod.error(
        "recursions",
        "repeat the layers between the first and the last, but there are " +
            Twine(layers) + " layers: expected 'ranges'");
  return {{1, layers - 2}};
}

/// What is routed, in the order in which capacities are listed.
static SmallVector<LayerRange> readRoutedLayers(ObjectReader &mod,
                                                int64_t layers) {
  if (mod.has("ranges"))
    return readRanges(mod, layers);
  if (mod.has("recursions") && !mod.has("routed_layers"))
    return getMiddle(mod, layers);
  SmallVector<int64_t> routed;
  if (mod.isList("routed_layers")) {
    routed = readLayerList(mod, layers);
  } else {
    StringRef which =
        mod.getChoice("routed_layers", {"odd", "even", "all"}, "odd");
    for (int64_t layer = which == "odd"; layer < layers;
         layer += which == "all" ? 1 : 2)
      routed.push_back(layer);
  }
  return llvm::map_to_vector(
      routed, [](int64_t layer) { return LayerRange(layer, layer); });
}

/// `0.25` is a ratio, `64` a count: what matters is how it is written.
Capacity mod::readCapacity(ObjectReader &mod,
                           const ObjectReader::Element &element,
                           int64_t context) {
  double number = element.value->getAsNumber().value_or(0);
  if (element.isFloat() && number > 0 && number <= 1)
    return number;
  if (!element.isFloat() && number >= 1 && number <= context)
    return *element.value->getAsInteger();
  mod.error(element, "must be a ratio in (0, 1] or a count from 1 to " +
                         Twine(context) + ", not " + element.describe());
  return 1.0;
}

/// What is listed, or the one value that there is for all.
static SmallVector<Capacity> readCapacityList(ObjectReader &mod,
                                              int64_t context, size_t count,
                                              const Twine &what) {
  SmallVector<Capacity> capacities;
  for (const ObjectReader::Element &element : mod.getElements("capacity"))
    capacities.push_back(readCapacity(mod, element, context));
  if (!mod.isList("capacity"))
    capacities.resize(count, capacities.front());
  if (capacities.size() != count)
    mod.error("capacity", "lists " + Twine(capacities.size()) + " values for " +
                              Twine(count) + what);
  return capacities;
}

/// The capacity of each step of a recursion, whose candidates are the tokens of
/// the step before.
static SmallVector<Capacity>
readStepCapacities(ObjectReader &mod, int64_t context, int64_t steps) {
  SmallVector<Capacity> capacities;
  if (!mod.has("capacity")) {
    for (int64_t step = 0; step < steps; ++step)
      capacities.push_back(double(steps - step) / double(steps));
    return capacities;
  }
  capacities = readCapacityList(mod, context, steps, " recursions");
  for (auto [before, after] :
       llvm::zip(capacities, llvm::drop_begin(capacities)))
    if (before.index() != after.index() || before < after)
      mod.error("capacity", "must not grow from recursion to recursion: "
                            "expected ratios or counts, the largest first");
  return capacities;
}

static void readCapacities(ObjectReader &mod, const Config &config,
                           ArrayRef<LayerRange> routed,
                           RoutingConfig &routing) {
  if (mod.has("recursions")) {
    SmallVector<Capacity> steps =
        readStepCapacities(mod, config.context, routing.recursions);
    if (routing.keys == KeyTokens::first && steps.front() != Capacity(1.0))
      mod.error("capacity",
                "must begin with 1.0 where recursions share the keys "
                "of the first (kv 'shared')");
    for (LayerRange range : routed)
      routing.layers[range.first] = {range.second, steps};
    return;
  }
  // Schemes without a bound may take every token.
  SmallVector<Capacity> capacities(
      routed.size(), routing.scheme >= Scheme::threshold ? 1.0 : 0.125);
  if (mod.has("capacity"))
    capacities = readCapacityList(mod, config.context, routed.size(),
                                  mod.has("ranges") ? " ranges of layers"
                                                    : " routed layers");
  for (auto [range, capacity] : llvm::zip(routed, capacities))
    routing.layers[range.first] = {range.second, {capacity}};
}

void mod::readLayers(ObjectReader &mod, Config &config) {
  SmallVector<LayerRange> routed = readRoutedLayers(mod, config.layers);
  readCapacities(mod, config, routed, config.routing);
}
