//===- Rope.cpp - Rotary embeddings of a configuration ----------*- C++ -*-===//
//
// `rope_scaling` and `rope_parameters`, as transformers 4 and 5 write them.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Config.h"
#include "tools/import/Family.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

namespace {
/// The numbers of `#mod.rope_scaling`; 1 where a kind has no use for one.
struct Numbers {
  double factor = 1, original = 1, low = 1, high = 1, magnitude = 1;

  RopeScalingAttr get(MLIRContext *context, RopeScalingKind kind) const {
    context->loadDialect<ModDialect>();
    Builder b(context);
    return RopeScalingAttr::get(context, kind, b.getF64FloatAttr(factor),
                                b.getF64FloatAttr(original),
                                b.getF64FloatAttr(low), b.getF64FloatAttr(high),
                                b.getF64FloatAttr(magnitude));
  }
};
} // namespace

static double readRequired(ObjectReader &rope, StringRef key) {
  if (!rope.has(key))
    rope.error(key, "is missing: expected a positive number");
  return rope.getPositive(key, 1.0);
}

static RopeScalingAttr readLlama3(ObjectReader &rope, MLIRContext *context) {
  Numbers numbers;
  numbers.factor = readRequired(rope, "factor");
  numbers.original = readRequired(rope, "original_max_position_embeddings");
  numbers.low = readRequired(rope, "low_freq_factor");
  numbers.high = readRequired(rope, "high_freq_factor");
  if (numbers.low >= numbers.high)
    rope.error("low_freq_factor", "must be less than high_freq_factor");
  return rope.ok() ? numbers.get(context, RopeScalingKind::llama3)
                   : RopeScalingAttr();
}

/// How much sharper attention is where rotations are slowed by `factor`.
static double getMagnitude(double factor, double weight) {
  return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1;
}

static RopeScalingAttr readYarn(ObjectReader &rope, const Config &config,
                                MLIRContext *context) {
  Numbers numbers;
  numbers.original =
      rope.getPositive("original_max_position_embeddings", config.context);
  if (rope.has("original_max_position_embeddings") && !rope.has("factor"))
    numbers.factor = config.context / numbers.original;
  else
    numbers.factor = readRequired(rope, "factor");
  numbers.low = rope.getPositive("beta_slow", 1);
  numbers.high = rope.getPositive("beta_fast", 32);
  double magnitude = getMagnitude(numbers.factor, 1);
  if (rope.has("mscale") && rope.has("mscale_all_dim"))
    magnitude =
        getMagnitude(numbers.factor, rope.getPositive("mscale", 1)) /
        getMagnitude(numbers.factor, rope.getPositive("mscale_all_dim", 1));
  numbers.magnitude = rope.getPositive("attention_factor", magnitude);
  if (!rope.getFlag("truncate", true))
    rope.error("truncate", "must be true or absent");
  return rope.ok() ? numbers.get(context, RopeScalingKind::yarn)
                   : RopeScalingAttr();
}

static RopeScalingAttr readScaling(ObjectReader &rope, const Config &config,
                                   MLIRContext *context) {
  StringRef typeKey = rope.has("rope_type") ? "rope_type" : "type";
  StringRef type = rope.getString(typeKey, "default");
  if (rope.getPositive("partial_rotary_factor", 1.0) != 1.0)
    rope.error("partial_rotary_factor", "must be 1 or absent");
  if (type == "linear") {
    Numbers numbers;
    numbers.factor = readRequired(rope, "factor");
    return rope.ok() ? numbers.get(context, RopeScalingKind::linear)
                     : RopeScalingAttr();
  }
  if (type == "llama3")
    return readLlama3(rope, context);
  if (type == "yarn")
    return readYarn(rope, config, context);
  // Dynamic scaling begins behind max_position_embeddings, the context.
  if (type != "default" && type != "dynamic")
    rope.error(typeKey,
               "is '" + type +
                   "', supported are: default, linear, dynamic, llama3, yarn");
  if (type == "default" && rope.getPositive("factor", 1.0) != 1.0)
    rope.error("factor", "must be 1 or absent");
  return {};
}

void mod::readRope(ObjectReader &root, MLIRContext *context, Config &config) {
  for (StringRef key : {"rope_scaling", "rope_parameters"}) {
    if (!root.has(key))
      continue;
    ObjectReader rope = root.getObject(key);
    config.variant.ropeScaling = readScaling(rope, config, context);
  }
  config.ropeTheta =
      root.getObject("rope_parameters")
          .getPositive("rope_theta", root.getPositive("rope_theta", 10000.0));
}
