//===- Generate.cpp - Continuing a text -----------------------------------===//
//
// Writes tokens as they come: as text, or as ids where the model knows no text.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Command.h"
#include "runtime/cli/Files.h"
#include "runtime/cli/Json.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <unistd.h>

using namespace modrt;

namespace {

struct Options {
  std::optional<std::string> prompt, promptFile;
  std::optional<std::vector<int32_t>> tokens;
  int64_t count = -1;
  modrt_sampling sampling = modrt_sampling_defaults();
  int64_t seed = 0;
  bool hidePrompt = false, json = false, verbose = false;
  int64_t threads = 0;

  Syntax syntax();
  int numPrompts() const {
    return prompt.has_value() + promptFile.has_value() + tokens.has_value();
  }
};

/// One run: from a prompt to a text.
struct Generation {
  const Options &options;
  Running running;
  modrt_sampler *sampler = nullptr;
  std::vector<int32_t> prompt, tokens; // tokens: generated
  std::optional<TextStream> stream;    // none where the model knows no text
  std::string text;                    // of the tokens
  const char *stop = "length";
  double prefillSeconds = 0, decodeSeconds = 0;

  explicit Generation(const Options &options) : options(options) {}
  ~Generation() { modrt_sampler_close(sampler); }
  modrt_status readPrompt();
  modrt_status run(const modrt_model *model);

private:
  modrt_status open(const modrt_model *model);
  modrt_status prefill();
  modrt_status decode();
  modrt_status write(const std::string &part);
  modrt_status finish();
  std::string describe(int32_t token);
  bool isOver();
  bool isEnd(int32_t token) const;
};

} // namespace

Syntax Options::syntax() {
  return {
      "Continues a text until the model ends it, the context is full, or N\n"
      "tokens were written. Ctrl-C ends it cleanly, with exit code 130.",
      {text("--prompt", "TEXT", prompt, "the text to continue"),
       text("--prompt-file", "FILE", promptFile, "read it from a file"),
       modrt::tokens("--tokens", tokens, "continue token ids: 1,2,3"),
       integer("-n", count, 0, INT64_MAX,
               "tokens to write (default: until the context is full)"),
       real("--temperature", sampling.temperature, 0, 1000,
            "0: always the likeliest token (default: 0.8)"),
       integer("--top-k", sampling.top_k, 0, INT64_MAX,
               "choose among the k likeliest, 0: all (default: 40)"),
       real("--top-p", sampling.top_p, 0, 1,
            "and among the likeliest up to this probability (default: 0.95)"),
       real("--min-p", sampling.min_p, 0, 1,
            "and not below this share of the likeliest (default: 0.05)"),
       real("--repetition-penalty", sampling.repetition_penalty, 0.001, 1000,
            "make recent tokens less likely, 1: do not (default: 1)"),
       integer("--repetition-window", sampling.repetition_window, 0, 1 << 20,
               "how many tokens are recent (default: 64)"),
       integer("--seed", seed, 0, INT64_MAX,
               "the same seed gives the same text (default: 0)"),
       flag("--no-display-prompt", hidePrompt, "write only what is new"),
       flag("--verbose", verbose,
            "print speeds also where stderr is no "
            "terminal"),
       jsonOption(json), threadsOption(threads)}};
}

modrt_status Generation::readPrompt() {
  if (options.tokens) {
    prompt = *options.tokens;
  } else {
    std::string text = options.prompt.value_or("");
    if (options.promptFile)
      MODRT_TRY(readFile(*options.promptFile, text));
    MODRT_TRY(tokenize(running.instance, text, prompt));
  }
  return prompt.empty() ? error(MODRT_INVALID, "the prompt is empty") : ok();
}

modrt_status Generation::open(const modrt_model *model) {
  MODRT_TRY(running.open(model, options.threads));
  if (strcmp(model->tokenizer, "none") != 0)
    stream.emplace(running.instance->tokens());
  modrt_sampling sampling = options.sampling;
  sampling.seed = options.seed;
  return modrt_sampler_open(running.instance, &sampling, &sampler);
}

modrt_status Generation::prefill() {
  double start = now();
  MODRT_TRY(modrt_prefill(running.session(), prompt.data(), prompt.size(), 0,
                          nullptr));
  prefillSeconds = now() - start;
  for (int32_t token : prompt) {
    modrt_sampler_accept(sampler, token);
    std::string shown = describe(token);
    if (!options.hidePrompt && !options.json)
      MODRT_TRY(writeOut(shown.data(), shown.size()));
  }
  return ok();
}

bool Generation::isEnd(int32_t token) const {
  const modrt_model &model = running.model();
  return std::find(model.eos, model.eos + model.num_eos, token) !=
         model.eos + model.num_eos;
}

