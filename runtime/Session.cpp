//===- Session.cpp - Sequences of tokens ----------------------------------===//
//
// Checks what a program is asked for, then runs it.
//
//===----------------------------------------------------------------------===//

#include "runtime/Session.h"
#include "runtime/Sampler.h"

#include <algorithm>
#include <cstring>
#include <memory>

using namespace modrt;

static const int32_t maxThreads = 1024;

modrt_call modrt_session::call(const int32_t *tokens, int64_t count) {
  modrt_call call = {};
  call.pool = &pool();
  call.weights = instance.weights();
  call.arena = batch->arenaStart();
  call.caches = batch->cachesStart() + sequence * model.caches_bytes;
  call.lengths = lengths();
  call.device = batch->device.get();
  call.tokens = tokens;
  call.count = count;
  call.start = position;
  call.trace = needsTrace() ? trace() : nullptr;
  return call;
}

/// What fails on a device is known once its work is done. A step of decoding
/// asks for the same each time; where it does not, it is captured anew.
modrt_status modrt_session::run(modrt_program program, const modrt_call &call) {
  if (!batch->device) {
    program(&call);
    return ok();
  }
  MODRT_TRY(instance.device->enter());
  DeviceSession &device = *batch->device;
  do {
    device.begin(/*repeats=*/program == model.decode);
    program(&call);
  } while (device.end());
  return device.finish();
}

static modrt_status openDevice(modrt_session &session, int64_t sequences) {
  MODRT_TRY(session.instance.openDevice());
  session.batch->device = std::make_unique<DeviceSession>();
  return session.batch->device->open(*session.instance.device, session.model,
                                     sequences);
}

/// Arena and caches of models that run on the CPU.
static modrt_status reserveHost(Batch &batch, const modrt_model &model,
                                int64_t sequences) {
  MODRT_TRY(batch.arena.reserve(model.arena_bytes, "the arena"));
  MODRT_TRY(batch.caches.reserve(sequences * model.caches_bytes, "KV caches"));
  // A cache of few tokens must not cost two megabytes.
  batch.caches.growSlowly();
  return ok();
}

static modrt_status reserve(modrt_session &session, int64_t sequences) {
  const modrt_model &model = session.model;
  Batch &batch = *session.batch;
  MODRT_TRY(model.kernels ? openDevice(session, sequences)
                          : reserveHost(batch, model, sequences));
  batch.lengths.resize(sequences * model.num_caches);
  if (sequences > 1) {
    batch.sequences.resize(sequences);
    batch.positions.resize(sequences);
    batch.logits.resize(sequences * model.vocab);
  }
  if (session.needsTrace())
    return batch.trace.reserve(sequences * session.traceFloats() *
                                   int64_t(sizeof(float)),
                               "the trace");
  return ok();
}

modrt_status modrt_batch_open(modrt_instance *instance,
                              const modrt_session_options *options,
                              int64_t count, modrt_session **sessions) {
  modrt_session_options chosen = options ? *options : modrt_session_options{};
  if (chosen.threads < 0 || chosen.threads > maxThreads)
    return error(MODRT_INVALID, "%d threads, where 0 to %d are possible",
                 chosen.threads, maxThreads);
  if (count < 1 || count > instance->model.batch)
    return error(
        MODRT_INVALID,
        "a batch of %lld sessions, where the model was compiled for at "
        "most %lld",
        static_cast<long long>(count),
        static_cast<long long>(instance->model.batch));
  auto batch = std::make_shared<Batch>();
  bool tracing = chosen.trace != 0 && instance->numRouted() > 0;
  std::vector<std::unique_ptr<modrt_session>> opened;
  for (int64_t i = 0; i < count; ++i)
    opened.push_back(
        std::make_unique<modrt_session>(*instance, batch, i, tracing));
  MODRT_TRY(reserve(*opened.front(), count));
  MODRT_TRY(batch->pool.start(chosen.threads
                                  ? chosen.threads
                                  : std::min(availableCores(), maxThreads)));
  for (int64_t i = 0; i < count; ++i)
    sessions[i] = opened[i].release();
  return ok();
}

modrt_status modrt_session_open(modrt_instance *instance,
                                const modrt_session_options *options,
                                modrt_session **session) {
  return modrt_batch_open(instance, options, 1, session);
}

void modrt_session_close(modrt_session *session) { delete session; }

void modrt_session_reset(modrt_session *session) {
  std::fill_n(session->lengths(), session->model.num_caches, 0);
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
  float *trace = session.trace();
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
  return session->run(session->model.forward, call);
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
  MODRT_TRY(session->run(session->model.prefill, call));
  advance(*session, count);
  if (logits)
    std::copy_n(logits + (count - 1 - from) * session->model.vocab,
                session->model.vocab, session->logits.data());
  return ok();
}

