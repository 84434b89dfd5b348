//===- runtime-tests.cpp - The runtime from inside ------------------------===//
//
// Tests that need the C interface or the thread pool: runtime-tests NAME.
//
//===----------------------------------------------------------------------===//

#include "runtime/Instance.h"
#include "runtime/Sampler.h"
#include "runtime/ThreadPool.h"
#include "runtime/cuda/StepGraph.h"
#include "runtime/cuda/TensorMaps.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#define CHECK(CONDITION)                                                       \
  do {                                                                         \
    if (!(CONDITION)) {                                                        \
      printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #CONDITION);           \
      exit(1);                                                                 \
    }                                                                          \
  } while (false)

using modrt::failed;
using modrt::ThreadPool;

static void require(const modrt_status &status) {
  if (!failed(status))
    return;
  printf("%s\n", status.message);
  exit(1);
}

static void expect(const modrt_status &status, modrt_code code,
                   const char *message) {
  if (status.code == code && strstr(status.message, message))
    return;
  printf("got %d '%s', expected %d '%s'\n", status.code, status.message, code,
         message);
  exit(1);
}

//===----------------------------------------------------------------------===//
// Thread pool
//===----------------------------------------------------------------------===//

/// Every item once, whatever their number.
static void runItems(ThreadPool &pool, int64_t n) {
  std::vector<std::atomic<int>> counts(n);
  pool.forEach(n, [&](int64_t i) { counts[i].fetch_add(1); });
  for (auto &count : counts)
    CHECK(count.load() == 1);
}

static void testPoolSizes() {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool;
    require(pool.start(threads));
    CHECK(pool.threads() == threads);
    for (int64_t n : {0, 1, 2, 3, 7, 8, 9, 1000, 65534, 65535, 65536, 200000})
      runItems(pool, n);
  }
}

/// Plain memory handed from job to job: what one wrote the next must see.
static void testPoolOrder() {
  ThreadPool pool;
  require(pool.start(4));
  std::vector<int64_t> a(64, 0), b(64, 0);
  for (int round = 0; round < 3000; ++round) {
    pool.forEach(64, [&](int64_t i) { b[i] = a[63 - i] + 1; });
    pool.forEach(64, [&](int64_t i) { a[i] = b[63 - i]; });
  }
  for (int64_t value : a)
    CHECK(value == 3000);
}

