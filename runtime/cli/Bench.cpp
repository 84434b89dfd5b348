//===- Bench.cpp - How fast, and how fast it could be ---------------------===//
//
// Counts what the tokens at hand really needed: a routed block's work is that
// of the tokens that took part in it, as the lengths of its KV cache tell, or
// the trace of a run before where it has none.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Ceilings.h"
#include "runtime/cli/Command.h"
#include "runtime/cli/Json.h"
#include "runtime/cli/Terminal.h"
#include "runtime/cuda/Chips.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>

using namespace modrt;

namespace {

struct Options {
  int64_t promptTokens = 0, genTokens = -1, batch = 1, runs = 0;
  Place place;
  bool json = false;

  Syntax syntax();
};

/// Tokens of one session that took part in each block.
using BlockRows = std::vector<int64_t>;

/// What was done in how much time.
struct Sample {
  double seconds = 0;
  double work = 0;   // FLOPs or bytes
  double routed = 0; // tokens that took part, summed over routed blocks
  double spread = 0; // of a median: between the quartiles, by the median

  double rate() const { return work / seconds; }
};

struct Benchmark {
  Options options;
  Running running;
  std::vector<int32_t> tokens;
  Sample prefill, decode;                // medians by time
  double peakGflops = 0, peakGbPerS = 0; // 0: not known
  std::string gpu;                       // its name; none on a CPU

  explicit Benchmark(const Options &options) : options(options) {}
  modrt_status run(const modrt_model *model);
  double routedShare(const Sample &sample, int64_t tokens) const;
  int64_t decodedTokens() const { return options.batch * options.genTokens; }

private:
  DeviceSession *device() const {
    return running.session()->batch->device.get();
  }
  double secondsSince(double start) const;
  modrt_status decodeStep(const int32_t *next);
  modrt_status chooseDevice();
  modrt_status chooseCounts();
  modrt_status measureCeilings();
  modrt_status measurePrefill(Sample &sample);
  modrt_status measureDecode(Sample &sample);
  modrt_status trace(modrt_status (Benchmark::*measure)(Sample &));
  modrt_status repeat(const char *work, Sample &median,
                      modrt_status (Benchmark::*measure)(Sample &));
  double prefillFlops() const;
  double decodeBytes(const std::vector<BlockRows> &rowsBefore) const;
  std::vector<BlockRows> allRows() const;
  double routedRows() const;
};

} // namespace

Syntax Options::syntax() {
  return {"Measures prefill and decode with random tokens, and in the same run "
          "what\nthe machine can do at most with as many threads.",
          {integer("--prompt-tokens", promptTokens, 1, INT64_MAX,
                   "tokens of the prompt (default: 512, at most the context)"),
           integer("--gen-tokens", genTokens, 0, INT64_MAX,
                   "tokens decoded after it, 0 for none (default: 128, at most "
                   "half of the context)"),
           integer("--batch", batch, 1, INT64_MAX,
                   "sequences decoded together, as many as the model was "
                   "compiled for (default: 1)"),
           integer("--runs", runs, 1, 1000,
                   "times that each is measured (default: for two seconds, at "
                   "least 3)"),
           jsonOption(json), threadsOption(place.threads),
           deviceOption(place.device)}};
}

modrt_status Benchmark::chooseCounts() {
  int64_t context = running.model().context;
  if (!options.promptTokens)
    options.promptTokens = std::min<int64_t>(512, context);
  if (options.genTokens < 0)
    options.genTokens =
        std::clamp<int64_t>(128, 1, std::max<int64_t>(1, context / 2));
  if (options.promptTokens > context || options.genTokens > context)
    return error(MODRT_INVALID, "%lld tokens exceed the context of %lld",
                 static_cast<long long>(
                     std::max(options.promptTokens, options.genTokens)),
                 static_cast<long long>(context));
  return ok();
}

static std::vector<int32_t> randomTokens(const modrt_model &model) {
  std::vector<int32_t> tokens(model.context + model.batch);
  uint64_t state = 1;
  for (int32_t &token : tokens) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    token = static_cast<int32_t>((state >> 33) % model.vocab);
  }
  return tokens;
}

/// The tokens of a session that its trace has in a routed block.
static int64_t countTraced(const modrt_session *session, int64_t block) {
  const float *tookPart = session->traceRow(block - 1, MODRT_TRACE_TOOK_PART);
  return std::count(tookPart, tookPart + modrt_position(session), 1.0f);
}

