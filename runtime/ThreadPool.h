//===- ThreadPool.h - Fork and join in under a microsecond -----*- C++ -*-===//
//
// The pool behind modrt_pool: the calling thread takes part, workers spin for a
// moment between jobs and then sleep.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_THREADPOOL_H
#define RUNTIME_THREADPOOL_H

#include "runtime/Status.h"

#include <atomic>
#include <pthread.h>
#include <vector>

namespace modrt {

/// Cores that this process may run on.
int availableCores();

class ThreadPool : public modrt_pool {
public:
  ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  ~ThreadPool();

  /// Starts threads - 1 workers. Called once.
  modrt_status start(int threads);
  int threads() const { return static_cast<int>(workers.size()) + 1; }

  /// Runs body(ctx, i) for i in [0, n). One thread at a time may call it, and
  /// not from inside a body.
  void run(void (*body)(void *ctx, int64_t i), void *ctx, int64_t n);

  template <typename Function>
  void forEach(int64_t n, Function function) {
    run([](void *ctx, int64_t i) { (*static_cast<Function *>(ctx))(i); },
        &function, n);
  }

private:
  struct Job {
    void (*body)(void *ctx, int64_t i);
    void *ctx;
    int64_t first; // what item 0 of the job is to the body
  };

  static void *workerMain(void *pool);
  void work();
  uint32_t awaitJob(uint32_t seen);
  void publish(const Job &next, uint32_t items);
  void drain(uint32_t generation);
  void awaitItems();
  void wake();

  // A job's items are claimed by counting the ticket up: generation in its high
  // half, then the number of items, then the next one, 16 bits each. A worker
  // that comes late finds another generation and can claim nothing of a newer
  // job by mistake. `job` is written only when no item of the last job is left,
  // and read only by a thread that has claimed one.
  Job job = {};
  alignas(64) std::atomic<uint64_t> ticket{0};
  alignas(64) std::atomic<uint32_t> generation{0}; // what sleepers wait on
  alignas(64) std::atomic<uint32_t> pending{0};    // items not yet done
  alignas(64) std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stopping{false};
  int spins = 0;
  std::vector<pthread_t> workers;
};

} // namespace modrt

#endif // RUNTIME_THREADPOOL_H
