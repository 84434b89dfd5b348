//===- Trace.cpp - Which token took part in which block -------------------===//
//
// Runs a text with the programs' traces and writes them as JSON or as a page.
// docs/trace.md describes both.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Agreement.h"
#include "runtime/cli/Command.h"
#include "runtime/cli/Files.h"
#include "runtime/cli/TracePage.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

using namespace modrt;

namespace {

struct Options {
  std::optional<std::string> file, prompt, routing, out;
  std::optional<std::vector<int32_t>> tokens;
  bool json = false;
  Place place;

  Syntax syntax();
  std::optional<std::string> check() const;
  bool isCausal() const { return routing == "causal"; }
  bool isPage() const;
};

/// What a program reports of one routed layer.
struct LayerTrace {
  std::vector<float> scores, tested; // of each token
  std::vector<int32_t> topK, causal; // tokens that were chosen, ascending
  std::vector<int32_t> bypassed;     // chosen causally, but caches were full
};

struct Tracing {
  const Options &options;
  Running running;
  std::vector<int32_t> tokens;
  std::vector<LayerTrace> layers;
  std::vector<Agreement> agreement;

  explicit Tracing(const Options &options) : options(options) {}
  modrt_status run(const modrt_model *model);
  modrt_status toJson(Json &json) const;

private:
  modrt_status readTokens();
  void readForward();
  void readCausal();
  void compare();
  modrt_status addTexts(Json &json) const;
  void addLayer(Json &json, size_t index) const;
};

} // namespace

static bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Syntax Options::syntax() {
  return {
      "Shows which tokens of a text took part in which routed block, with the\n"
      "routers' scores, and how well causal routing agrees with top-k.",
      {text("--prompt", "TEXT", prompt, "trace this text instead of a file"),
       modrt::tokens("--tokens", tokens, "trace token ids: 1,2,3"),
       choice("--routing", routing, {"top_k", "causal"},
              "top_k, as trained, or causal (default: top_k)"),
       text("--out", "FILE", out,
            "write the trace: FILE.html for reading, FILE.json for programs"),
       jsonOption(json), threadsOption(place.threads),
       deviceOption(place.device)},
      "FILE",
      &file};
}

bool Options::isPage() const { return out && endsWith(*out, ".html"); }

std::optional<std::string> Options::check() const {
  if (file.has_value() + prompt.has_value() + tokens.has_value() != 1)
    return "trace needs one of FILE, --prompt and --tokens";
  if (out && !isPage() && !endsWith(*out, ".json"))
    return "--out expects a name that ends in .html or .json, not '" + *out +
           "'";
  return std::nullopt;
}

modrt_status Tracing::readTokens() {
  if (options.tokens) {
    tokens = *options.tokens;
    return ok();
  }
  std::string text = options.prompt.value_or("");
  if (options.file)
    MODRT_TRY(readFile(*options.file, text));
  return tokenize(running.instance, text, tokens);
}

/// The indices of the tokens that are marked.
static std::vector<int32_t> findMarked(const float *marks, size_t count) {
  std::vector<int32_t> found;
  for (size_t i = 0; i < count; ++i)
    if (marks[i] != 0)
      found.push_back(static_cast<int32_t>(i));
  return found;
}

void Tracing::readForward() {
  size_t count = tokens.size();
  for (size_t i = 0; i < layers.size(); ++i)
    layers[i] = {
        {running.session()->traceRow(i, MODRT_TRACE_SCORE),
         running.session()->traceRow(i, MODRT_TRACE_SCORE) + count},
        {running.session()->traceRow(i, MODRT_TRACE_TESTED),
         running.session()->traceRow(i, MODRT_TRACE_TESTED) + count},
        findMarked(running.session()->traceRow(i, MODRT_TRACE_TOOK_PART),
                   count),
        findMarked(running.session()->traceRow(i, MODRT_TRACE_CHOSEN), count),
        {}};
}

void Tracing::readCausal() {
  size_t count = tokens.size();
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].scores.assign(running.session()->traceRow(i, MODRT_TRACE_SCORE),
                            running.session()->traceRow(i, MODRT_TRACE_SCORE) +
                                count);
    layers[i].tested.assign(running.session()->traceRow(i, MODRT_TRACE_TESTED),
                            running.session()->traceRow(i, MODRT_TRACE_TESTED) +
                                count);
    layers[i].causal = findMarked(
        running.session()->traceRow(i, MODRT_TRACE_TOOK_PART), count);
    for (int32_t token :
         findMarked(running.session()->traceRow(i, MODRT_TRACE_CHOSEN), count))
      if (running.session()->traceRow(i, MODRT_TRACE_TOOK_PART)[token] == 0)
        layers[i].bypassed.push_back(token);
  }
}

void Tracing::compare() {
  for (size_t i = 0; i < layers.size(); ++i) {
    std::vector<bool> topK(tokens.size()), causal(tokens.size());
    for (int32_t token : layers[i].topK)
      topK[token] = true;
    for (int32_t token : layers[i].causal)
      causal[token] = true;
    for (size_t token = 0; token < tokens.size(); ++token)
      agreement[i].count(topK[token], causal[token]);
    int64_t taken = layers[i].causal.size(), capacity = layers[i].topK.size();
    agreement[i].routedCausally = taken;
    agreement[i].beyond = std::max<int64_t>(0, taken - capacity);
    agreement[i].bypassed = layers[i].bypassed.size();
  }
}

