//===- Family.h - What sets model families apart ----------------*- C++ -*-===//
//
// Families that share Llama's tensors and most of its computation.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_FAMILY_H
#define MOD_TOOLS_IMPORT_FAMILY_H

#include "dialect/ModOps.h"
#include "tools/import/Json.h"

namespace mlir::mod {

struct Config;

/// What the classes end in that astramind's `apply_mod_to_hf` makes.
inline constexpr StringLiteral kAstramindClass = "MoDForCausalLM";

enum class Family { llama, mistral, mixtral, qwen2, qwen3, gemma };

enum class HiddenActivation { silu, gelu };

/// Where a family departs from Llama.
struct Variant {
  /// Biases of q, k and v, and of o.
  bool projectionBias = false, outputBias = false;
  /// Norms of each head of q and k.
  bool headNorms = false;
  /// Norms multiply by 1 + weight.
  bool unitOffset = false;
  /// Embeddings are multiplied by the root of their width.
  bool scaledEmbeddings = false;
  HiddenActivation activation = HiddenActivation::silu;
  /// Of each layer: how many tokens it sees, itself included; none: all.
  SmallVector<std::optional<int64_t>> windows;
  /// Null where rotations are not slowed.
  RopeScalingAttr ropeScaling;
};

/// The family that `config.json` names.
Family readFamily(ObjectReader &root);

/// What the family and its keys say; counts of `config` are known.
void readVariant(ObjectReader &root, Family family, Config &config);

/// `rope_theta`, `rope_scaling` and `rope_parameters`.
void readRope(ObjectReader &root, MLIRContext *context, Config &config);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_FAMILY_H
