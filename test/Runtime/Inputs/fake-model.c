/*===- fake-model.c - A model without a compiler ------------------*- C -*-===*
 *
 * What the compiler would emit, small enough to know its results by heart. With
 * D the sum of all tokens so far and R the sum of those that took part in the
 * one routed block, the logit of v is weight[(7 D + 13 R + v) % 256]. The
 * router's score of token t is t % 16 - 12; causally it takes part if that is
 * positive, by top-k if it is among the n / 4 largest.
 *
 * FAKE_* in the environment change what the descriptor says; FAKE_KV_TOKENS is
 * how many tokens take part causally before the others bypass the block.
 *
 *===----------------------------------------------------------------------===*/

#include "runtime/modrt.h"

#include <stdlib.h>
#include <string.h>

enum { ROW = 16, WEIGHTS = 256, HEADER = 4096 };

/* Inputs/weights.py writes the same. */
static const char header_text[] =
    "{\"w\":{\"dtype\":\"F32\",\"shape\":[256],\"data_offsets\":[0,1024]}}";

static int64_t vocab = 256, context = 64, kv_tokens = 64;

static float score_of(int32_t token) { return (float)(token % 16 - 12); }

/* Sums of one row of logits; they live in the arena. */
typedef struct row {
  int64_t dense, routed;
} row;

typedef struct rows {
  const modrt_call *call;
  const row *rows;
} rows;

static void write_logits(void *ctx, int64_t i) {
  const rows *job = ctx;
  const float *weights = job->call->weights;
  int64_t at = 7 * job->rows[i].dense + 13 * job->rows[i].routed;
  for (int64_t v = 0; v < vocab; ++v)
    job->call->logits[i * vocab + v] = weights[(at + v) % WEIGHTS];
}

static void write_all(const modrt_call *call, int64_t from) {
  rows job = {call, (const row *)call->arena + from};
  call->pool->parallel_for(call->pool, write_logits, &job, call->count - from);
}

static void trace(const modrt_call *call, int64_t i, int64_t column,
                  int takes_part) {
  if (!call->trace)
    return;
  float score = score_of(call->tokens[i]);
  call->trace[MODRT_TRACE_SCORE * context + column] = score;
  call->trace[MODRT_TRACE_TESTED * context + column] = score;
  call->trace[MODRT_TRACE_CHOSEN * context + column] = (float)(score > 0);
  call->trace[MODRT_TRACE_TOOK_PART * context + column] = (float)takes_part;
}

static int is_selected(const modrt_call *call, int64_t i) {
  int64_t k = call->count / 4 > 1 ? call->count / 4 : 1, before = 0;
  for (int64_t j = 0; j < call->count; ++j) {
    float a = score_of(call->tokens[i]), b = score_of(call->tokens[j]);
    before += b > a || (b == a && j < i);
  }
  return before < k;
}

static void forward(const modrt_call *call) {
  row *sums = call->arena, sum = {0, 0};
  for (int64_t i = 0; i < call->count; ++i) {
    int takes_part = is_selected(call, i);
    sum.dense += call->tokens[i];
    sum.routed += takes_part ? call->tokens[i] : 0;
    trace(call, i, i, takes_part);
    sums[i] = sum;
  }
  write_all(call, 0);
}

/* Appends to a cache and sums it up. */
static int64_t add(const modrt_call *call, int cache, int take, int32_t token) {
  char *keys = (char *)call->caches + cache * context * ROW;
  int64_t sum = 0;
  if (take)
    memcpy(keys + call->lengths[cache]++ * ROW, &token, sizeof(token));
  for (int64_t i = 0; i < call->lengths[cache]; ++i) {
    int32_t key;
    memcpy(&key, keys + i * ROW, sizeof(key));
    sum += key;
  }
  return sum;
}

