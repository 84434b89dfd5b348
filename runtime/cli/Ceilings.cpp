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

/// Makes the compiler believe that a result is needed.
static void keep(int result) { asm volatile("" : : "r"(result)); }

// As many independent sums as hide the latency and fit the registers. None
// grows: x -> x * 1 + 0.
#define MULTIPLY_ADD(WIDTH, SUMS)                                              \
  _Pragma("GCC unroll 32") for (int i = 0; i < SUMS; ++i) sums[i] =            \
      _mm##WIDTH##_fmadd_ps(one, sums[i], zero);

[[gnu::target("avx512f")]] static double multiplyAdd512(int64_t steps) {
  const int numSums = 24;
  __m512 one = _mm512_set1_ps(1), zero = _mm512_setzero_ps(), sums[numSums];
  for (int i = 0; i < numSums; ++i)
    sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t step = 0; step < steps; ++step) {
    MULTIPLY_ADD(512, numSums)
    asm volatile("" : "+v"(one), "+v"(zero));
  }
  float total = 0;
  for (const __m512 &sum : sums)
    total += _mm512_cvtss_f32(sum);
  keep(static_cast<int>(total));
  return 2.0 * 16 * numSums * steps;
}

[[gnu::target("avx2,fma")]] static double multiplyAdd256(int64_t steps) {
  const int numSums = 12;
  __m256 one = _mm256_set1_ps(1), zero = _mm256_setzero_ps(), sums[numSums];
  for (int i = 0; i < numSums; ++i)
    sums[i] = _mm256_set1_ps(static_cast<float>(i));
  for (int64_t step = 0; step < steps; ++step) {
    MULTIPLY_ADD(256, numSums)
    asm volatile("" : "+x"(one), "+x"(zero));
  }
  float total = 0;
  for (const __m256 &sum : sums)
    total += _mm256_cvtss_f32(sum);
  keep(static_cast<int>(total));
  return 2.0 * 8 * numSums * steps;
}

/// Without FMA: a product and a sum are two instructions.
static double multiplyAdd128(int64_t steps) {
  const int numSums = 12;
  __m128 one = _mm_set1_ps(1), zero = _mm_setzero_ps(), sums[numSums];
  for (int i = 0; i < numSums; ++i)
    sums[i] = _mm_set1_ps(static_cast<float>(i));
  for (int64_t step = 0; step < steps; ++step) {
    _Pragma("GCC unroll 32") for (int i = 0; i < numSums; ++i) sums[i] =
        _mm_add_ps(_mm_mul_ps(one, sums[i]), zero);
    asm volatile("" : "+x"(one), "+x"(zero));
  }
  float total = 0;
  for (const __m128 &sum : sums)
    total += _mm_cvtss_f32(sum);
  keep(static_cast<int>(total));
  return 2.0 * 4 * numSums * steps;
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

modrt_status ReadBuffer::open(ThreadPool &pool) {
  bytes = bufferBytes();
  MODRT_TRY(memory.reserve(bytes, "measuring the memory's speed"));
  // Pages that were only read would all be the same page of zeros.
  pool.forEach(bytes / chunk,
               [&](int64_t i) { memset(memory.data() + i * chunk, 1, chunk); });
  return ok();
}

double ReadBuffer::measureGbPerS(ThreadPool &pool, double enough) const {
  double seconds = bestTime(enough, [&] {
    pool.forEach(bytes / chunk,
                 [&](int64_t i) { readAll(memory.data() + i * chunk, chunk); });
  });
  return static_cast<double>(bytes) / seconds * 1e-9;
}
