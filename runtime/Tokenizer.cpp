//===- Tokenizer.cpp - Text to token ids and back -------------------------===//
//
// By the model's tokenizer.json, or byte by byte: a token's id is then the byte
// that it stands for.
//
//===----------------------------------------------------------------------===//

#include "runtime/Instance.h"

#include <algorithm>
#include <cstring>

using namespace modrt;

struct modrt_stream {
  const modrt_instance &instance;
  TextStream text;
  std::string shown = {};
};

static modrt_status checkTokenizer(const modrt_model &model) {
  if (model.tokenizer_table || strcmp(model.tokenizer, "bytes") == 0)
    return ok();
  if (strcmp(model.tokenizer, "none") == 0)
    return error(MODRT_UNSUPPORTED,
                 "model '%s' has no tokenizer and knows token ids only",
                 model.name);
  return error(MODRT_UNSUPPORTED, "unknown tokenizer '%s'", model.tokenizer);
}

static modrt_status tokenizeBytes(const modrt_model &model, const char *text,
                                  int64_t size, int32_t *tokens,
                                  int64_t capacity) {
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
  return ok();
}

modrt_status modrt_tokenize(const modrt_instance *instance, const char *text,
                            int64_t size, int32_t *tokens, int64_t capacity,
                            int64_t *count) {
  const modrt_model &model = instance->model;
  MODRT_TRY(checkTokenizer(model));
  if (!model.tokenizer_table) {
    MODRT_TRY(tokenizeBytes(model, text, size, tokens, capacity));
    *count = size;
    return ok();
  }
  std::vector<int32_t> encoded;
  MODRT_TRY(instance->tokenizer.encode({text, size_t(size)}, encoded));
  *count = encoded.size();
  std::copy_n(encoded.begin(), std::min(*count, capacity), tokens);
  return ok();
}

/// Ids above the bytes are marks like the end of a text, and some ids of a
/// vocabulary that was padded stand for nothing.
static std::string_view getText(const modrt_instance &instance, int32_t token,
                                char &byte) {
  const TokenTable *table = instance.tokens();
  byte = static_cast<char>(token);
  if (!table)
    return {&byte, token < 256 ? size_t(1) : 0};
  if (token >= table->numTokens() ||
      (table->tokenFlags(token) & table::Special))
    return {};
  return table->tokenText(token);
}

modrt_status modrt_token_text(const modrt_instance *instance, int32_t token,
                              char *text, int64_t capacity, int64_t *size) {
  MODRT_TRY(checkTokenizer(instance->model));
  MODRT_TRY(checkTokens(instance->model, &token, 1));
  char byte;
  std::string_view bytes = getText(*instance, token, byte);
  *size = bytes.size();
  std::copy_n(bytes.begin(), std::min(*size, capacity), text);
  return ok();
}

modrt_status modrt_stream_open(const modrt_instance *instance,
                               modrt_stream **stream) {
  MODRT_TRY(checkTokenizer(instance->model));
  *stream = new modrt_stream{*instance, TextStream(instance->tokens())};
  return ok();
}

void modrt_stream_close(modrt_stream *stream) { delete stream; }

static modrt_status show(modrt_stream &stream, std::string text,
                         const char **begin, int64_t *size) {
  stream.shown = std::move(text);
  *begin = stream.shown.data();
  *size = stream.shown.size();
  return ok();
}

modrt_status modrt_stream_push(modrt_stream *stream, int32_t token,
                               const char **text, int64_t *size) {
  MODRT_TRY(checkTokens(stream->instance.model, &token, 1));
  return show(*stream, stream->text.push(token), text, size);
}

modrt_status modrt_stream_finish(modrt_stream *stream, const char **text,
                                 int64_t *size) {
  std::string rest = stream->text.finish();
  stream->text = TextStream(stream->instance.tokens());
  return show(*stream, std::move(rest), text, size);
}
