//===- ThreadPool.cpp - Fork and join in under a microsecond --------------===//
//
// A job is over when its items are done, not when its workers are: one that
// sleeps, or that the system has put aside, delays nobody.
//
//===----------------------------------------------------------------------===//

#include "runtime/ThreadPool.h"

#include <algorithm>
#include <cstring>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace modrt;

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t),
              "the system waits on the generation itself");

static const int64_t maxItems = 0xffff;

static inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

int modrt::availableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return std::max(1l, sysconf(_SC_NPROCESSORS_ONLN));
}

static void parallelFor(modrt_pool *pool, void (*body)(void *ctx, int64_t i),
                        void *ctx, int64_t n) {
  static_cast<ThreadPool *>(pool)->run(body, ctx, n);
}

ThreadPool::ThreadPool() { parallel_for = parallelFor; }

ThreadPool::~ThreadPool() {
  stopping.store(true, std::memory_order_relaxed);
  generation.fetch_add(1);
  wake();
  for (pthread_t worker : workers)
    pthread_join(worker, nullptr);
}

modrt_status ThreadPool::start(int threads) {
  // Spinning helps only a thread that has a core for itself. The count is
  // about half a millisecond: longer than what lies between two loops.
  spins = threads <= availableCores() ? 10000 : 0;
  workers.reserve(threads);
  while (this->threads() < threads) {
    pthread_t worker;
    if (int code = pthread_create(&worker, nullptr, workerMain, this))
      return error(MODRT_SYSTEM, "cannot start thread %d of %d: %s",
                   this->threads() + 1, threads, strerror(code));
    workers.push_back(worker);
  }
  return ok();
}

void *ThreadPool::workerMain(void *pool) {
  static_cast<ThreadPool *>(pool)->work();
  return nullptr;
}

void ThreadPool::work() {
  for (uint32_t seen = 0;;) {
    seen = awaitJob(seen);
    if (stopping.load(std::memory_order_relaxed))
      return;
    drain(seen);
  }
}

/// Returns the first generation that is not `seen`.
uint32_t ThreadPool::awaitJob(uint32_t seen) {
  for (int spin = 0;; ++spin) {
    uint32_t now = generation.load(std::memory_order_acquire);
    if (now != seen)
      return now;
    if (spin < spins) {
      relax();
      continue;
    }
    // Both sides write first and read then: either the system sees the new
    // generation here, or run() sees the sleeper.
    sleepers.fetch_add(1);
    syscall(SYS_futex, &generation, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr,
            0);
    sleepers.fetch_sub(1);
    spin = 0;
  }
}

void ThreadPool::wake() {
  if (sleepers.load() != 0)
    syscall(SYS_futex, &generation, FUTEX_WAKE_PRIVATE, 0x7fffffff, nullptr,
            nullptr, 0);
}

void ThreadPool::run(void (*body)(void *ctx, int64_t i), void *ctx, int64_t n) {
  if (workers.empty() || n < 2) {
    for (int64_t i = 0; i < n; ++i)
      body(ctx, i);
    return;
  }
  for (int64_t first = 0; first < n; first += maxItems) {
    publish({body, ctx, first}, std::min(n - first, maxItems));
    drain(generation.load(std::memory_order_relaxed));
    awaitItems();
  }
}

void ThreadPool::publish(const Job &next, uint32_t items) {
  uint32_t number = generation.load(std::memory_order_relaxed) + 1;
  job = next;
  pending.store(items, std::memory_order_relaxed);
  ticket.store(uint64_t(number) << 32 | uint64_t(items) << 16,
               std::memory_order_release);
  generation.store(number);
  wake();
}

/// Does items of the job of that generation until none is left to claim. Runs
/// of them become shorter towards the end: neighbours read memory that lies
/// together, and all threads end together.
void ThreadPool::drain(uint32_t generation) {
  uint32_t done = 0;
  uint64_t next = ticket.load(std::memory_order_acquire);
  while (next >> 32 == generation) {
    int64_t first = next & 0xffff, left = (next >> 16 & 0xffff) - first;
    if (left <= 0)
      break;
    int64_t run = std::max<int64_t>(1, left / (2 * threads()));
    if (!ticket.compare_exchange_weak(next, next + run,
                                      std::memory_order_acq_rel,
                                      std::memory_order_acquire))
      continue;
    for (int64_t i = 0; i < run; ++i)
      job.body(job.ctx, job.first + first + i);
    done += run;
    next = ticket.load(std::memory_order_acquire);
  }
  if (done)
    pending.fetch_sub(done, std::memory_order_release);
}

void ThreadPool::awaitItems() {
  for (int spin = 0; pending.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < spins)
      relax();
    else
      sched_yield();
  }
}