static void run_causally(const modrt_call *call, int64_t from) {
  row *sums = call->arena;
  if (call->start != call->lengths[0])
    abort();
  for (int64_t i = 0; i < call->count; ++i) {
    int32_t token = call->tokens[i];
    int takes_part = score_of(token) > 0 && call->lengths[1] < kv_tokens;
    trace(call, i, call->start + i, takes_part);
    sums[i].dense = add(call, 0, 1, token);
    sums[i].routed = add(call, 1, takes_part, token);
  }
  write_all(call, from);
}

static void prefill(const modrt_call *call) { run_causally(call, call->from); }
static void decode(const modrt_call *call) { run_causally(call, 0); }

static uint64_t hash_of_header(void) {
  unsigned char header[HEADER];
  uint64_t length = HEADER - 8, hash = 0xcbf29ce484222325u;
  memcpy(header, &length, 8);
  memset(header + 8, ' ', HEADER - 8);
  memcpy(header + 8, header_text, strlen(header_text));
  for (int i = 0; i < HEADER; ++i)
    hash = (hash ^ header[i]) * 0x100000001b3u;
  return hash;
}

static const char *setting(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value ? value : otherwise;
}

static const int32_t eos[] = {0};
static modrt_cache caches[] = {{0, 64, ROW}, {1, 64, ROW}};
static const modrt_window windows[] = {{10, 0, 4, 0}, {32, 1, 6, 0}};
static const modrt_block blocks[] = {
    {-1, 64, 1000, 10, 0, 512, ROW, 0, 1, NULL, NULL, 1, &windows[0]},
    {1, 16, 500, 10, 0, 256, ROW, 1, 1, "router", "router", 1, &windows[1]}};

static void decode_batch(const modrt_call *call);

static modrt_model model = {
    .magic = MODRT_MAGIC,
    .abi_version = MODRT_ABI_VERSION,
    .name = "fake",
    .producer = "modc test",
    .weights_bytes = HEADER + WEIGHTS * sizeof(float),
    .weights_offset = HEADER,
    .eos = eos,
    .num_caches = 2,
    .caches = caches,
    .num_blocks = 2,
    .blocks = blocks,
    .logits_flops = 2000,
    .logits_weight_bytes = 256,
    .forward = forward,
    .prefill = prefill,
    .decode = decode,
    .decode_batch = decode_batch,
    .batch = 3,
};

/* One sequence after the other. */
static void decode_batch(const modrt_call *call) {
  for (int64_t i = 0; i < call->count; ++i) {
    int64_t sequence = call->sequences[i];
    modrt_call one = *call;
    one.tokens += i;
    one.count = 1;
    one.start = call->positions[i];
    one.caches = (char *)call->caches + sequence * model.caches_bytes;
    one.lengths += sequence * model.num_caches;
    one.logits += i * vocab;
    if (one.trace)
      one.trace += sequence * MODRT_TRACE_ROWS * context;
    decode(&one);
  }
}

const modrt_model *mod_model(uint32_t abi_version) {
  model.vocab = vocab = atoi(setting("FAKE_VOCAB", "256"));
  model.context = context = atoi(setting("FAKE_CONTEXT", "64"));
  model.arena_bytes = context * (int64_t)sizeof(row);
  model.caches_bytes = (2 * context * ROW + 4095) / 4096 * 4096;
  kv_tokens = atoi(setting("FAKE_KV_TOKENS", setting("FAKE_CONTEXT", "64")));
  caches[0].length = context;
  caches[1].length = kv_tokens;
  model.num_eos = !getenv("FAKE_NO_EOS");
  model.target = setting("FAKE_TARGET", "x86-64");
  model.features = setting("FAKE_FEATURES", "sse2");
  model.tokenizer = setting("FAKE_TOKENIZER", "bytes");
  model.weights_file = getenv("FAKE_WEIGHTS_FILE");
  model.report = setting("FAKE_REPORT", "{\"context\": 64}");
  model.weights_hash = hash_of_header() ^ !!getenv("FAKE_HASH");
  model.magic = getenv("FAKE_MAGIC") ? 1 : MODRT_MAGIC;
  return abi_version == MODRT_ABI_VERSION && !getenv("FAKE_ABI") ? &model
                                                                 : NULL;
}