/// Whether no other token may be written, and why.
bool Generation::isOver() {
  int64_t written = tokens.size();
  if (wasInterrupted())
    stop = "interrupted";
  else if (options.count >= 0 && written >= options.count)
    stop = "length";
  else if (written + static_cast<int64_t>(prompt.size()) >=
           running.model().context)
    stop = "context";
  else
    return false;
  return true;
}

modrt_status Generation::decode() {
  double start = now();
  while (!isOver()) {
    int32_t token;
    if (!tokens.empty())
      MODRT_TRY(modrt_decode(running.session(), tokens.back()));
    MODRT_TRY(modrt_sample(sampler, modrt_logits(running.session()), &token));
    if (isEnd(token)) {
      stop = "eos";
      break;
    }
    tokens.push_back(token);
    modrt_sampler_accept(sampler, token);
    MODRT_TRY(write(describe(token)));
  }
  decodeSeconds = now() - start;
  return ok();
}

/// What to write of a token, now that it is known.
std::string Generation::describe(int32_t token) {
  return stream ? stream->push(token) : std::to_string(token) + " ";
}

/// Writes a part of the answer, or keeps it for the JSON object.
modrt_status Generation::write(const std::string &part) {
  if (!options.json)
    return writeOut(part.data(), part.size());
  text += part;
  return ok();
}

modrt_status Generation::finish() {
  if (stream)
    MODRT_TRY(write(stream->finish()));
  return options.json ? ok() : writeOut("\n", 1);
}

modrt_status Generation::run(const modrt_model *model) {
  MODRT_TRY(open(model));
  MODRT_TRY(readPrompt());
  catchInterrupts();
  MODRT_TRY(prefill());
  MODRT_TRY(decode());
  return finish();
}

static double rate(size_t count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

static void printSpeed(const Generation &done) {
  fprintf(stderr,
          "prefill: %zu tokens in %.1f ms, %.1f tokens/s\n"
          "decode:  %zu tokens in %.1f ms, %.1f tokens/s (stopped by %s)\n",
          done.prompt.size(), done.prefillSeconds * 1e3,
          rate(done.prompt.size(), done.prefillSeconds), done.tokens.size(),
          done.decodeSeconds * 1e3,
          rate(done.tokens.size(), done.decodeSeconds), done.stop);
}

/// What tells a person that the output is not that of enough memory.
static void printBypassed(const Generation &done) {
  const modrt_instance &instance = *done.running.instance;
  const int64_t *bypassed = modrt_bypassed(done.running.session());
  for (int64_t i = 0; i < instance.numRouted(); ++i)
    if (bypassed[i] > 0)
      fprintf(stderr,
              "note: layer %lld: %lld tokens bypassed it, its KV cache of %lld "
              "was full\n",
              static_cast<long long>(instance.model.blocks[i + 1].layer),
              static_cast<long long>(bypassed[i]),
              static_cast<long long>(instance.kvTokens(i)));
}

static void addRouted(Json &json, const Running &running) {
  const modrt_instance &instance = *running.instance;
  json.beginArray("layers");
  for (int64_t i = 0; i < instance.numRouted(); ++i) {
    const modrt_block &block = instance.model.blocks[i + 1];
    json.beginObject()
        .member("layer", block.layer)
        .member("capacity", block.capacity)
        .member("kv_tokens", instance.kvTokens(i));
    if (block.num_caches > 0) {
      int64_t rows = modrt_lengths(running.session())[block.first_cache];
      json.member("routed", rows)
          .member("beyond_capacity",
                  std::max<int64_t>(0, rows - block.capacity));
    }
    json.member("bypassed", modrt_bypassed(running.session())[i]).end();
  }
  json.end();
}

static void printJson(const Generation &done) {
  Json json;
  json.beginObject().member("prompt_tokens", int64_t(done.prompt.size()));
  json.beginArray("tokens");
  for (int32_t token : done.tokens)
    json.element(token);
  json.end();
  if (done.stream)
    json.member("text", done.text);
  else
    json.null("text");
  json.member("stop", std::string(done.stop))
      .member("seed", done.options.seed)
      .member("prefill_tokens_per_s",
              rate(done.prompt.size(), done.prefillSeconds))
      .member("decode_tokens_per_s",
              rate(done.tokens.size(), done.decodeSeconds))
      .member("threads", int64_t(done.running.pool().threads()));
  addRouted(json, done.running);
  json.end().print();
}

int modrt::generate(const Invocation &invocation) {
  Options options;
  if (std::optional<int> code = parse(invocation, options.syntax()))
    return *code;
  if (options.numPrompts() != 1)
    return usageError(invocation, "generate needs one of --prompt, "
                                  "--prompt-file and --tokens");
  Generation generation(options);
  modrt_status status = generation.run(invocation.model);
  if (failed(status))
    return failure(invocation, status);
  if (options.json)
    printJson(generation);
  printBypassed(generation);
  if (options.verbose || isTerminal(STDERR_FILENO))
    printSpeed(generation);
  return wasInterrupted() ? Signalled + wasInterrupted() : Success;
}
