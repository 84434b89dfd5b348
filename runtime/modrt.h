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

/* A library that holds a model and the runtime exports both. */
#pragma GCC visibility push(default)

/*===----------------------------------------------------------------------===*
 * Between a compiled model and the runtime
 *===----------------------------------------------------------------------===*/

#define MODRT_MAGIC 0x4d4f4452u /* "MODR" */
#define MODRT_ABI_VERSION 6u

/* Runs body(ctx, i) for each i in [0, n), on any threads, and returns when all
 * are done. Generated code calls it through the pool that the call carries. */
typedef struct modrt_pool modrt_pool;
struct modrt_pool {
  void (*parallel_for)(modrt_pool *pool, void (*body)(void *ctx, int64_t i),
                       void *ctx, int64_t n);
};

/* What code of a GPU is run by. Generated code calls it through the device that
 * the call carries; what fails is found out behind the program. */
typedef struct modrt_device modrt_device;
struct modrt_device {
  /* kernel: its place in modrt_kernels. arguments: the address of each, of 8
   * bytes all. */
  void (*launch)(modrt_device *device, int64_t kernel, int64_t blocks_x,
                 int64_t blocks_y, void **arguments, int64_t num_arguments);
  /* From the host to the device, and back. */
  void (*upload)(modrt_device *device, void *to, const void *from,
                 int64_t bytes);
  void (*download)(modrt_device *device, void *to, const void *from,
                   int64_t bytes);
};

typedef struct modrt_kernel {
  const char *name;
  int64_t threads; /* of a block */
} modrt_kernel;

/* The kernels in one form: "cubin" and "ptx" for a chip, "llvm" for an
 * emulator. */
typedef struct modrt_image {
  const char *kind;
  const char *chip; /* "sm_80" */
  const void *data;
  int64_t bytes;
} modrt_image;

#define MODRT_TENSOR_MAP_BYTES 128
#define MODRT_TENSOR_MAP_ALIGNMENT 64
#define MODRT_BOX_ROWS 64
#define MODRT_BOX_COLUMNS 32

/* A matrix among the weights, of numbers of two bytes, that kernels copy box by
 * box: by a tensor map of CUDA's driver, with chunks of 16 bytes of a box
 * swizzled within 64. On the device maps lie behind the weights, one after the
 * other from the next multiple of MODRT_TENSOR_MAP_ALIGNMENT on. */
typedef struct modrt_tensor_map {
  int64_t offset; /* in the weights */
  int64_t rows;
  int64_t columns;
} modrt_tensor_map;

typedef struct modrt_kernels {
  int64_t num_kernels;
  const modrt_kernel *kernels;
  int64_t num_images;
  const modrt_image *images;
  int64_t num_tensor_maps;
  const modrt_tensor_map *tensor_maps;
} modrt_kernels;

/* What a trace says of each token in each routed block. */
enum modrt_trace_row {
  MODRT_TRACE_SCORE,     /* the router's score */
  MODRT_TRACE_TESTED,    /* the value that causal routing tests */
  MODRT_TRACE_CHOSEN,    /* 1 where it passes that test, else 0 */
  MODRT_TRACE_TOOK_PART, /* 1 where the token took part in this run, else 0 */
  MODRT_TRACE_ROWS
};

#define MODRT_CHOICE_TOKENS 64

/* How decode of models with kernels chooses the next token (mod.sample in
 * docs/dialect-reference.md). All numbers are doubles, whole where tokens,
 * counts and weights are meant. */
typedef struct modrt_choice {
  double top_k;                       /* 1..vocab */
  double top_p;                       /* 1: keep all */
  double min_weight;                  /* of 2^40 */
  double scale;                       /* log2(e) / temperature, a float */
  double draw;                        /* in [0, 1) */
  double penalty;                     /* of recent tokens' logits */
  double recent[MODRT_CHOICE_TOKENS]; /* which differ; -1 behind the last */
} modrt_choice;

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
  float *trace;          /* [num_routed][MODRT_TRACE_ROWS][context], or NULL */
  /* decode_batch, whose caches, lengths, trace and start are of all sequences
   * one after the other: */
  const int32_t *sequences; /* [count], the sequence that a token is next of, in
                               [0, batch), no two the same */
  const int32_t *positions; /* [count] tokens that its caches have seen */
  modrt_device *device;     /* of models with kernels: weights, arena and caches
                               lie there */
  int32_t *next;            /* decode of these, whose logits may be NULL: the
                               token that is chosen; -1 where a logit is NaN or
                               +inf, or none is finite */
  const modrt_choice *choice;
} modrt_call;

