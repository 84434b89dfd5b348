//===- Session.cpp - One sequence of tokens -------------------------------===//
//
// Checks what a program is asked for, then runs it.
//
//===----------------------------------------------------------------------===//

#include "runtime/Session.h"

#include <algorithm>
#include <cstring>
#include <memory>

using namespace modrt;

static const int32_t maxThreads = 1024;

modrt_call modrt_session::call(const int32_t *tokens, int64_t count) {
  modrt_call call = {};
  call.pool = &pool;
  call.weights = instance.weights();
  call.arena = arena.data();
  call.caches = caches.data();
  call.lengths = lengths.data();
  call.tokens = tokens;
  call.count = count;
  call.start = position;
  call.trace = needsTrace() ? trace.as<float>() : nullptr;
  return call;
}

static modrt_status reserve(modrt_session &session) {
  MODRT_TRY(session.arena.reserve(session.model.arena_bytes, "the arena"));
  MODRT_TRY(session.caches.reserve(session.model.caches_bytes, "KV caches"));
  // A cache of few tokens must not cost two megabytes.
  session.caches.growSlowly();
  if (session.needsTrace())
    return session.trace.reserve(session.traceBytes(), "the trace");
  return ok();
}

modrt_status modrt_session_open(modrt_instance *instance,
                                const modrt_session_options *options,
                                modrt_session **session) {
  modrt_session_options chosen = options ? *options : modrt_session_options{};
  if (chosen.threads < 0 || chosen.threads > maxThreads)
    return error(MODRT_INVALID, "%d threads, where 0 to %d are possible",
                 chosen.threads, maxThreads);
  auto opened = std::make_unique<modrt_session>(*instance);
  opened->tracing = chosen.trace != 0 && instance->numRouted() > 0;
  MODRT_TRY(reserve(*opened));
  MODRT_TRY(opened->pool.start(chosen.threads
                                   ? chosen.threads
                                   : std::min(availableCores(), maxThreads)));
  *session = opened.release();
  return ok();
}

void modrt_session_close(modrt_session *session) { delete session; }

void modrt_session_reset(modrt_session *session) {
  session->caches.clear();
  std::fill(session->lengths.begin(), session->lengths.end(), 0);
  std::fill(session->bypassed.begin(), session->bypassed.end(), 0);
  session->position = 0;
}

static modrt_status checkCount(const modrt_session &session, int64_t position,
                               int64_t count) {
  long long context = session.model.context;
  if (count < 1)
    return error(MODRT_INVALID, "no tokens were given");
  if (count > context)
    return error(MODRT_INVALID,
                 "prompt of %lld tokens exceeds the context of %lld",
                 static_cast<long long>(count), context);
  if (count > context - position)
    return error(MODRT_INVALID,
                 "%lld more tokens after %lld exceed the context of %lld",
                 static_cast<long long>(count),
                 static_cast<long long>(position), context);
  return ok();
}

/// Programs report tokens that took part; what they say of the others is zero.
static void clearTrace(modrt_session &session, int64_t position,
                       int64_t count) {
  if (!session.needsTrace())
    return;
  float *trace = session.trace.as<float>();
  int64_t rows = session.instance.numRouted() * MODRT_TRACE_ROWS;
  for (int64_t row = 0; row < rows; ++row)
    std::fill_n(trace + row * session.model.context + position, count, 0.0f);
}

/// Appends the tokens of a call, and counts those that found no room.
static void advance(modrt_session &session, int64_t count) {
  int64_t begin = session.position;
  session.position += count;
  if (!session.instance.hasShortCaches())
    return;
  for (size_t block = 0; block < session.bypassed.size(); ++block) {
    const float *chosen = session.traceRow(block, MODRT_TRACE_CHOSEN) + begin;
    const float *tookPart =
        session.traceRow(block, MODRT_TRACE_TOOK_PART) + begin;
    for (int64_t i = 0; i < count; ++i)
      session.bypassed[block] += chosen[i] != 0 && tookPart[i] == 0;
  }
}

modrt_status modrt_forward(modrt_session *session, const int32_t *tokens,
                           int64_t count, float *logits) {
  MODRT_TRY(checkCount(*session, 0, count));
  MODRT_TRY(checkTokens(session->model, tokens, count));
  clearTrace(*session, 0, count);
  modrt_call call = session->call(tokens, count);
  call.start = 0;
  call.logits = logits;
  session->model.forward(&call);
  return ok();
}

modrt_status modrt_prefill(modrt_session *session, const int32_t *tokens,
                           int64_t count, int64_t from, float *logits) {
  MODRT_TRY(checkCount(*session, session->position, count));
  MODRT_TRY(checkTokens(session->model, tokens, count));
  if (logits && (from < 0 || from >= count))
    return error(MODRT_INVALID, "logits from token %lld of %lld",
                 static_cast<long long>(from), static_cast<long long>(count));
  clearTrace(*session, session->position, count);
  modrt_call call = session->call(tokens, count);
  call.from = logits ? from : count - 1;
  call.logits = logits ? logits : session->logits.data();
  session->model.prefill(&call);
  advance(*session, count);
  if (logits)
    std::copy_n(logits + (count - 1 - from) * session->model.vocab,
                session->model.vocab, session->logits.data());
  return ok();
}

modrt_status modrt_decode(modrt_session *session, int32_t token) {
  MODRT_TRY(checkCount(*session, session->position, 1));
  MODRT_TRY(checkTokens(session->model, &token, 1));
  clearTrace(*session, session->position, 1);
  modrt_call call = session->call(&token, 1);
  call.logits = session->logits.data();
  session->model.decode(&call);
  advance(*session, 1);
  return ok();
}

const float *modrt_logits(const modrt_session *session) {
  return session->logits.data();
}

int64_t modrt_position(const modrt_session *session) {
  return session->position;
}

const int64_t *modrt_lengths(const modrt_session *session) {
  return session->lengths.data();
}

const int64_t *modrt_bypassed(const modrt_session *session) {
  return session->bypassed.data();
}

const float *modrt_trace(const modrt_session *session) {
  return session->tracing ? session->trace.as<float>() : nullptr;
}

int32_t modrt_threads(const modrt_session *session) {
  return session->pool.threads();
}
