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
#include <numeric>

using namespace modrt;

namespace {

struct Options {
  std::optional<std::string> file, tokensFile, routing;
  bool json = false;
  Place place;

  Syntax syntax();
};

struct Scoring {
  const Options &options;
  Running running;
  std::vector<int32_t> tokens;
  std::vector<Agreement> layers;
  std::string routing;               // top_k, causal or both
  double topKSum = 0, causalSum = 0; // of losses, nats

  explicit Scoring(const Options &options) : options(options) {}
  modrt_status run(const modrt_model *model);
  int64_t predicted() const { return tokens.size() - 1; }
  bool isTopK() const { return routing != "causal"; }
  bool isCausal() const { return routing != "top_k"; }

private:
  modrt_status readTokens();
  modrt_status scoreWindow(int64_t begin, int64_t count);
  modrt_status runCausal(const int32_t *window, int64_t count);
  double sumLosses(const int32_t *targets, int64_t count);
  void compareRouting(int64_t count);

  Mapping logits;
  std::vector<double> losses;
  std::vector<int64_t> routed; // causally, of one window, by layer
};

} // namespace

Syntax Options::syntax() {
  return {
      "Measures how well the model predicts a text: loss in nats per token,\n"
      "perplexity, bits per byte, by top-k routing, as trained, and by causal\n"
      "routing, as text is generated; and how often both choose the same\n"
      "tokens. Windows of the context share one token.",
      {text("--tokens-file", "FILE", tokensFile,
            "score token ids between spaces instead of a text"),
       choice("--routing", routing, {"both", "top_k", "causal"},
              "which losses to measure (default: both)"),
       jsonOption(json), threadsOption(place.threads),
       deviceOption(place.device)},
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

double Scoring::sumLosses(const int32_t *targets, int64_t count) {
  int64_t vocab = running.model().vocab;
  const float *rows = logits.as<float>();
  running.pool().forEach(count, [&](int64_t i) {
    losses[i] = lossOf(rows + i * vocab, vocab, targets[i]);
  });
  // In order, so that the number of threads does not change the sum.
  return std::accumulate(losses.begin(), losses.begin() + count, 0.0);
}

/// After `forward`: the trace has both choices.
void Scoring::compareRouting(int64_t count) {
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    Agreement &agreement = layers[layer];
    const float *chosenCausally =
        running.session()->traceRow(layer, MODRT_TRACE_CHOSEN);
    const float *tookPart =
        running.session()->traceRow(layer, MODRT_TRACE_TOOK_PART);
    int64_t capacity = 0, chosen = 0;
    for (int64_t i = 0; i < count; ++i) {
      bool causal = chosenCausally[i] != 0;
      bool topK = tookPart[i] != 0;
      agreement.count(topK, causal);
      capacity += topK;
      chosen += causal;
    }
    if (!isCausal())
      routed[layer] = chosen;
    agreement.routedCausally += routed[layer];
    agreement.beyond += std::max<int64_t>(0, routed[layer] - capacity);
  }
}

modrt_status Scoring::runCausal(const int32_t *window, int64_t count) {
  modrt_session_reset(running.session());
  MODRT_TRY(runCausally(running, window, count, logits.as<float>()));
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const float *tookPart =
        running.session()->traceRow(layer, MODRT_TRACE_TOOK_PART);
    routed[layer] = count - std::count(tookPart, tookPart + count, 0.0f);
    layers[layer].bypassed += modrt_bypassed(running.session())[layer];
  }
  causalSum += sumLosses(window + 1, count);
  return ok();
}

modrt_status Scoring::scoreWindow(int64_t begin, int64_t count) {
  const int32_t *window = tokens.data() + begin;
  if (isCausal())
    MODRT_TRY(runCausal(window, count));
  // Top-k is what causal routing is compared with: it runs in any case, unless
  // there is nothing to route.
  if (!isTopK() && layers.empty())
    return ok();
  MODRT_TRY(
      modrt_forward(running.session(), window, count, logits.as<float>()));
  compareRouting(count);
  if (isTopK())
    topKSum += sumLosses(window + 1, count);
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
  MODRT_TRY(running.open(model, options.place, /*trace=*/true));
  MODRT_TRY(readTokens());
  int64_t window = std::min<int64_t>(model->context, predicted());
  MODRT_TRY(logits.reserve(window * model->vocab * sizeof(float), "logits"));
  layers.resize(running.instance->numRouted());
  routed.resize(layers.size());
  routing = options.routing.value_or(layers.empty() ? "top_k" : "both");
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

static void addLoss(Json &json, const Scoring &scoring, double sum) {
  double loss = sum / scoring.predicted();
  json.member("loss", loss).member("perplexity", std::exp(loss));
  if (areTokensBytes(scoring.running.model()))
    json.member("bits_per_byte", loss / std::log(2));
  else
    json.null("bits_per_byte");
}

static void printJson(const Scoring &scoring) {
  Json json;
  json.beginObject()
      .member("routing", scoring.routing)
      .member("tokens", scoring.predicted());
  if (scoring.routing == "both") {
    addLoss(json.beginObject("top_k"), scoring, scoring.topKSum);
    addLoss(json.end().beginObject("causal"), scoring, scoring.causalSum);
    json.end();
  } else {
    addLoss(json, scoring, scoring.topKSum + scoring.causalSum);
  }
  json.beginArray("layers");
  for (size_t i = 0; i < scoring.layers.size(); ++i) {
    json.beginObject().member("layer",
                              scoring.running.model().blocks[i + 1].layer);
    scoring.layers[i].addTo(json);
    json.end();
  }
  json.end().end().print();
}

static void printTable(const Scoring &scoring) {
  std::vector<double> losses;
  if (scoring.isTopK())
    losses.push_back(scoring.topKSum / scoring.predicted());
  if (scoring.isCausal())
    losses.push_back(scoring.causalSum / scoring.predicted());
  auto printRow = [&](const char *name, auto &&value) {
    printf("%-14s", name);
    for (double loss : losses)
      printf(" %10.4f", value(loss));
    printf("\n");
  };
  printf("tokens         %10lld\nrouting       ",
         static_cast<long long>(scoring.predicted()));
  printf("%s%s\n", scoring.isTopK() ? "      top-k" : "",
         scoring.isCausal() ? "     causal" : "");
  printRow("nats per token", [](double loss) { return loss; });
  printRow("perplexity", [](double loss) { return std::exp(loss); });
  if (areTokensBytes(scoring.running.model()))
    printRow("bits per byte", [](double loss) { return loss / std::log(2); });
  printAgreement(scoring.running.model(), scoring.layers);
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
