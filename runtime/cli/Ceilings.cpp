//===- Ceilings.cpp - What the machine could do ---------------------------===//
//
// Each is the best of several runs: a ceiling is what the machine can do when
// nobody disturbs it.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Ceilings.h"

#include "runtime/CpuFeatures.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cstring>
#include <immintrin.h>
#include <unistd.h>

using namespace modrt;

// As many independent sums as hide the latency, and fit the registers. Written
// out, since a compiler that moves sums between registers, or to memory, would
// lower the ceiling. All numbers stay 0.
#define MULTIPLY_ADD(TYPE, REGISTER, INSTRUCTIONS)                             \
  const int numSums = 12;                                                      \
  TYPE zero = {}, sums[numSums] = {};                                          \
  for (int64_t step = 0; step < steps; ++step)                                 \
    _Pragma("GCC unroll 12") for (TYPE &sum : sums) asm volatile(              \
        INSTRUCTIONS : "+" REGISTER(sum) : REGISTER(zero));                    \
  return 2.0 * sizeof(TYPE) / sizeof(float) * numSums * steps;

[[gnu::target("avx512f")]] static double multiplyAdd512(int64_t steps) {
  MULTIPLY_ADD(__m512, "v", "vfmadd132ps %1, %1, %0")
}

[[gnu::target("avx2,fma")]] static double multiplyAdd256(int64_t steps) {
  MULTIPLY_ADD(__m256, "x", "vfmadd132ps %1, %1, %0")
}

/// Without FMA: a product and a sum are two instructions.
static double multiplyAdd128(int64_t steps) {
  MULTIPLY_ADD(__m128, "x", "mulps %1, %0\n\taddps %1, %0")
}

/// The smallest time of `work` among those that `enough` seconds give.
template <typename Work>
static double bestTime(double enough, Work work) {
  double best = 1e30, begin = now(), start;
  do {
    start = now();
    work();
    best = std::min(best, now() - start);
  } while (now() - begin < enough);
  return best;
}

double modrt::measurePeakGflops(ThreadPool &pool, double enough) {
  auto kernel = hasCpuFeature("avx512f") ? multiplyAdd512
                : hasCpuFeature("avx2") && hasCpuFeature("fma")
                    ? multiplyAdd256
                    : multiplyAdd128;
  // Many short items, so that all threads end together.
  const int64_t steps = 20000, items = 50 * pool.threads();
  double flops = 0;
  double seconds = bestTime(enough, [&] {
    pool.forEach(items, [&](int64_t i) {
      double done = kernel(steps);
      if (i == 0)
        flops = done * items;
    });
  });
  return flops / seconds * 1e-9;
}

/// Makes the compiler believe that a result is needed.
static void keep(int result) { asm volatile("" : : "r"(result)); }

/// Well above what the caches hold.
static int64_t bufferBytes() {
  const int64_t least = int64_t(256) << 20, most = int64_t(1) << 30;
  return std::clamp<int64_t>(4 * sysconf(_SC_LEVEL3_CACHE_SIZE), least, most);
}

/// Several streams at once: the hardware fetches ahead in each.
static void readAll(const char *data, int64_t bytes) {
  const int numStreams = 4, line = 64;
  __m128i sums[numStreams] = {};
  for (int64_t at = 0; at < bytes / numStreams; at += line)
    for (int stream = 0; stream < numStreams; ++stream) {
      const char *from = data + stream * (bytes / numStreams) + at;
      for (int i = 0; i < line; i += sizeof(__m128i))
        sums[stream] = _mm_xor_si128(
            sums[stream],
            _mm_load_si128(reinterpret_cast<const __m128i *>(from + i)));
    }
  __m128i all = _mm_xor_si128(_mm_xor_si128(sums[0], sums[1]),
                              _mm_xor_si128(sums[2], sums[3]));
  keep(_mm_cvtsi128_si32(all));
}

modrt_status ReadBuffer::open(ThreadPool &pool, int64_t wanted) {
  const int64_t least = 4096, most = int64_t(1) << 20;
  int64_t bytes = wanted ? wanted : bufferBytes();
  chunk = std::clamp(bytes / 32 / least * least, least, most);
  chunks = std::max<int64_t>(1, bytes / chunk);
  MODRT_TRY(memory.reserve(chunks * chunk, "measuring the memory's speed"));
  // Pages that were only read would all be the same page of zeros.
  pool.forEach(chunks,
               [&](int64_t i) { memset(memory.data() + i * chunk, 1, chunk); });
  return ok();
}

double ReadBuffer::measureGbPerS(ThreadPool &pool, double enough) const {
  double seconds = bestTime(enough, [&] {
    pool.forEach(chunks,
                 [&](int64_t i) { readAll(memory.data() + i * chunk, chunk); });
  });
  return static_cast<double>(chunks * chunk) / seconds * 1e-9;
}
