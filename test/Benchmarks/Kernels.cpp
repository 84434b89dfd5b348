//===- Kernels.cpp - Products and attention against their limits ----------===//
//
// One benchmark per shape and number of threads, in which our kernel, what it
// is compared with, and the machine's ceilings take turns.
//
//===----------------------------------------------------------------------===//

#include "Contest.h"
#include "Peers.h"
#include "Programs.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cmath>
#include <memory>
#include <set>

using namespace bench;

namespace {

/// Enough for the largest shape, of values that are not all the same.
class Vectors {
public:
  float *get(size_t count) {
    size_t old = values.size();
    values.resize(std::max(old, count));
    for (size_t i = old; i < values.size(); ++i)
      values[i] = static_cast<float>(i * 2654435761u % 1024) / 1024 - 0.5f;
    return values.data();
  }

private:
  std::vector<float> values;
};

} // namespace

static Vectors inputs, outputs, expected;

static modrt::ThreadPool &poolOf(int threads) {
  static std::unique_ptr<modrt::ThreadPool> pools[2];
  std::unique_ptr<modrt::ThreadPool> &pool = pools[threads > 1];
  if (!pool) {
    pool = std::make_unique<modrt::ThreadPool>();
    if (modrt::failed(pool->start(threads)))
      fail("cannot start threads");
  }
  return *pool;
}

static Arguments &argumentsFor(int threads) {
  static Arguments arguments;
  arguments.setThreads(poolOf(threads));
  return arguments;
}

/// Plays the rounds and reports what came out for contestant 0.
static void report(benchmark::State &state, Contest &contest, double flops,
                   double bytes) {
  for (auto _ : state) {
    contest.playRound();
    state.SetIterationTime(contest.medianSeconds(0));
  }
  double seconds = contest.medianSeconds(0);
  state.counters["gflops"] = flops / seconds * 1e-9;
  state.counters["gb_per_s"] = bytes / seconds * 1e-9;
  state.counters["peak_gflops"] = contest.medianPeakGflops();
  state.counters["peak_gb_per_s"] = contest.medianPeakGbPerS();
  state.counters["share"] = contest.medianShare(0, flops);
  state.counters["spread"] = contest.spreadOfShare(0, flops);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static bool agree(const float *a, const float *b, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (!(std::fabs(a[i] - b[i]) < 1e-4f))
      return false;
  return true;
}

static void runProduct(benchmark::State &state, int64_t m, int64_t k, int64_t n,
                       int threads) {
  const int64_t capacity = m == 1 ? 1 : 2048;
  const Program &program = findProgram("product", k, n, capacity);
  const int64_t width = program.width;
  Product product{m,
                  k,
                  n,
                  width,
                  inputs.get(capacity * width),
                  rawWeight(k, n),
                  expected.get(m * n)};
  setPeerThreads(threads);
  Arguments &on = argumentsFor(threads);
  float *y = outputs.get(capacity * n);
  on.setRows(product.x, width, y, n, m, capacity);
  std::function<void()> blas = makeOpenBlas(product);
  program.run(on);
  blas();
  if (!agree(y, product.y, m * n))
    return state.SkipWithError("the product is wrong");
  const int64_t bytes = 4 * k * n;
  // One row is decoded, and finds none of the weights that others have read.
  Contest contest(poolOf(threads), bytes, /*cold=*/m == 1);
  contest.add([&] { program.run(on); });
  contest.add(blas);
  contest.add(makeOneDnn(product));
  report(state, contest, 2.0 * m * k * n, bytes);
  state.counters["of_openblas"] = contest.medianRatio(0, 1);
  state.counters["of_onednn"] = contest.medianRatio(0, 2);
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

static void runAttention(benchmark::State &state, int64_t heads, int64_t dim,
                         int64_t tokens, int threads) {
  const int64_t width = heads * dim, length = 2048;
  Arguments &on = argumentsFor(threads);
  const float *x = inputs.get(length * width);
  float *y = outputs.get(length * width);
  on.setLength(0);
  on.setRows(x, width, y, width, length, length);
  findProgram("append", heads, dim, length).run(on);
  on.setLength(length);
  on.setRows(x, width, y, width, tokens, tokens);
  const Program &program = findProgram("attention", heads, dim, tokens);
  program.run(on);
  const int64_t bytes = 8 * length * width;
  Contest contest(poolOf(threads), bytes, /*cold=*/tokens == 1);
  contest.add([&] { program.run(on); });
  double pairs = tokens == 1 ? length : 0.5 * length * (length + 1);
  report(state, contest, 4.0 * pairs * width, bytes);
}

//===----------------------------------------------------------------------===//
// Which
//===----------------------------------------------------------------------===//

/// As many rounds as take about a second.
static int64_t roundsFor(double flops) {
  return std::clamp<int64_t>(static_cast<int64_t>(3e10 / flops), 3, 5);
}

template <typename Function, typename... Values>
static void add(const std::string &name, double flops, Function function,
                Values... values) {
  benchmark::RegisterBenchmark(name.c_str(), function, values...)
      ->Iterations(roundsFor(flops))
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

static void addProgram(const Program &program, int threads) {
  std::string shape =
      std::to_string(program.a) + "x" + std::to_string(program.b);
  std::string end = "/threads:" + std::to_string(threads);
  if (program.kind == "attention")
    add("attention/" + std::to_string(program.tokens) + "/" + shape + end,
        2.0 * program.tokens * 2048 * program.a * program.b, runAttention,
        program.a, program.b, program.tokens, threads);
  if (program.kind != "product")
    return;
  for (int64_t m : {1, 8, 32, 256, 257, 2048})
    if ((m == 1) == (program.tokens == 1))
      add("product/" + std::to_string(m) + "x" + shape + end,
          2.0 * m * program.a * program.b, runProduct, m, program.a, program.b,
          threads);
}

int main(int argc, char **argv) {
  for (int threads : std::set<int>{1, modrt::availableCores()})
    for (const Program &program : allPrograms())
      addProgram(program, threads);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
