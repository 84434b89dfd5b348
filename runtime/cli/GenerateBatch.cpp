//===- GenerateBatch.cpp - Continuing many texts --------------------------===//
//
// A text that is over makes room for the next while the others go on. Each
// becomes what it becomes alone.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/GenerateBatch.h"
#include "runtime/cli/Files.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <unistd.h>

using namespace modrt;

namespace {

struct Text {
  Continuation continuation;
  std::string shown, added; // the prompt, if it is to be seen, and the rest

  explicit Text(const ContinuationOptions &options) : continuation(options) {}
};

struct Texts {
  const BatchOptions &options;
  Running running;
  std::vector<std::unique_ptr<Text>> texts;
  double prefillSeconds = 0, decodeSeconds = 0;

  explicit Texts(const BatchOptions &options) : options(options) {}
  modrt_status run(const modrt_model *model);

private:
  modrt_status readTexts();
  modrt_status fill(Text *&text, modrt_session *session);
  modrt_status step();
  modrt_status add(Text &text, modrt_session *session);
  modrt_status writeFinished();

  size_t started = 0, written = 0;
  std::vector<Text *> current; // of each session, null where there is none
};

} // namespace

modrt_status Texts::readTexts() {
  std::string all;
  MODRT_TRY(readFile(options.promptsFile, all));
  for (size_t begin = 0, line = 1; begin < all.size(); ++line) {
    size_t end = std::min(all.find('\n', begin), all.size());
    texts.push_back(std::make_unique<Text>(options.continuation));
    Text &text = *texts.back();
    std::vector<int32_t> tokens;
    MODRT_TRY(
        tokenize(running.instance, all.substr(begin, end - begin), tokens));
    if (tokens.empty())
      return error(MODRT_INVALID, "%s:%zu: the prompt is empty",
                   options.promptsFile.c_str(), line);
    MODRT_TRY(text.continuation.open(running.instance, std::move(tokens),
                                     text.shown));
    begin = end + 1;
  }
  return texts.empty() ? error(MODRT_INVALID, "%s: has no prompts",
                               options.promptsFile.c_str())
                       : ok();
}

/// Adds a token to a text, or ends it.
modrt_status Texts::add(Text &text, modrt_session *session) {
  std::string part;
  if (!text.continuation.isOver())
    MODRT_TRY(text.continuation.add(modrt_logits(session), part));
  text.added += part;
  return ok();
}

/// Gives a session whose text is over the next one that is not.
modrt_status Texts::fill(Text *&text, modrt_session *session) {
  while (!text || text->continuation.isOver()) {
    if (text)
      text->added += text->continuation.finish();
    bool hasNext = started < texts.size() && !wasInterrupted();
    text = hasNext ? texts[started++].get() : nullptr;
    if (!text)
      return ok();
    const std::vector<int32_t> &prompt = text->continuation.prompt;
    modrt_session_reset(session);
    double start = now();
    MODRT_TRY(modrt_prefill(session, prompt.data(), prompt.size(), 0, nullptr));
    prefillSeconds += now() - start;
    MODRT_TRY(add(*text, session));
  }
  return ok();
}

/// Decodes one token of each text.
modrt_status Texts::step() {
  std::vector<modrt_session *> sessions;
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < current.size(); ++i) {
    if (!current[i])
      continue;
    sessions.push_back(running.sessions[i]);
    tokens.push_back(current[i]->continuation.tokens.back());
  }
  if (sessions.empty())
    return ok();
  double start = now();
  MODRT_TRY(modrt_decode_batch(sessions.data(), tokens.data(), tokens.size()));
  decodeSeconds += now() - start;
  for (size_t i = 0; i < current.size(); ++i)
    if (current[i])
      MODRT_TRY(add(*current[i], running.sessions[i]));
  return ok();
}

/// Writes the texts that are over and have none before them that is not.
modrt_status Texts::writeFinished() {
  while (written < started) {
    Text *text = texts[written].get();
    if (std::find(current.begin(), current.end(), text) != current.end())
      return ok();
    ++written;
    std::string all = (options.hidePrompt ? "" : text->shown) + text->added;
    all += "\n";
    if (!options.json)
      MODRT_TRY(writeOut(all.data(), all.size()));
  }
  return ok();
}

modrt_status Texts::run(const modrt_model *model) {
  MODRT_TRY(running.open(model, options.place, /*trace=*/false, model->batch));
  MODRT_TRY(readTexts());
  catchInterrupts();
  current.resize(running.sessions.size());
  do {
    for (size_t i = 0; i < current.size(); ++i)
      MODRT_TRY(fill(current[i], running.sessions[i]));
    MODRT_TRY(writeFinished());
    MODRT_TRY(step());
  } while (written < started || (started < texts.size() && !wasInterrupted()));
  return ok();
}

static double rate(double count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

static int64_t countTokens(const Texts &done,
                           std::vector<int32_t> Continuation::*tokens) {
  int64_t count = 0;
  for (const std::unique_ptr<Text> &text : done.texts)
    count += (text->continuation.*tokens).size();
  return count;
}

static void printJson(const Texts &done) {
  Json json;
  json.beginObject().beginArray("texts");
  for (const std::unique_ptr<Text> &text : done.texts) {
    const Continuation &continuation = text->continuation;
    if (!continuation.stop)
      continue; // it was not begun when the interrupt came
    json.beginObject().member("prompt_tokens",
                              int64_t(continuation.prompt.size()));
    continuation.addTo(json, text->added);
    json.end();
  }
  json.end()
      .member("seed", done.options.continuation.seed)
      .member("batch", int64_t(done.running.sessions.size()))
      .member(
          "prefill_tokens_per_s",
          rate(countTokens(done, &Continuation::prompt), done.prefillSeconds))
      .member(
          "decode_tokens_per_s",
          rate(countTokens(done, &Continuation::tokens), done.decodeSeconds))
      .member("threads", int64_t(done.running.pool().threads()))
      .end()
      .print();
}

static void printSpeed(const Texts &done) {
  int64_t prompts = countTokens(done, &Continuation::prompt);
  int64_t added = countTokens(done, &Continuation::tokens);
  fprintf(stderr,
          "prefill: %lld tokens in %.1f ms, %.1f tokens/s\n"
          "decode:  %lld tokens in %.1f ms, %.1f tokens/s (%zu texts, up to "
          "%zu at a time)\n",
          static_cast<long long>(prompts), done.prefillSeconds * 1e3,
          rate(prompts, done.prefillSeconds), static_cast<long long>(added),
          done.decodeSeconds * 1e3, rate(added, done.decodeSeconds),
          done.texts.size(), done.running.sessions.size());
}

int modrt::generateBatch(const Invocation &invocation,
                         const BatchOptions &options) {
  Texts texts(options);
  modrt_status status = texts.run(invocation.model);
  if (failed(status))
    return failure(invocation, status);
  if (options.json)
    printJson(texts);
  if (options.verbose || isTerminal(STDERR_FILENO)) {
    printPrefillRouting(*invocation.model);
    printSpeed(texts);
  }
  return wasInterrupted() ? Signalled + wasInterrupted() : Success;
}