static BlockRows rowsOf(const modrt_session *session) {
  BlockRows rows = {modrt_position(session)};
  for (int64_t i = 1; i < session->model.num_blocks; ++i) {
    const modrt_block &block = session->model.blocks[i];
    rows.push_back(block.num_caches ? modrt_lengths(session)[block.first_cache]
                                    : countTraced(session, i));
  }
  return rows;
}

std::vector<BlockRows> Benchmark::allRows() const {
  std::vector<BlockRows> rows;
  for (const modrt_session *session : running.sessions)
    rows.push_back(rowsOf(session));
  return rows;
}

/// Whether some routed block has no cache that counts its tokens.
static bool needsTrace(const modrt_model &model) {
  return std::any_of(
      model.blocks + 1, model.blocks + model.num_blocks,
      [](const modrt_block &block) { return block.num_caches == 0; });
}

/// The rows of all routed blocks.
double Benchmark::routedRows() const {
  double sum = 0;
  for (const BlockRows &rows : allRows())
    sum += std::accumulate(rows.begin() + 1, rows.end(), 0.0);
  return sum;
}

/// Not a number where nothing is routed.
double Benchmark::routedShare(const Sample &sample, int64_t tokens) const {
  return sample.routed / (double(running.instance->numRouted()) * tokens);
}

/// The keys that some tokens see together, each those before it, of which a
/// window leaves the last.
static double countPairs(double tokens, double window) {
  double growing = std::min(tokens, window);
  return growing * (growing + 1) / 2 + (tokens - growing) * window;
}

/// What the windows of a block hide of `rows` of all tokens.
static double hiddenFlops(const modrt_block &block, double rows, double all) {
  double flops = 0;
  for (int64_t i = 0; rows > 0 && i < block.num_windows; ++i) {
    const modrt_window &window = block.windows[i];
    double share = window.of_sequence ? rows / all : 1;
    flops += window.flops_per_pair *
             (countPairs(rows, rows) -
              countPairs(rows, std::max(1.0, window.size * share)));
    flops += window.flops_per_key * rows / all *
             (countPairs(all, all) - countPairs(all, window.size));
  }
  return flops;
}

/// Of a prefill into an empty session, with the logits of one token.
double Benchmark::prefillFlops() const {
  const modrt_model &model = running.model();
  BlockRows allRows = rowsOf(running.session());
  double flops = model.logits_flops;
  for (int64_t i = 0; i < model.num_blocks; ++i) {
    const modrt_block &block = model.blocks[i];
    double rows = allRows[i], all = modrt_position(running.session());
    // Tokens anywhere among all see half of them.
    double keys = rows * (all + 1) / 2;
    flops += block.flops_per_token * rows +
             block.flops_per_pair * countPairs(rows, rows) +
             block.flops_per_key * keys - hiddenFlops(block, rows, all);
  }
  return flops;
}

/// Of one decode: weights, once for all sessions, and the rows of the caches,
/// of blocks that ran.
double Benchmark::decodeBytes(const std::vector<BlockRows> &rowsBefore) const {
  const modrt_model &model = running.model();
  std::vector<BlockRows> rows = allRows();
  double bytes = model.logits_weight_bytes;
  for (int64_t i = 0; i < model.num_blocks; ++i) {
    const modrt_block &block = model.blocks[i];
    bool ran = false;
    for (size_t j = 0; j < rows.size(); ++j) {
      if (rows[j][i] == rowsBefore[j][i])
        continue;
      ran = true;
      bytes += static_cast<double>(rows[j][i]) * block.cache_row_bytes;
    }
    bytes += ran ? static_cast<double>(block.weight_bytes) : 0;
  }
  return bytes;
}

modrt_status Benchmark::measurePrefill(Sample &sample) {
  modrt_session_reset(running.session());
  double start = now();
  MODRT_TRY(modrt_prefill(running.session(), tokens.data(),
                          options.promptTokens, 0, nullptr));
  sample.seconds = secondsSince(start);
  sample.work = prefillFlops();
  sample.routed = routedRows();
  return ok();
}

/// Of what was run since; a GPU tells it itself.
double Benchmark::secondsSince(double start) const {
  return device() ? device()->seconds() : now() - start;
}

