//===- Logits.cpp - Writing logits to a file ------------------------------===//
//
// One row per token, by any of the three programs.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Command.h"
#include "runtime/cli/Files.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>

using namespace modrt;

namespace {

struct Options {
  std::optional<std::vector<int32_t>> tokens;
  std::optional<std::string> tokensFile, out, routing;
  bool stepwise = false;
  Place place;

  Syntax syntax();
  std::optional<std::string> check() const;
};

} // namespace

Syntax Options::syntax() {
  return {
      "Writes the logits of each token, float32 [tokens, vocabulary], as an\n"
      ".npy file.",
      {modrt::tokens("--tokens", tokens, "token ids: 1,2,3"),
       text("--tokens-file", "FILE", tokensFile,
            "read ids between spaces from a file"),
       text("--out", "FILE", out, "where to write them"),
       choice("--routing", routing, {"top_k", "causal", "prefill"},
              "top_k, as trained, causal, each token by itself, or prefill, as "
              "prompts are (default: top_k)"),
       flag("--stepwise", stepwise,
            "one token at a time, as text is generated; causal"),
       threadsOption(place.threads), deviceOption(place.device)}};
}

std::optional<std::string> Options::check() const {
  if (tokens.has_value() == tokensFile.has_value())
    return "logits needs one of --tokens and --tokens-file";
  if (!out)
    return "logits needs --out";
  if (stepwise && routing && routing != "causal")
    return "--stepwise is causal and does not go with --routing=" + *routing;
  return std::nullopt;
}

static modrt_status compute(const Options &options, const Running &running,
                            const std::vector<int32_t> &tokens, Mapping &rows) {
  int64_t count = tokens.size(), vocab = running.model().vocab;
  // What is refused below needs no memory.
  int64_t used = std::min(count, running.model().context);
  MODRT_TRY(rows.reserve(used * vocab * sizeof(float), "logits"));
  if (options.stepwise && count > 0) {
    Progress progress("decoding", count);
    return runStepwise(running, tokens.data(), count, rows.as<float>(),
                       &progress);
  }
  if (options.routing == "causal")
    return runCausally(running, tokens.data(), count, rows.as<float>());
  if (options.routing == "prefill")
    return modrt_prefill(running.session(), tokens.data(), count, 0,
                         rows.as<float>());
  return modrt_forward(running.session(), tokens.data(), count,
                       rows.as<float>());
}

static modrt_status run(const Options &options, const modrt_model *model) {
  Running running;
  Mapping rows;
  OutputFile out(*options.out);
  std::vector<int32_t> tokens = options.tokens.value_or(std::vector<int32_t>());
  if (options.tokensFile)
    MODRT_TRY(readTokenFile(*options.tokensFile, tokens));
  MODRT_TRY(running.open(model, options.place));
  MODRT_TRY(compute(options, running, tokens, rows));
  std::string header = npyHeader(tokens.size(), model->vocab);
  MODRT_TRY(out.open());
  MODRT_TRY(out.write(header.data(), header.size()));
  MODRT_TRY(
      out.write(rows.data(), tokens.size() * model->vocab * sizeof(float)));
  return out.commit();
}

int modrt::logits(const Invocation &invocation) {
  Options options;
  if (std::optional<int> code = parse(invocation, options.syntax()))
    return *code;
  if (std::optional<std::string> problem = options.check())
    return usageError(invocation, *problem);
  modrt_status status = run(options, invocation.model);
  return failed(status) ? failure(invocation, status) : Success;
}
