//===- Tokenizer.cpp - Text to token ids and back -------------------------===//
//
// The byte-level tokenizer: a token's id is the byte it stands for.
//
//===----------------------------------------------------------------------===//

#include "runtime/Instance.h"

#include <cstring>

using namespace modrt;

static modrt_status checkTokenizer(const modrt_model &model) {
  if (strcmp(model.tokenizer, "bytes") == 0)
    return ok();
  if (strcmp(model.tokenizer, "none") == 0)
    return error(MODRT_UNSUPPORTED,
                 "model '%s' has no tokenizer and knows token ids only",
                 model.name);
  return error(MODRT_UNSUPPORTED, "unknown tokenizer '%s'", model.tokenizer);
}

modrt_status modrt_tokenize(const modrt_instance *instance, const char *text,
                            int64_t size, int32_t *tokens, int64_t capacity,
                            int64_t *count) {
  const modrt_model &model = instance->model;
  MODRT_TRY(checkTokenizer(model));
  for (int64_t i = 0; i < size; ++i) {
    int32_t token = static_cast<unsigned char>(text[i]);
    if (token >= model.vocab)
      return error(MODRT_INVALID,
                   "byte %d at position %lld is not in the vocabulary of %lld",
                   token, static_cast<long long>(i),
                   static_cast<long long>(model.vocab));
    if (i < capacity)
      tokens[i] = token;
  }
  *count = size;
  return ok();
}

modrt_status modrt_token_text(const modrt_instance *instance, int32_t token,
                              char *text, int64_t capacity, int64_t *size) {
  MODRT_TRY(checkTokenizer(instance->model));
  MODRT_TRY(checkTokens(instance->model, &token, 1));
  // Ids above the bytes are marks like the end of a text.
  *size = token < 256 ? 1 : 0;
  if (*size <= capacity && *size > 0)
    text[0] = static_cast<char>(token);
  return ok();
}