typedef void (*modrt_program)(const modrt_call *call);

/* Attention that sees no more than the last keys: what it has of
 * flops_per_pair and flops_per_key of its block. */
typedef struct modrt_window {
  int64_t size;        /* keys */
  int64_t of_sequence; /* whether of all tokens, not of those of the block */
  int64_t flops_per_pair;
  int64_t flops_per_key;
} modrt_window;

/* Tokens that go through the same blocks, and what one of them costs.
 * blocks[0] stands for everything outside routed blocks, the others for one
 * routed block each. */
typedef struct modrt_block {
  int64_t layer;           /* number of the layer, -1 for blocks[0] */
  int64_t capacity;        /* tokens of a full context that top-k lets in */
  int64_t flops_per_token; /* products with weights */
  int64_t flops_per_pair;  /* attention: per query and key of the block */
  int64_t flops_per_key;   /* attention to all tokens: per query and key */
  int64_t weight_bytes;    /* read once per run in which a token takes part */
  int64_t cache_row_bytes; /* keys and values of one token */
  int64_t first_cache;     /* index of the block's first cache in lengths */
  int64_t num_caches;
  /* How prompts and single tokens are routed: "router", "predictor", "always",
   * of prompts also "top_k", among the tokens of one call. NULL in blocks[0].
   */
  const char *prefill;
  const char *decode;
  int64_t num_windows;
  const modrt_window *windows;
} modrt_block;

/* One KV cache: keys and values of at most `length` tokens. Where that is less
 * than the context, tokens that find it full bypass its block. */
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
  const char *tokenizer; /* "bytes", "bpe", "unigram", or "none": ids only */
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
  const int32_t *eos; /* tokens that end a text */
  int64_t arena_bytes;
  int64_t caches_bytes; /* of one sequence: address space; touched as tokens
                           arrive */
  int64_t num_caches;
  const modrt_cache *caches;
  int64_t num_blocks; /* 1 + routed blocks */
  const modrt_block *blocks;
  int64_t logits_flops; /* per row of logits */
  int64_t logits_weight_bytes;
  modrt_program forward;
  modrt_program prefill;
  modrt_program decode;
  modrt_program decode_batch; /* NULL where batch is 1 */
  int64_t batch;              /* sequences that decode_batch takes */
  /* tokenizer.json in binary form, aligned to 8; of "bpe" and "unigram". */
  const void *tokenizer_table;
  int64_t tokenizer_bytes;
  const modrt_kernels *kernels; /* of programs that run on a GPU, or NULL */
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

/*===----------------------------------------------------------------------===*
 * Using a model
 *
 * Every call that can fail returns a status; what it would have returned is
 * then left alone. An instance may be used by several threads at once, a
 * session or a sampler by one at a time: a thread needs its own. Tokens are
 * ids in [0, vocab), logits are rows of `vocab` floats.
 *===----------------------------------------------------------------------===*/

#define MODRT_API_VERSION 1u

typedef enum modrt_code {
  MODRT_OK = 0,
  MODRT_INVALID,     /* the caller asked for what cannot be */
  MODRT_SYSTEM,      /* a file, memory or threads could not be had */
  MODRT_MISMATCH,    /* the weights or the descriptor are not as expected */
  MODRT_UNSUPPORTED, /* not on this machine, or not by this model */
} modrt_code;

/* What became of a call. The message is a fragment without a newline, empty
 * where the code is MODRT_OK. */
typedef struct modrt_status {
  modrt_code code;
  char message[508];
} modrt_status;

typedef struct modrt_instance modrt_instance; /* a model with its weights */
typedef struct modrt_session modrt_session;   /* one sequence of tokens */
typedef struct modrt_sampler modrt_sampler;
typedef struct modrt_stream modrt_stream;

/* MODRT_API_VERSION of the library. */
uint32_t modrt_api_version(void);

/*--- Instances ---*/