/// Workers fall asleep between jobs and are woken up again; many pools at once.
static void testPoolSleep() {
  std::vector<std::thread> users;
  for (int user = 0; user < 3; ++user)
    users.emplace_back([] {
      ThreadPool pool;
      require(pool.start(3));
      for (int round = 0; round < 30; ++round) {
        runItems(pool, 50);
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
      }
    });
  for (std::thread &user : users)
    user.join();
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

static modrt_instance *openModel() {
  modrt_instance *instance = nullptr;
  require(modrt_open(mod_model(MODRT_ABI_VERSION), nullptr, &instance));
  return instance;
}

static modrt_session *openSession(modrt_instance *instance, int threads) {
  modrt_session_options options = {threads, 1};
  modrt_session *session = nullptr;
  require(modrt_session_open(instance, &options, &session));
  return session;
}

static std::vector<int32_t> someTokens(int seed) {
  std::vector<int32_t> tokens(40);
  for (int i = 0; i < 40; ++i)
    tokens[i] = (seed * 31 + i * i * 7) % 256;
  return tokens;
}

/// Prefill in parts and decode agree with one prefill, to the bit.
static void compareWays(modrt_instance *instance, int seed) {
  modrt_session *session = openSession(instance, 2);
  std::vector<int32_t> tokens = someTokens(seed);
  std::vector<float> rows(40 * 256), parts(40 * 256);
  require(modrt_prefill(session, tokens.data(), 40, 0, rows.data()));
  CHECK(modrt_position(session) == 40 && modrt_lengths(session)[0] == 40);
  CHECK(!memcmp(modrt_logits(session), &rows[39 * 256], 1024));

  modrt_session_reset(session);
  CHECK(modrt_position(session) == 0 && modrt_lengths(session)[0] == 0);
  require(modrt_prefill(session, tokens.data(), 10, 3, &parts[3 * 256]));
  require(modrt_prefill(session, &tokens[10], 5, 0, &parts[10 * 256]));
  for (int i = 15; i < 40; ++i) {
    require(modrt_decode(session, tokens[i]));
    memcpy(&parts[i * 256], modrt_logits(session), 1024);
  }
  CHECK(!memcmp(&rows[3 * 256], &parts[3 * 256], 37 * 1024));
  modrt_session_close(session);
}

static void testSessions() {
  modrt_instance *instance = openModel();
  std::vector<std::thread> users;
  for (int user = 0; user < 2; ++user)
    users.emplace_back([=] {
      for (int seed = 0; seed < 20; ++seed)
        compareWays(instance, seed * 2 + user);
    });
  for (std::thread &user : users)
    user.join();
  modrt_close(instance);
}

/// The likeliest token of each step is that of its logits.
static void testGreedy() {
  modrt_instance *instance = openModel();
  modrt_session *session = openSession(instance, 1);
  modrt_session *other = openSession(instance, 1);
  int32_t token = 3, next;
  for (int i = 0; i < 5; ++i) {
    require(modrt_decode_greedy(session, token, &next));
    require(modrt_decode(other, token));
    const float *logits = modrt_logits(other);
    CHECK(next == std::max_element(logits, logits + 256) - logits);
    token = next;
  }
  CHECK(modrt_position(session) == 5);
  expect(modrt_decode_greedy(session, 256, &next), MODRT_INVALID, "token 256");
  modrt_session_close(session);
  modrt_session_close(other);
  modrt_close(instance);
}

/// What a sampler chooses is what it would by the logits of each step.
static void testDecodeSample() {
  modrt_instance *instance = openModel();
  modrt_session *session = openSession(instance, 1);
  modrt_session *other = openSession(instance, 1);
  modrt_sampler *sampler, *byLogits;
  require(modrt_sampler_open(instance, nullptr, &sampler));
  require(modrt_sampler_open(instance, nullptr, &byLogits));
  int32_t token = 3, next, expected;
  for (int i = 0; i < 20; ++i) {
    require(modrt_decode_sample(session, sampler, token, &next));
    require(modrt_decode(other, token));
    require(modrt_sample(byLogits, modrt_logits(other), &expected));
    CHECK(next == expected);
    token = next;
  }
  modrt_sampler_close(sampler);
  modrt_sampler_close(byLogits);
  modrt_session_close(session);
  modrt_session_close(other);
  modrt_close(instance);
}

/// Forward neither sees nor changes what the session holds.
static void testForward() {
  modrt_instance *instance = openModel();
  modrt_session *session = openSession(instance, 1);
  std::vector<int32_t> tokens = someTokens(3);
  std::vector<float> before(40 * 256), after(40 * 256);
  require(modrt_forward(session, tokens.data(), 40, before.data()));
  require(modrt_decode(session, 5));
  require(modrt_forward(session, tokens.data(), 40, after.data()));
  CHECK(before == after && modrt_position(session) == 1);
  const float *tookPart = modrt_trace(session) + MODRT_TRACE_TOOK_PART * 64;
  int selected = 0;
  for (int i = 0; i < 40; ++i)
    selected += tookPart[i] == 1;
  CHECK(selected == 10);
  modrt_session_close(session);
  modrt_close(instance);
}

/// Sessions that are decoded together, one of which is given another text
/// meanwhile, give what each gives alone, to the bit.
static void testBatch() {
  modrt_instance *instance = openModel();
  modrt_session_options options = {1, 1};
  modrt_session *batch[3], *alone = openSession(instance, 1);
  require(modrt_batch_open(instance, &options, 3, batch));
  std::vector<int32_t> texts[3] = {someTokens(4), someTokens(5), someTokens(6)};
  auto replay = [&](const std::vector<int32_t> &text, int64_t count) {
    modrt_session_reset(alone);
    require(modrt_prefill(alone, text.data(), count, 0, nullptr));
  };
  auto isAsAlone = [&](modrt_session *session) {
    return !memcmp(modrt_logits(session), modrt_logits(alone), 1024) &&
           modrt_lengths(session)[1] == modrt_lengths(alone)[1] &&
           modrt_position(session) == modrt_position(alone);
  };
  int64_t counts[3] = {1, 9, 20};
  for (int i = 0; i < 3; ++i)
    require(modrt_prefill(batch[i], texts[i].data(), counts[i], 0, nullptr));
  for (int step = 0; step < 15; ++step) {
    if (step == 7) {
      modrt_session_reset(batch[1]);
      texts[1] = someTokens(7);
      counts[1] = 0;
    }
    modrt_session *some[3] = {batch[2], batch[0], batch[1]};
    int64_t number = step % 3 + 1;
    int32_t next[3] = {texts[2][counts[2]], texts[0][counts[0]],
                       texts[1][counts[1]]};
    require(modrt_decode_batch(some, next, number));
    for (int64_t i = 0; i < number; ++i) {
      int64_t which = (i + 2) % 3;
      replay(texts[which], ++counts[which]);
      CHECK(isAsAlone(some[i]));
      CHECK(modrt_trace(some[i])[counts[which] - 1] ==
            modrt_trace(alone)[counts[which] - 1]);
    }
  }
  for (modrt_session *session : batch)
    modrt_session_close(session);
  modrt_session_close(alone);
  modrt_close(instance);
}

static void testBatchErrors() {
  modrt_instance *instance = openModel();
  modrt_session *batch[4], *other = openSession(instance, 1);
  expect(modrt_batch_open(instance, nullptr, 4, batch), MODRT_INVALID,
         "a batch of 4 sessions, where the model was compiled for at most 3");
  expect(modrt_batch_open(instance, nullptr, 0, batch), MODRT_INVALID,
         "a batch of 0 sessions");
  require(modrt_batch_open(instance, nullptr, 2, batch));
  int32_t tokens[] = {1, 2};
  modrt_session *strangers[] = {batch[0], other},
                *twice[] = {batch[1], batch[1]};
  expect(modrt_decode_batch(batch, tokens, 0), MODRT_INVALID,
         "no sessions were given");
  expect(modrt_decode_batch(strangers, tokens, 2), MODRT_INVALID,
         "session 1 of 2 was not opened with the first");
  expect(modrt_decode_batch(twice, tokens, 2), MODRT_INVALID,
         "session 1 of 2 is there twice");
  tokens[1] = 256;
  expect(modrt_decode_batch(batch, tokens, 2), MODRT_INVALID, "token 256");
  CHECK(modrt_position(batch[0]) == 0);
  for (modrt_session *session : {batch[0], batch[1], other})
    modrt_session_close(session);
  modrt_close(instance);
}

static void testErrors() {
  modrt_instance *instance = openModel();
  modrt_session *session = openSession(instance, 1), *none = nullptr;
  std::vector<int32_t> tokens(65, 1);
  std::vector<float> rows(65 * 256);
  expect(modrt_prefill(session, tokens.data(), 65, 0, nullptr), MODRT_INVALID,
         "prompt of 65 tokens exceeds the context of 64");
  expect(modrt_prefill(session, tokens.data(), 0, 0, nullptr), MODRT_INVALID,
         "no tokens were given");
  expect(modrt_prefill(session, tokens.data(), 4, 4, rows.data()),
         MODRT_INVALID, "logits from token 4 of 4");
  expect(modrt_forward(session, tokens.data(), 65, rows.data()), MODRT_INVALID,
         "exceeds the context");
  expect(modrt_decode(session, 256), MODRT_INVALID,
         "token 256 at position 0 is not in [0, 256)");
  expect(modrt_decode(session, -1), MODRT_INVALID, "token -1");
  CHECK(modrt_position(session) == 0);
  require(modrt_prefill(session, tokens.data(), 64, 0, nullptr));
  expect(modrt_decode(session, 1), MODRT_INVALID,
         "1 more tokens after 64 exceed the context of 64");
  modrt_session_options options = {-1, 0};
  expect(modrt_session_open(instance, &options, &none), MODRT_INVALID,
         "-1 threads");
  CHECK(!none);
  modrt_session_close(session);
  modrt_close(instance);
}

//===----------------------------------------------------------------------===//
// Sampler
//===----------------------------------------------------------------------===//

/// A model of four tokens, of which nothing runs.
struct Sampling {
  modrt_model model = {};
  modrt_instance instance = {model, {}};
  modrt_sampler *sampler = nullptr;

  explicit Sampling(const modrt_sampling &sampling) {
    model.vocab = 4;
    require(modrt_sampler_open(&instance, &sampling, &sampler));
  }
  ~Sampling() { modrt_sampler_close(sampler); }
  int32_t next(const float *logits) {
    int32_t token = -1;
    require(modrt_sample(sampler, logits, &token));
    return token;
  }
};

/// Everything off: the plain distribution.
static modrt_sampling plain() {
  modrt_sampling sampling = modrt_sampling_defaults();
  sampling.temperature = 1;
  sampling.top_k = 0;
  sampling.top_p = 1;
  sampling.min_p = 0;
  sampling.seed = 42;
  return sampling;
}

/// Draws often and compares shares with probabilities.
static void expectShares(const modrt_sampling &sampling, const float *logits,
                         const double (&shares)[4]) {
  const int draws = 40000;
  Sampling with(sampling);
  double counts[4] = {};
  for (int i = 0; i < draws; ++i)
    ++counts[with.next(logits)];
  for (int i = 0; i < 4; ++i) {
    bool fits = shares[i] == 0 ? counts[i] == 0
                               : std::fabs(counts[i] / draws - shares[i]) < .01;
    if (!fits)
      printf("token %d: share %f, expected %f\n", i, counts[i] / draws,
             shares[i]);
    CHECK(fits);
  }
}

// Probabilities .1, .4, .2, .3.
static const float fourLogits[] = {logf(.1f), logf(.4f), logf(.2f), logf(.3f)};

static void testSamplerShares() {
  modrt_sampling sampling = plain();
  expectShares(sampling, fourLogits, {.1, .4, .2, .3});
  sampling.temperature = 0.5; // squares: .01 .16 .04 .09
  expectShares(sampling, fourLogits, {1 / 30., 16 / 30., 4 / 30., 9 / 30.});
  sampling = plain();
  sampling.top_k = 2;
  expectShares(sampling, fourLogits, {0, 4 / 7., 0, 3 / 7.});
  sampling = plain();
  sampling.top_p = 0.69;
  expectShares(sampling, fourLogits, {0, 4 / 7., 0, 3 / 7.});
  sampling.top_p = 0.71;
  expectShares(sampling, fourLogits, {0, 4 / 9., 2 / 9., 3 / 9.});
  sampling = plain();
  sampling.min_p = 0.6;
  expectShares(sampling, fourLogits, {0, 4 / 7., 0, 3 / 7.});
}

static void testSamplerPenalty() {
  modrt_sampling sampling = plain();
  sampling.temperature = 0;
  sampling.repetition_penalty = 2;
  sampling.repetition_window = 2;
  Sampling with(sampling);
  const float logits[] = {4, 3, 1, -1}, negative[] = {-4, -3, -1.75, -1};
  CHECK(with.next(logits) == 0);
  modrt_sampler_accept(with.sampler, 0);
  modrt_sampler_accept(with.sampler, 0);
  CHECK(with.next(logits) == 1); // 2 against 3
  const float close[] = {4, 1.5, 1, -1};
  CHECK(with.next(close) == 0); // 2 against 1.5, not divided twice
  modrt_sampler_accept(with.sampler, 3);
  CHECK(with.next(negative) == 2); // -2 against -1.75
  modrt_sampler_accept(with.sampler, 3);
  CHECK(with.next(logits) == 0); // out of the window
}

static void testSamplerGreedy() {
  modrt_sampling sampling = plain();
  sampling.temperature = 0;
  Sampling with(sampling);
  const float ties[] = {1, 3, 3, 2},
              allButOne[] = {-INFINITY, -INFINITY, 0, -INFINITY};
  CHECK(with.next(ties) == 1);
  CHECK(with.next(allButOne) == 2);
}

/// The very tokens: a change of generator or arithmetic must be noticed.
static void testSamplerSeed() {
  std::string first, second, other;
  modrt_sampling sampling = plain();
  for (std::string *draws : {&first, &second, &other}) {
    sampling.seed = draws == &other ? 43 : 42;
    Sampling with(sampling);
    for (int i = 0; i < 40; ++i)
      *draws += static_cast<char>('0' + with.next(fourLogits));
  }
  printf("%s\n", first.c_str());
  CHECK(first == second && first != other);
}

static void testSamplerErrors() {
  modrt_sampling sampling = plain();
  Sampling with(sampling);
  int32_t token;
  const float nan[] = {0, NAN, 0, 0}, infinite[] = {0, 0, INFINITY, 0};
  const float none[] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  expect(modrt_sample(with.sampler, nan, &token), MODRT_INVALID,
         "the logit of token 1 is not a number");
  expect(modrt_sample(with.sampler, infinite, &token), MODRT_INVALID,
         "the logit of token 2");
  expect(modrt_sample(with.sampler, none, &token), MODRT_INVALID,
         "no token has a finite logit");
  modrt_sampler *failing = nullptr;
  sampling.top_p = NAN;
  expect(modrt_sampler_open(&with.instance, &sampling, &failing), MODRT_INVALID,
         "top-p must be in [0, 1]");
}

//===----------------------------------------------------------------------===//
// Graphs of GPUs
//===----------------------------------------------------------------------===//

static std::string driverLog;
static int failingCapture;

/// A driver that says what it is asked for; its device is the host.
static modrt::Driver makeDriver() {
  using Handle = modrt::Driver::Handle;
  modrt::Driver driver = {};
  driver.streamBeginCapture = [](Handle, int) { return failingCapture; };
  driver.streamEndCapture = [](Handle, Handle *graph) {
    *graph = graph;
    return 0;
  };
  driver.graphInstantiate = [](Handle *executable, Handle, unsigned long long) {
    driverLog += "captured ";
    *executable = executable;
    return 0;
  };
  driver.graphLaunch = [](Handle, Handle) {
    driverLog += "launched ";
    return 0;
  };
  driver.graphDestroy = [](Handle) { return 0; };
  driver.graphExecDestroy = [](Handle) { return 0; };
  driver.memAllocHost = [](void **memory, size_t bytes) {
    *memory = malloc(bytes);
    return 0;
  };
  driver.memFreeHost = [](void *memory) {
    free(memory);
    return 0;
  };
  driver.copyToDevice = [](uintptr_t, const void *, size_t, Handle) {
    return 0;
  };
  driver.copyToHost = [](void *to, uintptr_t, size_t bytes, Handle) {
    memset(to, 7, bytes);
    return 0;
  };
  driver.launchKernel = [](Handle, unsigned, unsigned, unsigned, unsigned,
                           unsigned, unsigned, unsigned, Handle, void **,
                           void **) { return 0; };
  return driver;
}

/// A program with one launch, and what it leaves; the log of its calls.
static std::string runStep(modrt::StepGraph &graph, uint64_t argument,
                           uint8_t &result) {
  driverLog.clear();
  bool differs = true;
  while (differs) {
    void *arguments[] = {&argument};
    graph.begin();
    graph.upload(1, &argument, sizeof(argument));
    graph.launch(&graph, 2, 3, 128, arguments, 1);
    graph.download(&result, 1, 1);
    if (int failure = graph.end(differs))
      return "failed " + std::to_string(failure);
  }
  CHECK(graph.run() == 0);
  graph.deliver();
  return driverLog;
}

/// What is asked for again is launched, anything else captured anew.
static void testStepGraph() {
  modrt::Driver driver = makeDriver();
  modrt::StepGraph graph(driver, &driver);
  uint8_t first = 0, second = 0;
  CHECK(runStep(graph, 1, first) == "captured launched ");
  CHECK(runStep(graph, 1, second) == "launched ");
  CHECK(first == 7 && second == 7);
  CHECK(runStep(graph, 2, first) == "captured launched ");
  modrt::StepGraph failing(driver, &driver);
  failingCapture = 9;
  CHECK(runStep(failing, 1, first) == "failed 9");
  failingCapture = 0;
  CHECK(runStep(failing, 1, first) == "captured launched ");
}

//===----------------------------------------------------------------------===//
// Tensor maps of GPUs
//===----------------------------------------------------------------------===//

/// A driver that refuses maps of 13 rows.
static modrt::Driver makeMapDriver() {
  modrt::Driver driver = {};
  driver.tensorMapEncodeTiled =
      [](void *map, int type, uint32_t rank, uintptr_t address,
         const uint64_t *sizes, const uint64_t *strides, const uint32_t *box,
         const uint32_t *elementStrides, int interleave, int swizzle,
         int promotion, int fill) {
        CHECK(reinterpret_cast<uintptr_t>(map) % 64 == 0);
        CHECK(elementStrides[0] == 1 && elementStrides[1] == 1);
        char text[128];
        snprintf(text, sizeof(text),
                 "%d of %u at %zu: %zux%zu by %zu, box %ux%u, %d %d %d %d; ",
                 type, rank, size_t(address), size_t(sizes[1]),
                 size_t(sizes[0]), size_t(strides[0]), box[1], box[0],
                 interleave, swizzle, promotion, fill);
        driverLog += text;
        return sizes[1] == 13 ? 1 : 0;
      };
  driver.copyToDevice = [](uintptr_t to, const void *, size_t bytes,
                           modrt::Driver::Handle) {
    driverLog += std::to_string(bytes) + " bytes to " + std::to_string(to);
    return 0;
  };
  driver.streamSynchronize = [](modrt::Driver::Handle) { return 0; };
  driver.getErrorName = [](int, const char **name) {
    *name = "CUDA_ERROR_INVALID_VALUE";
    return 0;
  };
  return driver;
}

/// Behind weights of 1000 bytes, from the next multiple of 64 on: words of two
/// bytes in boxes of 64 rows, swizzled in 64 bytes, zeros outside.
static void testTensorMaps() {
  modrt::Driver driver = makeMapDriver();
  modrt_tensor_map table[] = {{64, 12, 40}, {512, 3, 8}};
  modrt_kernels kernels = {};
  modrt::TensorMaps none(kernels, 1000);
  driverLog.clear();
  require(none.upload(driver, 4096));
  CHECK(none.end() == 1000 && driverLog.empty());
  kernels.num_tensor_maps = 2;
  kernels.tensor_maps = table;
  modrt::TensorMaps maps(kernels, 1000);
  CHECK(maps.end() == 1024 + 2 * 128);
  require(maps.upload(driver, 4096));
  CHECK(driverLog == "1 of 2 at 4160: 12x40 by 80, box 64x32, 0 2 2 0; "
                     "1 of 2 at 4608: 3x8 by 16, box 64x32, 0 2 2 0; "
                     "256 bytes to 5120");
  table[1].rows = 13;
  expect(maps.upload(driver, 4096), MODRT_SYSTEM,
         "cuTensorMapEncodeTiled: CUDA_ERROR_INVALID_VALUE");
  driver.tensorMapEncodeTiled = nullptr;
  expect(maps.upload(driver, 4096), MODRT_UNSUPPORTED,
         "the NVIDIA driver has no cuTensorMapEncodeTiled, which the kernels "
         "of this model need");
}

//===----------------------------------------------------------------------===//

struct Test {
  const char *name;
  void (*run)();
};

static const Test tests[] = {
    {"pool-sizes", testPoolSizes},
    {"pool-order", testPoolOrder},
    {"pool-sleep", testPoolSleep},
    {"sessions", testSessions},
    {"forward", testForward},
    {"greedy", testGreedy},
    {"decode-sample", testDecodeSample},
    {"batch", testBatch},
    {"batch-errors", testBatchErrors},
    {"session-errors", testErrors},
    {"sampler-shares", testSamplerShares},
    {"sampler-penalty", testSamplerPenalty},
    {"sampler-greedy", testSamplerGreedy},
    {"sampler-seed", testSamplerSeed},
    {"sampler-errors", testSamplerErrors},
    {"step-graph", testStepGraph},
    {"tensor-maps", testTensorMaps},
};

int main(int argc, char **argv) {
  for (const Test &test : tests) {
    if (argc < 2 || strcmp(argv[1], test.name) != 0)
      continue;
    test.run();
    printf("%s: passed\n", test.name);
    return 0;
  }
  printf("usage: runtime-tests NAME\n");
  return 2;
}
