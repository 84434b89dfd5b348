//===- Instance.h - A model with its weights -------------------*- C++ -*-===//
//
// What all sessions of a model share; nothing in it changes once it is open.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_INSTANCE_H
#define RUNTIME_INSTANCE_H

#include "runtime/Mapping.h"
#include "runtime/text/Text.h"

struct modrt_instance {
  const modrt_model &model;
  modrt::Mapping file;             // the whole safetensors file
  modrt::Tokenizer tokenizer = {}; // open where the model has a table

  const void *weights() const { return file.data() + model.weights_offset; }
  /// Null where tokens are bytes or mere ids.
  const modrt::TokenTable *tokens() const {
    return model.tokenizer_table ? &tokenizer.table() : nullptr;
  }
  int64_t numRouted() const { return model.num_blocks - 1; }
};

namespace modrt {

/// Fails where one of the tokens is not in the vocabulary.
modrt_status checkTokens(const modrt_model &model, const int32_t *tokens,
                         int64_t count);

} // namespace modrt

#endif // RUNTIME_INSTANCE_H