/* Maps the weights of a model, read only and without copying them, and checks
 * that they are this model's and that this machine can run its code.
 * weights: path of a safetensors file, or NULL to look where the compiler left
 * it: at the end of the executable or library that holds the descriptor, or
 * beside it. */
modrt_status modrt_open(const modrt_model *model, const char *weights,
                        modrt_instance **instance);
/* After all sessions and samplers of the instance. NULL is allowed. */
void modrt_close(modrt_instance *instance);
const modrt_model *modrt_describe(const modrt_instance *instance);

/* Chooses where a model with kernels runs, before its first session: the number
 * of a GPU, or "emulator" for the library of tests that $MODRT_NVEMU names.
 * "0" where nothing is chosen. */
modrt_status modrt_use_device(modrt_instance *instance, const char *device);

/*--- Sessions ---*/

typedef struct modrt_session_options {
  int32_t threads; /* 0: one for each core that the process may use */
  int32_t trace;   /* not 0: record the routing decisions */
} modrt_session_options;

/* Reserves arena and caches; their pages cost memory when tokens touch them.
 * options: NULL for zeros. */
modrt_status modrt_session_open(modrt_instance *instance,
                                const modrt_session_options *options,
                                modrt_session **session);
void modrt_session_close(modrt_session *session);
/* Forgets all tokens. The caches keep their memory for those that follow. */
void modrt_session_reset(modrt_session *session);

/* Opens `count` sessions, 1..model.batch, that can be decoded together. They
 * share threads and arena, so one of them may be used at a time; each can be
 * reset and given another text while the others go on. */
modrt_status modrt_batch_open(modrt_instance *instance,
                              const modrt_session_options *options,
                              int64_t count, modrt_session **sessions);

/* All tokens at once, routed by top-k as in training; the session's tokens are
 * neither seen nor changed.
 * count: 1..context. logits: [count][vocab]. */
modrt_status modrt_forward(modrt_session *session, const int32_t *tokens,
                           int64_t count, float *logits);
/* Appends tokens to the session, routed as blocks say of prompts: causally, so
 * that single tokens would give the same, or by top-k. count: at least 1; with
 * the tokens before them at most context. logits: [count - from][vocab], those
 * of tokens from..count-1; or NULL, where the last row (modrt_logits) is all
 * that is wanted and `from` is not used. */
modrt_status modrt_prefill(modrt_session *session, const int32_t *tokens,
                           int64_t count, int64_t from, float *logits);
/* Appends one token; its logits are modrt_logits. */
modrt_status modrt_decode(modrt_session *session, int32_t token);
/* Appends one token, and chooses the next as a sampler of temperature 0 without
 * a penalty does. On a GPU nothing but that token is copied to the host:
 * modrt_logits has no meaning until the next call of prefill or decode. */
modrt_status modrt_decode_greedy(modrt_session *session, int32_t token,
                                 int32_t *next);
/* The same by a sampler, which does not accept the token: what modrt_decode and
 * modrt_sample do together. A GPU penalizes up to MODRT_CHOICE_TOKENS recent
 * tokens; for a sampler with a larger window the logits are copied to the host.
 */
modrt_status modrt_decode_sample(modrt_session *session, modrt_sampler *sampler,
                                 int32_t token, int32_t *next);
/* Appends one token each to `count` sessions that were opened together, no two
 * the same: what modrt_decode of each gives, but weights are read once for all.
 */
modrt_status modrt_decode_batch(modrt_session *const *sessions,
                                const int32_t *tokens, int64_t count);
/* [vocab], after the last token that the session was given; valid until the
 * next call of prefill, decode, reset or close. */
const float *modrt_logits(const modrt_session *session);

/* Tokens that the session holds. */
int64_t modrt_position(const modrt_session *session);
/* [num_caches]: rows of each KV cache in use. */
const int64_t *modrt_lengths(const modrt_session *session);
/* [num_routed]: tokens that causal routing chose for a block, but that bypassed
 * it since its caches were full. All 0 where caches hold the context. */
const int64_t *modrt_bypassed(const modrt_session *session);
/* [num_routed][MODRT_TRACE_ROWS][context], as in modrt_call; NULL without the
 * option. */
const float *modrt_trace(const modrt_session *session);
int32_t modrt_threads(const modrt_session *session);

/*--- Sampling ---*/

