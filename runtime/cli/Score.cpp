//===- Score.cpp - How well a model predicts a text -----------------------===//
//
// Cuts the text into windows of the context, each of which begins with the last
// token of the one before, so that every token but the first is predicted once.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Agreement.h"
#include "runtime/cli/Command.h"
#include "runtime/cli/Files.h"
#include "runtime/cli/Json.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace modrt;

namespace {

struct Options {
  std::optional<std::string> file, tokensFile, routing;
  bool json = false;
  int64_t threads = 0;

  Syntax syntax();
  bool isCausal() const { return routing == "causal"; }
};

struct Scoring {
  const Options &options;
  Running running;
  std::vector<int32_t> tokens;
  std::vector<Agreement> layers;
  double sum = 0; // of losses, nats

  explicit Scoring(const Options &options) : options(options) {}
  modrt_status run(const modrt_model *model);
  int64_t predicted() const { return tokens.size() - 1; }
  double loss() const { return sum / predicted(); }

private:
  modrt_status readTokens();
  modrt_status scoreWindow(int64_t begin, int64_t count);
  modrt_status runCausal(const int32_t *window, int64_t count);
  void addLosses(const int32_t *targets, int64_t count);
  void countRouted(int64_t count);
  void compareRouting(int64_t count);
  const float *traceOf(size_t layer, int row) const;

  Mapping logits;
  std::vector<double> losses;
};

} // namespace

Syntax Options::syntax() {
  return {
      "Measures how well the model predicts a text: loss in nats per token,\n"
      "perplexity, bits per byte, and how often causal routing chooses the\n"
      "tokens that top-k does. Windows of the context share one token.",
      {text("--tokens-file", "FILE", tokensFile,
            "score token ids between spaces instead of a text"),
       choice("--routing", routing, {"top_k", "causal"},
              "top_k, as trained, or causal (default: top_k)"),
       jsonOption(json), threadsOption(threads)},
      "FILE",
      &file};
}

/// -log of the probability that `logits` give to a token.
static double lossOf(const float *logits, int64_t vocab, int32_t token) {
  double largest = *std::max_element(logits, logits + vocab), sum = 0;
  for (int64_t i = 0; i < vocab; ++i)
    sum += std::exp(logits[i] - largest);
  return std::log(sum) + largest - logits[token];
}

void Scoring::addLosses(const int32_t *targets, int64_t count) {
  int64_t vocab = running.model().vocab;
  const float *rows = logits.as<float>();
  running.pool().forEach(count, [&](int64_t i) {
    losses[i] = lossOf(rows + i * vocab, vocab, targets[i]);
  });
  // In order, so that the number of threads does not change the sum.
  for (int64_t i = 0; i < count; ++i)
    sum += losses[i];
}

const float *Scoring::traceOf(size_t layer, int row) const {
  return modrt_trace(running.session) +
         (layer * 3 + row) * running.model().context;
}

void Scoring::countRouted(int64_t count) {
  for (size_t layer = 0; layer < layers.size(); ++layer)
    for (int64_t i = 0; i < count; ++i)
      layers[layer].routedCausally += traceOf(layer, 2)[i] != 0;
}

void Scoring::compareRouting(int64_t count) {
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    Agreement &agreement = layers[layer];
    for (int64_t i = 0; i < count; ++i) {
      bool causal = traceOf(layer, 1)[i] > 0;
      bool topK = traceOf(layer, 2)[i] != 0;
      agreement.count(topK, causal);
      agreement.routedCausally += causal && !options.isCausal();
    }
  }
}

modrt_status Scoring::runCausal(const int32_t *window, int64_t count) {
  modrt_session_reset(running.session);
  MODRT_TRY(
      modrt_prefill(running.session, window, count, 0, logits.as<float>()));
  countRouted(count);
  addLosses(window + 1, count);
  return ok();
}

modrt_status Scoring::scoreWindow(int64_t begin, int64_t count) {
  const int32_t *window = tokens.data() + begin;
  if (options.isCausal())
    MODRT_TRY(runCausal(window, count));
  // Top-k is what causal routing is compared with: it runs in any case, unless
  // there is nothing to route.
  if (options.isCausal() && layers.empty())
    return ok();
  MODRT_TRY(modrt_forward(running.session, window, count, logits.as<float>()));
  compareRouting(count);
  if (!options.isCausal())
    addLosses(window + 1, count);
  return ok();
}

modrt_status Scoring::readTokens() {
  const std::string &path = options.file ? *options.file : *options.tokensFile;
  if (options.tokensFile) {
    MODRT_TRY(readTokenFile(path, tokens));
  } else {
    std::string text;
    MODRT_TRY(readFile(path, text));
    MODRT_TRY(tokenize(running.instance, text, tokens));
  }
  if (tokens.size() < 2)
    return error(MODRT_INVALID, "'%s' has %zu tokens, and scoring needs 2",
                 path.c_str(), tokens.size());
  return checkTokens(running.model(), tokens.data(), tokens.size());
}

modrt_status Scoring::run(const modrt_model *model) {
  MODRT_TRY(running.open(model, options.threads, /*trace=*/true));
  MODRT_TRY(readTokens());
  int64_t window = std::min<int64_t>(model->context, predicted());
  MODRT_TRY(logits.reserve(window * model->vocab * sizeof(float), "logits"));
  layers.resize(running.instance->numRouted());
  losses.resize(window);
  Progress progress("scoring", predicted());
  for (int64_t begin = 0; begin < predicted(); begin += window) {
    MODRT_TRY(scoreWindow(begin, std::min(window, predicted() - begin)));
    progress.update(std::min(begin + window, predicted()));
  }
  return ok();
}

/// What a token of text is to the byte-level tokenizer.
static bool areTokensBytes(const modrt_model &model) {
  return strcmp(model.tokenizer, "bytes") == 0;
}

static void printJson(const Scoring &scoring) {
  const modrt_model &model = scoring.running.model();
  Json json;
  json.beginObject()
      .member("routing", scoring.options.routing.value_or("top_k"))
      .member("tokens", scoring.predicted())
      .member("loss", scoring.loss())
      .member("perplexity", std::exp(scoring.loss()));
  if (areTokensBytes(model))
    json.member("bits_per_byte", scoring.loss() / std::log(2));
  else
    json.null("bits_per_byte");
  json.beginArray("layers");
  for (size_t i = 0; i < scoring.layers.size(); ++i) {
    json.beginObject().member("layer", model.blocks[i + 1].layer);
    scoring.layers[i].addTo(json);
    json.end();
  }
  json.end().end().print();
}

static void printTable(const Scoring &scoring) {
  const modrt_model &model = scoring.running.model();
  printf("tokens         %lld\nloss           %.4f nats per token\n"
         "perplexity     %.4f\n",
         static_cast<long long>(scoring.predicted()), scoring.loss(),
         std::exp(scoring.loss()));
  if (areTokensBytes(model))
    printf("bits per byte  %.4f\n", scoring.loss() / std::log(2));
  printAgreement(model, scoring.layers);
}

int modrt::score(const Invocation &invocation) {
  Options options;
  if (std::optional<int> code = parse(invocation, options.syntax()))
    return *code;
  if (options.file.has_value() == options.tokensFile.has_value())
    return usageError(invocation, "score needs FILE or --tokens-file");
  Scoring scoring(options);
  modrt_status status = scoring.run(invocation.model);
  if (failed(status))
    return failure(invocation, status);
  options.json ? printJson(scoring) : printTable(scoring);
  return Success;
}
