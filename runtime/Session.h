//===- Session.h - One sequence of tokens ----------------------*- C++ -*-===//
//
// The memory and the threads that programs run with.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "runtime/Instance.h"
#include "runtime/ThreadPool.h"

#include <vector>

struct modrt_session {
  modrt_instance &instance;
  const modrt_model &model;
  modrt::ThreadPool pool;
  modrt::Mapping arena, caches, trace;
  std::vector<int64_t> lengths;  // rows in use of each cache
  std::vector<float> logits;     // of the last token
  std::vector<int64_t> bypassed; // tokens that found a block's caches full
  int64_t position = 0;          // tokens seen
  bool tracing = false;          // as its user asked

  explicit modrt_session(modrt_instance &instance)
      : instance(instance), model(instance.model), lengths(model.num_caches),
        logits(model.vocab), bypassed(instance.numRouted()) {}

  /// Only a trace tells which tokens found no room.
  bool needsTrace() const { return tracing || instance.hasShortCaches(); }
  modrt_call call(const int32_t *tokens, int64_t count);
  int64_t traceBytes() const {
    return instance.numRouted() * MODRT_TRACE_ROWS * model.context *
           sizeof(float);
  }
  const float *traceRow(int64_t block, modrt_trace_row row) const {
    return trace.as<float>() + (block * MODRT_TRACE_ROWS + row) * model.context;
  }
};

#endif // RUNTIME_SESSION_H
