//===- Session.h - Sequences of tokens -------------------------*- C++ -*-===//
//
// The memory and the threads that programs run with.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "runtime/Instance.h"
#include "runtime/ThreadPool.h"

#include <memory>
#include <vector>

namespace modrt {

/// What sessions that are decoded together share; of most there is one.
struct Batch {
  ThreadPool pool;
  std::unique_ptr<DeviceSession> device; // of models with kernels
  Mapping arena;
  Mapping caches, trace;        // of one sequence behind the other
  std::vector<int64_t> lengths; // [sequences][num_caches] rows in use

  // What decode_batch is given, and the logits it gives.
  std::vector<int32_t> sequences, positions;
  std::vector<float> logits;

  void *arenaStart() const { return device ? device->arena() : arena.data(); }
  char *cachesStart() const {
    return device ? static_cast<char *>(device->caches()) : caches.data();
  }
};

} // namespace modrt

struct modrt_session {
  modrt_instance &instance;
  const modrt_model &model;
  std::shared_ptr<modrt::Batch> batch;
  int64_t sequence;              // among those of the batch
  std::vector<float> logits;     // of the last token
  std::vector<int64_t> bypassed; // tokens that found a block's caches full
  int64_t position = 0;          // tokens seen
  int32_t next = -1;             // the token that a GPU chose
  bool tracing;                  // as its user asked

  modrt_session(modrt_instance &instance, std::shared_ptr<modrt::Batch> batch,
                int64_t sequence, bool tracing)
      : instance(instance), model(instance.model), batch(std::move(batch)),
        sequence(sequence), logits(model.vocab), bypassed(instance.numRouted()),
        tracing(tracing) {}

  /// Only a trace tells which tokens found no room.
  bool needsTrace() const { return tracing || instance.hasShortCaches(); }
  modrt_call call(const int32_t *tokens, int64_t count);
  modrt_status run(modrt_program program, const modrt_call &call);

  modrt::ThreadPool &pool() const { return batch->pool; }
  int64_t *lengths() const {
    return batch->lengths.data() + sequence * model.num_caches;
  }
  int64_t traceFloats() const {
    return instance.numRouted() * MODRT_TRACE_ROWS * model.context;
  }
  float *trace() const {
    return batch->trace.as<float>() + sequence * traceFloats();
  }
  const float *traceRow(int64_t block, modrt_trace_row row) const {
    return trace() + (block * MODRT_TRACE_ROWS + row) * model.context;
  }
};

#endif // RUNTIME_SESSION_H