/// A GPU keeps the logits.
modrt_status Benchmark::decodeStep(const int32_t *next) {
  int32_t likeliest;
  if (device())
    return modrt_decode_greedy(running.session(), *next, &likeliest);
  return modrt_decode_batch(running.sessions.data(), next, options.batch);
}

/// Each sequence with a prompt of its own, so that each is routed otherwise.
modrt_status Benchmark::measureDecode(Sample &sample) {
  int64_t prompt = std::min(options.promptTokens,
                            running.model().context - options.genTokens);
  for (int64_t i = 0; i < options.batch; ++i) {
    modrt_session_reset(running.sessions[i]);
    if (prompt > 0)
      MODRT_TRY(modrt_prefill(running.sessions[i], tokens.data() + i, prompt, 0,
                              nullptr));
  }
  sample.routed = -routedRows();
  for (int64_t step = 0; step < options.genTokens; ++step) {
    std::vector<BlockRows> rowsBefore = allRows();
    const int32_t *next = tokens.data() + prompt + step;
    double start = now();
    MODRT_TRY(decodeStep(next));
    sample.seconds += secondsSince(start);
    sample.work += decodeBytes(rowsBefore);
  }
  sample.routed += routedRows();
  return ok();
}

static Sample medianOf(std::vector<Sample> &samples) {
  std::sort(
      samples.begin(), samples.end(),
      [](const Sample &a, const Sample &b) { return a.seconds < b.seconds; });
  size_t last = samples.size() - 1;
  Sample median = samples[samples.size() / 2];
  median.spread =
      (samples[(3 * last + 2) / 4].seconds - samples[last / 4].seconds) /
      median.seconds;
  return median;
}

/// Leaves in the trace what the runs to come do as well.
modrt_status Benchmark::trace(modrt_status (Benchmark::*measure)(Sample &)) {
  if (!needsTrace(running.model()))
    return ok();
  auto setTracing = [&](bool tracing) {
    for (modrt_session *session : running.sessions)
      session->tracing = tracing;
  };
  Sample unused;
  setTracing(true);
  MODRT_TRY((this->*measure)(unused));
  setTracing(false);
  return ok();
}

/// The median of as many runs as were asked for.
modrt_status Benchmark::repeat(const char *work, Sample &median,
                               modrt_status (Benchmark::*measure)(Sample &)) {
  const size_t least = options.runs ? options.runs : 3;
  const size_t most = options.runs ? options.runs : 50;
  const double enough = 2;
  MODRT_TRY(trace(measure));
  std::vector<Sample> samples;
  Progress progress(work, 100);
  double start = now(), spent = 0;
  while (samples.size() < least || (samples.size() < most && spent < enough)) {
    Sample sample;
    MODRT_TRY((this->*measure)(sample));
    samples.push_back(sample);
    spent = now() - start;
    progress.update(static_cast<int64_t>(
        100 * std::min(spent / enough, double(samples.size()) / least)));
  }
  median = medianOf(samples);
  return ok();
}

/// How many times as fast as those of f32 products of the report's type are, by
/// the data sheet of a chip; 0 where that is not known.
static double getTensorSpeedup(const std::string &gpu, const char *report) {
  auto isOf = [&](const char *dtype) {
    std::string field = std::string("\"dtype\":\"") + dtype + "\"";
    return strstr(report, field.c_str()) != nullptr;
  };
  bool isHalf = isOf("bf16") || isOf("f16");
  if (!isHalf && !isOf("tf32"))
    return 1;
  const Chip *chip = findChip(gpu.c_str());
  if (!chip)
    return 0;
  return (isHalf ? chip->tensorTeraflops : chip->tf32Teraflops) /
         chip->teraflops;
}

/// Events of the GPU tell the time, and its clocks what it could do.
modrt_status Benchmark::chooseDevice() {
  if (!device())
    return ok();
  gpu = running.instance->device->getName();
  Peaks peaks = running.instance->device->getPeaks();
  peakGbPerS = peaks.gigabytes;
  peakGflops =
      1e3 * peaks.teraflops * getTensorSpeedup(gpu, running.model().report);
  return device()->startTiming();
}

/// Before and after the measurements: the machine may have been disturbed.
modrt_status Benchmark::measureCeilings() {
  if (device())
    return ok();
  ReadBuffer buffer;
  MODRT_TRY(buffer.open(running.pool()));
  peakGbPerS = std::max(peakGbPerS, buffer.measureGbPerS(running.pool()));
  peakGflops = std::max(peakGflops, measurePeakGflops(running.pool()));
  return ok();
}

