//===- Continuation.cpp - A text and what the model adds to it ------------===//
//
// Tokens come one by one, whoever runs the model.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Continuation.h"
#include "runtime/Sampler.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cstring>

using namespace modrt;

modrt_status Continuation::open(const modrt_instance *instance,
                                std::vector<int32_t> promptTokens,
                                std::string &promptText) {
  if (promptTokens.empty())
    return error(MODRT_INVALID, "the prompt is empty");
  model = &instance->model;
  prompt = std::move(promptTokens);
  if (strcmp(model->tokenizer, "none") != 0)
    stream.emplace(instance->tokens());
  modrt_sampling sampling = options.sampling;
  sampling.seed = options.seed;
  MODRT_TRY(modrt_sampler_open(instance, &sampling, &sampler));
  for (int32_t token : prompt) {
    modrt_sampler_accept(sampler, token);
    promptText += describe(token);
  }
  return ok();
}

bool Continuation::isEnd(int32_t token) const {
  const int32_t *end = model->eos + model->num_eos;
  return std::find(model->eos, end, token) != end;
}

bool Continuation::isOver() {
  int64_t added = tokens.size();
  if (stop)
    return true;
  if (wasInterrupted())
    stop = "interrupted";
  else if (options.count >= 0 && added >= options.count)
    stop = "length";
  else if (added + static_cast<int64_t>(prompt.size()) >= model->context)
    stop = "context";
  return stop != nullptr;
}

modrt_status Continuation::add(const float *logits, std::string &part) {
  int32_t token;
  MODRT_TRY(modrt_sample(sampler, logits, &token));
  add(token, part);
  return ok();
}

modrt_status Continuation::addNext(modrt_session *session, std::string &part) {
  int32_t token;
  MODRT_TRY(modrt_decode_sample(session, sampler, tokens.back(), &token));
  add(token, part);
  return ok();
}

bool Continuation::needsLogits() const { return !sampler->fitsChoice(); }

void Continuation::add(int32_t token, std::string &part) {
  part.clear();
  if (isEnd(token)) {
    stop = "eos";
    return;
  }
  tokens.push_back(token);
  modrt_sampler_accept(sampler, token);
  part = describe(token);
}

/// What to show of a token, now that it is known.
std::string Continuation::describe(int32_t token) {
  return stream ? stream->push(token) : std::to_string(token) + " ";
}

void Continuation::addTo(Json &json, const std::string &text) const {
  json.beginArray("tokens");
  for (int32_t token : tokens)
    json.element(token);
  json.end();
  if (stream)
    json.member("text", text);
  else
    json.null("text");
  json.member("stop", std::string(stop));
}