modrt_status Tracing::run(const modrt_model *model) {
  Mapping logits;
  MODRT_TRY(running.open(model, options.place, /*trace=*/true));
  MODRT_TRY(readTokens());
  int64_t count = tokens.size();
  if (running.instance->numRouted() == 0)
    return error(MODRT_UNSUPPORTED, "model '%s' has no routed blocks to trace",
                 model->name);
  // What is refused below needs no memory.
  MODRT_TRY(logits.reserve(std::min(count, model->context) * model->vocab *
                               sizeof(float),
                           "logits"));
  layers.resize(running.instance->numRouted());
  agreement.resize(layers.size());
  MODRT_TRY(modrt_forward(running.session(), tokens.data(), count,
                          logits.as<float>()));
  readForward();
  if (options.isCausal()) {
    MODRT_TRY(runCausally(running, tokens.data(), count, logits.as<float>()));
    readCausal();
  }
  compare();
  return ok();
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

/// In as few digits as give the same number.
template <typename T>
static void addNumbers(Json &json, const char *key,
                       const std::vector<T> &values) {
  json.beginArray(key);
  for (T value : values) {
    char digits[32];
    char *end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    bool isFinite = std::isfinite(static_cast<float>(value));
    json.verbatim(nullptr, isFinite ? std::string(digits, end) : "null");
  }
  json.end();
}

/// The first place at or after `at` where a character may begin.
static size_t findCharacter(const std::string &text, size_t at) {
  const size_t longest = 4;
  for (size_t i = 0; i < longest && at + i < text.size(); ++i)
    if ((text[at + i] & 0xc0) != 0x80)
      return at + i;
  return text.size() - at < longest ? text.size() : at;
}

/// The characters that begin in each token: a token may hold a part of one.
modrt_status Tracing::addTexts(Json &json) const {
  if (strcmp(running.model().tokenizer, "none") == 0) {
    json.null("texts");
    return ok();
  }
  std::string text;
  std::vector<size_t> begins = {0};
  for (int32_t token : tokens) {
    int64_t size = 0;
    MODRT_TRY(modrt_token_text(running.instance, token, nullptr, 0, &size));
    text.resize(begins.back() + size);
    MODRT_TRY(modrt_token_text(running.instance, token, &text[begins.back()],
                               size, &size));
    begins.push_back(text.size());
  }
  for (size_t i = 1; i < tokens.size(); ++i)
    begins[i] = findCharacter(text, begins[i]);
  json.beginArray("texts");
  for (size_t i = 0; i < tokens.size(); ++i)
    json.member(nullptr, text.substr(begins[i], begins[i + 1] - begins[i]));
  json.end();
  return ok();
}

void Tracing::addLayer(Json &json, size_t index) const {
  const LayerTrace &layer = layers[index];
  json.beginObject().member("layer", running.model().blocks[index + 1].layer);
  json.member("capacity", int64_t(layer.topK.size()))
      .member("kv_tokens", running.instance->kvTokens(index));
  agreement[index].addTo(json);
  addNumbers(json, "top_k", layer.topK);
  addNumbers(json, "causal", layer.causal);
  addNumbers(json, "no_room", layer.bypassed);
  addNumbers(json, "scores", layer.scores);
  addNumbers(json, "tested", layer.tested);
  json.end();
}

modrt_status Tracing::toJson(Json &json) const {
  const modrt_model &model = running.model();
  json.beginObject()
      .member("format", std::string("mod-trace"))
      .member("version", int64_t(1))
      .member("model", std::string(model.name))
      .member("context", model.context)
      .member("routing", options.routing.value_or("top_k"));
  addNumbers(json, "tokens", tokens);
  MODRT_TRY(addTexts(json));
  json.beginArray("layers");
  for (size_t i = 0; i < layers.size(); ++i)
    addLayer(json, i);
  json.end().end();
  return ok();
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

/// The page around a trace. No text of the trace may end the script it is in.
static std::string makePage(const std::string &json) {
  const std::string mark = "TRACE_JSON";
  std::string page = tracePage, data;
  for (char c : json)
    c == '<' ? data += "\\u003c" : data += c;
  return page.replace(page.find(mark), mark.size(), data);
}

static modrt_status writeFile(const std::string &path,
                              const std::string &contents) {
  OutputFile file(path);
  MODRT_TRY(file.open());
  MODRT_TRY(file.write(contents.data(), contents.size()));
  return file.commit();
}

static modrt_status write(const Options &options, const Tracing &tracing) {
  if (!options.out && !options.json) {
    printf("tokens         %zu\nrouting        %s\n", tracing.tokens.size(),
           options.routing.value_or("top_k").c_str());
    printAgreement(tracing.running.model(), tracing.agreement);
    return ok();
  }
  Json json;
  MODRT_TRY(tracing.toJson(json));
  if (options.json)
    json.print();
  if (!options.out)
    return ok();
  return writeFile(*options.out,
                   options.isPage() ? makePage(json.str()) : json.str() + "\n");
}

int modrt::trace(const Invocation &invocation) {
  Options options;
  if (std::optional<int> code = parse(invocation, options.syntax()))
    return *code;
  if (std::optional<std::string> problem = options.check())
    return usageError(invocation, *problem);
  Tracing tracing(options);
  modrt_status status = tracing.run(invocation.model);
  if (!failed(status))
    status = write(options, tracing);
  return failed(status) ? failure(invocation, status) : Success;
}
