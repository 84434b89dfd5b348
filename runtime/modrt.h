/*===- modrt.h - The runtime of compiled MoD models ---------------*- C -*-===*
 *
 * The one public header. The first half is the binary interface between a
 * compiled model and the runtime; the second half is what a program that uses
 * a model calls.
 *
 *===----------------------------------------------------------------------===*/

#ifndef MODRT_H
#define MODRT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*===----------------------------------------------------------------------===*
 * Between a compiled model and the runtime
 *===----------------------------------------------------------------------===*/

#define MODRT_MAGIC 0x4d4f4452u /* "MODR" */
#define MODRT_ABI_VERSION 1u

/* Runs body(ctx, i) for each i in [0, n), on any threads, and returns when all
 * are done. Generated code calls it through the pool that the call carries. */
typedef struct modrt_pool modrt_pool;
struct modrt_pool {
  void (*parallel_for)(modrt_pool *pool, void (*body)(void *ctx, int64_t i),
                       void *ctx, int64_t n);
};

/* What one run of a program is given. Pointers are aligned to 64 bytes, except
 * tokens, lengths and logits, which have their natural alignment. */
typedef struct modrt_call {
  modrt_pool *pool;
  const void *weights;   /* model.weights_bytes - weights_offset bytes */
  void *arena;           /* model.arena_bytes, of any content */
  void *caches;          /* model.caches_bytes; kept from run to run */
  int64_t *lengths;      /* [num_caches] rows in use; kept from run to run */
  const int32_t *tokens; /* [count], each in [0, vocab) */
  int64_t count;         /* tokens given; 1..context, 1 for decode */
  int64_t start;         /* tokens that the caches have seen before these */
  int64_t from;          /* prefill: logits of tokens from..count-1 */
  float *logits;         /* forward [count, vocab], prefill [count - from,
                            vocab], decode [1, vocab] */
  float *trace;          /* [num_routed][3][context], or NULL: router score,
                            value tested causally, took part (1) or not (0) */
} modrt_call;

typedef void (*modrt_program)(const modrt_call *call);

/* Tokens that go through the same blocks, and what one of them costs.
 * blocks[0] stands for everything outside routed blocks, the others for one
 * routed block each. */
typedef struct modrt_block {
  int64_t layer;           /* number of the layer, -1 for blocks[0] */
  int64_t flops_per_token; /* products with weights */
  int64_t flops_per_pair;  /* attention: per query and key */
  int64_t weight_bytes;    /* read once per run in which a token takes part */
  int64_t cache_row_bytes; /* keys and values of one token */
  int64_t first_cache;     /* index of the block's first cache in lengths */
  int64_t num_caches;
} modrt_block;

/* One KV cache: keys and values of at most `length` tokens. */
typedef struct modrt_cache {
  int64_t layer;
  int64_t length;    /* rows */
  int64_t row_bytes; /* keys and values of one row together */
} modrt_cache;

/* All that the runtime knows about a compiled model. */
typedef struct modrt_model {
  uint32_t magic;
  uint32_t abi_version;
  const char *name;      /* of the model */
  const char *producer;  /* compiler and version */
  const char *target;    /* what the code was generated for */
  const char *features;  /* CPU features it needs: "avx2,fma" */
  const char *report;    /* the budget report, JSON */
  const char *tokenizer; /* "bytes", or "none": token ids only */
  /* The weights: a safetensors file, either appended to the executable or
   * library (weights_file NULL) or beside it. */
  const char *weights_file;
  int64_t weights_bytes;  /* of the whole safetensors file */
  int64_t weights_offset; /* of its data: 8 + header length */
  uint64_t weights_hash;  /* FNV-1a, 64 bits, of its first weights_offset
                             bytes */
  int64_t context;        /* most tokens of a sequence */
  int64_t vocab;
  int64_t num_eos;
  const int32_t *eos;     /* tokens that end a text */
  int64_t arena_bytes;
  int64_t caches_bytes;   /* address space; touched as tokens arrive */
  int64_t num_caches;
  const modrt_cache *caches;
  int64_t num_blocks;     /* 1 + routed blocks */
  const modrt_block *blocks;
  int64_t logits_flops;   /* per row of logits */
  int64_t logits_weight_bytes;
  modrt_program forward;
  modrt_program prefill;
  modrt_program decode;
} modrt_model;

/* The one symbol that a compiled model exports. NULL where it was compiled for
 * another version of this interface. */
const modrt_model *mod_model(uint32_t abi_version);

/* Weights that are appended to a file end with this. */
typedef struct modrt_trailer {
  char magic[8];   /* "MODWGHT" and NUL */
  uint64_t offset; /* of the safetensors file, a multiple of 4096 */
  uint64_t bytes;  /* == weights_bytes */
} modrt_trailer;

#ifdef __cplusplus
} /* extern "C" */

static_assert(sizeof(modrt_call) == 88, "modrt_call is part of the ABI");
static_assert(sizeof(modrt_block) == 56, "modrt_block is part of the ABI");
static_assert(sizeof(modrt_cache) == 24, "modrt_cache is part of the ABI");
static_assert(sizeof(modrt_model) == 208, "modrt_model is part of the ABI");
static_assert(sizeof(modrt_trailer) == 24, "modrt_trailer is part of the ABI");
#endif

#endif /* MODRT_H */
