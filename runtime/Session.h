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
  std::vector<int64_t> lengths; // rows in use of each cache
  std::vector<float> logits;    // of the last token
  int64_t position = 0;         // tokens seen
  bool tracing = false;

  explicit modrt_session(modrt_instance &instance)
      : instance(instance), model(instance.model), lengths(model.num_caches),
        logits(model.vocab) {}

  modrt_call call(const int32_t *tokens, int64_t count);
  int64_t traceBytes() const {
    return instance.numRouted() * 3 * model.context * sizeof(float);
  }
};

#endif // RUNTIME_SESSION_H