modrt_status Benchmark::run(const modrt_model *model) {
  MODRT_TRY(
      running.open(model, options.place, needsTrace(*model), options.batch));
  MODRT_TRY(chooseCounts());
  tokens = randomTokens(*model);
  MODRT_TRY(chooseDevice());
  MODRT_TRY(measureCeilings());
  // What is read for the first time takes longer.
  MODRT_TRY(modrt_prefill(running.session(), tokens.data(),
                          std::min<int64_t>(options.promptTokens, 64), 0,
                          nullptr));
  MODRT_TRY(repeat("prefill", prefill, &Benchmark::measurePrefill));
  if (options.genTokens > 0)
    MODRT_TRY(repeat("decode", decode, &Benchmark::measureDecode));
  return measureCeilings();
}

static void printJson(const Benchmark &done) {
  double gflops = done.prefill.rate() * 1e-9;
  double gbPerS = done.decode.rate() * 1e-9;
  Json json;
  json.beginObject()
      .beginObject("prefill")
      .member("tokens", done.options.promptTokens)
      .member("tokens_per_s", done.options.promptTokens / done.prefill.seconds)
      .member("gflops", gflops)
      .member("peak_gflops", done.peakGflops)
      .member("share_of_peak", gflops / done.peakGflops)
      .member("spread", done.prefill.spread)
      .member("routed_share",
              done.routedShare(done.prefill, done.options.promptTokens))
      .end()
      .beginObject("decode")
      .member("batch", done.options.batch)
      .member("tokens", done.decodedTokens())
      .member("tokens_per_s", done.decodedTokens() / done.decode.seconds)
      .member("bytes_per_token", done.decode.work / done.decodedTokens())
      .member("gb_per_s", gbPerS)
      .member("peak_gb_per_s", done.peakGbPerS)
      .member("share_of_bandwidth", gbPerS / done.peakGbPerS)
      .member("spread", done.decode.spread)
      .member("routed_share",
              done.routedShare(done.decode, done.decodedTokens()))
      .end()
      .member("threads", int64_t(done.running.pool().threads()));
  if (!done.gpu.empty())
    json.member("device", done.gpu)
        .member("peaks",
                std::string(done.peakGbPerS > 0 ? "clocks" : "unknown"));
  json.end().print();
}

/// What was reached of what could be, where that is known.
static void printRate(double reached, double peak, const char *unit) {
  if (peak > 0)
    printf(" %6.1f %s %6.1f %s %5.1f %%\n", reached, unit, peak, unit,
           100 * reached / peak);
  else
    printf(" %6.1f %s           -       -\n", reached, unit);
}

static void printDecode(const Benchmark &done) {
  printf("decode     %9lld %11.1f",
         static_cast<long long>(done.decodedTokens()),
         done.decodedTokens() / done.decode.seconds);
  printRate(done.decode.rate() * 1e-9, done.peakGbPerS, "GB/s");
  if (done.running.model().num_blocks > 1)
    printf("routed: %.1f %% of the prompt, %.1f %% of the decoded tokens; "
           "%.1f MB read per decoded token\n",
           100 * done.routedShare(done.prefill, done.options.promptTokens),
           100 * done.routedShare(done.decode, done.decodedTokens()),
           1e-6 * done.decode.work / done.decodedTokens());
}

static void printTable(const Benchmark &done) {
  if (done.gpu.empty())
    printf("%d threads ", done.running.pool().threads());
  else
    printf("%s, limits: %s\n          ", done.gpu.c_str(),
           done.peakGbPerS > 0 ? "by its clocks" : "not known");
  printf("    tokens    tokens/s    reached       limit   share\n");
  printf("prefill    %9lld %11.1f",
         static_cast<long long>(done.options.promptTokens),
         done.options.promptTokens / done.prefill.seconds);
  printRate(done.prefill.rate() * 1e-9, done.peakGflops, "GF/s");
  if (done.options.genTokens > 0)
    printDecode(done);
}

int modrt::bench(const Invocation &invocation) {
  Options options;
  if (std::optional<int> code = parse(invocation, options.syntax()))
    return *code;
  Benchmark benchmark(options);
  modrt_status status = benchmark.run(invocation.model);
  if (failed(status))
    return failure(invocation, status);
  benchmark.options.json ? printJson(benchmark) : printTable(benchmark);
  return Success;
}
