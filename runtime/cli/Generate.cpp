//===- Generate.cpp - Continuing a text -----------------------------------===//
//
// Writes tokens as they come: as text, or as ids where the model knows no text.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Files.h"
#include "runtime/cli/GenerateBatch.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

using namespace modrt;

namespace {

struct Options {
  std::optional<std::string> prompt, promptFile, promptsFile;
  std::optional<std::vector<int32_t>> tokens;
  ContinuationOptions continuation;
  bool hidePrompt = false, json = false, verbose = false;
  Place place;

  Syntax syntax();
  int numPrompts() const {
    return prompt.has_value() + promptFile.has_value() +
           promptsFile.has_value() + tokens.has_value();
  }
};

/// One run: from a prompt to a text.
struct Generation {
  const Options &options;
  Running running;
  Continuation continuation;
  std::string text; // of the tokens
  double prefillSeconds = 0, decodeSeconds = 0;

  explicit Generation(const Options &options)
      : options(options), continuation(options.continuation) {}
  modrt_status run(const modrt_model *model);

private:
  modrt_status readPrompt(std::vector<int32_t> &prompt);
  modrt_status prefill();
  modrt_status decode();
  modrt_status write(const std::string &part);
};

} // namespace

Syntax Options::syntax() {
  modrt_sampling &sampling = continuation.sampling;
  return {
      "Continues a text until the model ends it, the context is full, or N\n"
      "tokens were written. Ctrl-C ends it cleanly, with exit code 130.",
      {text("--prompt", "TEXT", prompt, "the text to continue"),
       text("--prompt-file", "FILE", promptFile, "read it from a file"),
       modrt::tokens("--tokens", tokens, "continue token ids: 1,2,3"),
       text("--prompts-file", "FILE", promptsFile,
            "continue each line of a file, several at a time where the model "
            "was compiled with --batch"),
       integer("-n", continuation.count, 0, INT64_MAX,
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
       integer("--seed", continuation.seed, 0, INT64_MAX,
               "the same seed gives the same text (default: 0)"),
       flag("--no-display-prompt", hidePrompt, "write only what is new"),
       flag("--verbose", verbose,
            "print speeds also where stderr is no "
            "terminal"),
       jsonOption(json), threadsOption(place.threads),
       deviceOption(place.device)}};
}

modrt_status Generation::readPrompt(std::vector<int32_t> &prompt) {
  if (options.tokens) {
    prompt = *options.tokens;
    return ok();
  }
  std::string text = options.prompt.value_or("");
  if (options.promptFile)
    MODRT_TRY(readFile(*options.promptFile, text));
  return tokenize(running.instance, text, prompt);
}

modrt_status Generation::prefill() {
  std::vector<int32_t> prompt;
  std::string shown;
  MODRT_TRY(readPrompt(prompt));
  MODRT_TRY(continuation.open(running.instance, std::move(prompt), shown));
  double start = now();
  MODRT_TRY(modrt_prefill(running.session(), continuation.prompt.data(),
                          continuation.prompt.size(), 0, nullptr));
  prefillSeconds = now() - start;
  bool isShown = !options.hidePrompt && !options.json;
  return isShown ? writeOut(shown.data(), shown.size()) : ok();
}

modrt_status Generation::decode() {
  double start = now();
  std::string part;
  while (!continuation.isOver()) {
    modrt_session *session = running.session();
    MODRT_TRY(continuation.tokens.empty()
                  ? continuation.add(modrt_logits(session), part)
                  : continuation.addNext(session, part));
    MODRT_TRY(write(part));
  }
  decodeSeconds = now() - start;
  MODRT_TRY(write(continuation.finish()));
  return options.json ? ok() : writeOut("\n", 1);
}

/// Writes a part of the answer, or keeps it for the JSON object.
modrt_status Generation::write(const std::string &part) {
  if (!options.json)
    return writeOut(part.data(), part.size());
  text += part;
  return ok();
}

modrt_status Generation::run(const modrt_model *model) {
  MODRT_TRY(running.open(model, options.place));
  catchInterrupts();
  MODRT_TRY(prefill());
  return decode();
}

static double rate(size_t count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

static void printSpeed(const Generation &done) {
  fprintf(stderr,
          "prefill: %zu tokens in %.1f ms, %.1f tokens/s\n"
          "decode:  %zu tokens in %.1f ms, %.1f tokens/s (stopped by %s)\n",
          done.continuation.prompt.size(), done.prefillSeconds * 1e3,
          rate(done.continuation.prompt.size(), done.prefillSeconds),
          done.continuation.tokens.size(), done.decodeSeconds * 1e3,
          rate(done.continuation.tokens.size(), done.decodeSeconds),
          done.continuation.stop);
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

static void printSampling(const Generation &done) {
  if (done.running.instance->device && done.continuation.needsLogits())
    fprintf(stderr,
            "note: tokens are chosen on the CPU: GPUs know %d recent ones\n",
            MODRT_CHOICE_TOKENS);
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
  json.beginObject().member("prompt_tokens",
                            int64_t(done.continuation.prompt.size()));
  done.continuation.addTo(json, done.text);
  json.member("seed", done.options.continuation.seed)
      .member("prefill_tokens_per_s",
              rate(done.continuation.prompt.size(), done.prefillSeconds))
      .member("decode_tokens_per_s",
              rate(done.continuation.tokens.size(), done.decodeSeconds))
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
                                  "--prompt-file, --prompts-file and --tokens");
  if (options.promptsFile)
    return generateBatch(invocation,
                         {*options.promptsFile, options.continuation,
                          options.hidePrompt, options.json, options.verbose,
                          options.place});
  Generation generation(options);
  modrt_status status = generation.run(invocation.model);
  if (failed(status))
    return failure(invocation, status);
  if (options.json)
    printJson(generation);
  printBypassed(generation);
  if (options.verbose || isTerminal(STDERR_FILENO)) {
    printPrefillRouting(*invocation.model);
    printSampling(generation);
    printSpeed(generation);
  }
  return wasInterrupted() ? Signalled + wasInterrupted() : Success;
}