/// logits: null where they are not wanted.
static modrt_status decode(modrt_session &session, int32_t token,
                           const modrt_choice &choice, float *logits) {
  MODRT_TRY(checkCount(session, session.position, 1));
  MODRT_TRY(checkTokens(session.model, &token, 1));
  clearTrace(session, session.position, 1);
  modrt_call call = session.call(&token, 1);
  call.logits = logits;
  call.next = &session.next;
  call.choice = &choice;
  MODRT_TRY(session.run(session.model.decode, call));
  advance(session, 1);
  return ok();
}

modrt_status modrt_decode(modrt_session *session, int32_t token) {
  return decode(*session, token, chooseLikeliest(), session->logits.data());
}

/// On a device, which chooses the next token.
static modrt_status decode(modrt_session &session, int32_t token,
                           const modrt_choice &choice, int32_t *next) {
  float *noLogits = nullptr;
  MODRT_TRY(decode(session, token, choice, noLogits));
  if (session.next < 0)
    return error(MODRT_INVALID, "the largest logit is not a finite number");
  *next = session.next;
  return ok();
}

modrt_status modrt_decode_greedy(modrt_session *session, int32_t token,
                                 int32_t *next) {
  if (session->batch->device)
    return decode(*session, token, chooseLikeliest(), next);
  MODRT_TRY(modrt_decode(session, token));
  return findLikeliest(session->model, session->logits.data(), next);
}

modrt_status modrt_decode_sample(modrt_session *session, modrt_sampler *sampler,
                                 int32_t token, int32_t *next) {
  if (session->batch->device && sampler->fitsChoice())
    return decode(*session, token, sampler->choose(), next);
  MODRT_TRY(modrt_decode(session, token));
  return modrt_sample(sampler, session->logits.data(), next);
}

/// Checks that the sessions are of one batch, and that each can take a token.
static modrt_status checkBatch(modrt_session *const *sessions,
                               const int32_t *tokens, int64_t count) {
  if (count < 1)
    return error(MODRT_INVALID, "no sessions were given");
  MODRT_TRY(checkTokens(sessions[0]->model, tokens, count));
  for (int64_t i = 0; i < count; ++i) {
    if (sessions[i]->batch != sessions[0]->batch)
      return error(MODRT_INVALID,
                   "session %lld of %lld was not opened with the first",
                   static_cast<long long>(i), static_cast<long long>(count));
    if (std::find(sessions, sessions + i, sessions[i]) != sessions + i)
      return error(MODRT_INVALID, "session %lld of %lld is there twice",
                   static_cast<long long>(i), static_cast<long long>(count));
    MODRT_TRY(checkCount(*sessions[i], sessions[i]->position, 1));
  }
  return ok();
}

modrt_status modrt_decode_batch(modrt_session *const *sessions,
                                const int32_t *tokens, int64_t count) {
  MODRT_TRY(checkBatch(sessions, tokens, count));
  if (count == 1)
    return modrt_decode(sessions[0], tokens[0]);
  const modrt_model &model = sessions[0]->model;
  Batch &batch = *sessions[0]->batch;
  for (int64_t i = 0; i < count; ++i) {
    clearTrace(*sessions[i], sessions[i]->position, 1);
    batch.sequences[i] = static_cast<int32_t>(sessions[i]->sequence);
    batch.positions[i] = static_cast<int32_t>(sessions[i]->position);
  }
  modrt_call call = sessions[0]->call(tokens, count);
  call.caches = batch.cachesStart();
  call.lengths = batch.lengths.data();
  call.trace = call.trace ? batch.trace.as<float>() : nullptr;
  call.sequences = batch.sequences.data();
  call.positions = batch.positions.data();
  call.logits = batch.logits.data();
  MODRT_TRY(sessions[0]->run(model.decode_batch, call));
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(call.logits + i * model.vocab, model.vocab,
                sessions[i]->logits.data());
    advance(*sessions[i], 1);
  }
  return ok();
}

const float *modrt_logits(const modrt_session *session) {
  return session->logits.data();
}

int64_t modrt_position(const modrt_session *session) {
  return session->position;
}

const int64_t *modrt_lengths(const modrt_session *session) {
  return session->lengths();
}

const int64_t *modrt_bypassed(const modrt_session *session) {
  return session->bypassed.data();
}

const float *modrt_trace(const modrt_session *session) {
  return session->tracing ? session->trace() : nullptr;
}

int32_t modrt_threads(const modrt_session *session) {
  return session->pool().threads();
}