/* How a token is chosen. The steps come in this order, each among the tokens
 * that the one before left over: penalty, top-k, top-p, min-p, temperature. The
 * same logits and seed give the same tokens on every machine. */
typedef struct modrt_sampling {
  double temperature;        /* 0: the likeliest token, lowest id first */
  int64_t top_k;             /* keep the k likeliest; 0: all */
  double top_p;              /* keep the likeliest up to this probability */
  double min_p;              /* drop what is less likely than this share of the
                                likeliest */
  double repetition_penalty; /* divides positive logits of recent tokens,
                                multiplies negative ones; 1: none */
  int64_t repetition_window; /* how many tokens are recent */
  uint64_t seed;
} modrt_sampling;

/* Temperature 0.8, top-k 40, top-p 0.95, min-p 0.05, no penalty (window 64),
 * seed 0. */
modrt_sampling modrt_sampling_defaults(void);
/* sampling: NULL for the defaults. */
modrt_status modrt_sampler_open(const modrt_instance *instance,
                                const modrt_sampling *sampling,
                                modrt_sampler **sampler);
void modrt_sampler_close(modrt_sampler *sampler);
/* Tells the sampler of a token of the text, of the prompt as of the answer. */
void modrt_sampler_accept(modrt_sampler *sampler, int32_t token);
/* Chooses a token by logits [vocab], without accepting it. */
modrt_status modrt_sample(modrt_sampler *sampler, const float *logits,
                          int32_t *token);

/*--- Text ---*/

/* Token ids of `size` bytes of text, of which at most `capacity` are written;
 * count: how many there are. Special tokens are found in the text; those that
 * begin and end any text are added. Unsupported where the tokenizer is "none".
 */
modrt_status modrt_tokenize(const modrt_instance *instance, const char *text,
                            int64_t size, int32_t *tokens, int64_t capacity,
                            int64_t *count);
/* The bytes that a token stands for, of which at most `capacity` are written;
 * size: how many there are, none for special tokens. They need not be whole
 * characters: a stream puts them together. */
modrt_status modrt_token_text(const modrt_instance *instance, int32_t token,
                              char *text, int64_t capacity, int64_t *size);

/* Tokens to text as they come, never a part of a character. Of the tokenizer
 * "bytes" all bytes come out; else what is not UTF-8 is U+FFFD. */
modrt_status modrt_stream_open(const modrt_instance *instance,
                               modrt_stream **stream);
void modrt_stream_close(modrt_stream *stream);
/* text: what can be shown now; valid until the next call of the stream. */
modrt_status modrt_stream_push(modrt_stream *stream, int32_t token,
                               const char **text, int64_t *size);
/* What is left at the end of the text; the next token begins another one. */
modrt_status modrt_stream_finish(modrt_stream *stream, const char **text,
                                 int64_t *size);

/*--- Command line ---*/

/* The main program of a compiled model. */
int modrt_main(const modrt_model *model, int argc, char **argv);

#pragma GCC visibility pop

#ifdef __cplusplus
} /* extern "C" */

static_assert(sizeof(modrt_choice) == 560, "modrt_choice is part of the ABI");
static_assert(sizeof(modrt_call) == 128, "modrt_call is part of the ABI");
static_assert(sizeof(modrt_window) == 32, "modrt_window is part of the ABI");
static_assert(sizeof(modrt_block) == 104, "modrt_block is part of the ABI");
static_assert(sizeof(modrt_cache) == 24, "modrt_cache is part of the ABI");
static_assert(sizeof(modrt_model) == 248, "modrt_model is part of the ABI");
static_assert(sizeof(modrt_kernel) == 16, "modrt_kernel is part of the ABI");
static_assert(sizeof(modrt_image) == 32, "modrt_image is part of the ABI");
static_assert(sizeof(modrt_tensor_map) == 24,
              "modrt_tensor_map is part of the ABI");
static_assert(sizeof(modrt_kernels) == 48, "modrt_kernels is part of the ABI");
static_assert(sizeof(modrt_trailer) == 24, "modrt_trailer is part of the ABI");
static_assert(sizeof(modrt_status) == 512, "modrt_status is part of the API");
static_assert(sizeof(modrt_sampling) == 56,
              "modrt_sampling is part of the API");
#endif

#endif /* MODRT_H */
