//===- Instance.h - A model with its weights -------------------*- C++ -*-===//
//
// What all sessions of a model share; nothing in it changes once it is open.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_INSTANCE_H
#define RUNTIME_INSTANCE_H

#include "runtime/Mapping.h"
#include "runtime/cuda/Device.h"
#include "runtime/text/Text.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace modrt {

/// Tokens that the caches of a block hold.
inline int64_t kvTokens(const modrt_model &model, const modrt_block &block) {
  int64_t tokens = model.context;
  for (int64_t i = 0; i < block.num_caches; ++i)
    tokens = std::min(tokens, model.caches[block.first_cache + i].length);
  return tokens;
}

/// Whether prompts are routed as the same tokens one by one.
inline bool prefillsAsDecode(const modrt_block &block) {
  return !block.prefill || std::strcmp(block.prefill, block.decode) == 0;
}
inline bool prefillsAsDecode(const modrt_model &model) {
  return std::all_of(
      model.blocks, model.blocks + model.num_blocks,
      [](const modrt_block &block) { return prefillsAsDecode(block); });
}

} // namespace modrt

struct modrt_instance {
  const modrt_model &model;
  modrt::Mapping file;             // the whole safetensors file
  modrt::Tokenizer tokenizer = {}; // open where the model has a table
  std::string deviceName = "0";    // where a model with kernels runs
  std::mutex opening = {};         // of the device, by the first session
  std::unique_ptr<modrt::Device> device = {};

  const void *weights() const {
    return device ? device->weights() : file.data() + model.weights_offset;
  }
  /// Opens the device of a model with kernels, once.
  modrt_status openDevice();
  /// Null where tokens are bytes or mere ids.
  const modrt::TokenTable *tokens() const {
    return model.tokenizer_table ? &tokenizer.table() : nullptr;
  }
  int64_t numRouted() const { return model.num_blocks - 1; }
  /// Tokens that the caches of a routed block hold.
  int64_t kvTokens(int64_t ordinal) const {
    return modrt::kvTokens(model, model.blocks[ordinal + 1]);
  }
  /// Whether some routed block's caches cannot hold all tokens of a sequence.
  bool hasShortCaches() const {
    for (int64_t i = 0; i < numRouted(); ++i)
      if (kvTokens(i) < model.context)
        return true;
    return false;
  }
};

namespace modrt {

/// Fails where one of the tokens is not in the vocabulary.
modrt_status checkTokens(const modrt_model &model, const int32_t *tokens,
                         int64_t count);

} // namespace modrt

#endif // RUNTIME_INSTANCE_H
