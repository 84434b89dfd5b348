/*===- steady-state.c - What a model does per token ---------------*- C -*-===*
 *
 * steady-state WHAT: once warm, a session allocates nothing and asks nothing of
 * the system. A filter of system calls kills it where it does.
 *
 *===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "modrt.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*===----------------------------------------------------------------------===*
 * Allocations are counted: these come before the C library's.
 *===----------------------------------------------------------------------===*/

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

static _Atomic long allocations;

void *malloc(size_t size) { return ++allocations, __libc_malloc(size); }
void *calloc(size_t count, size_t size) {
  return ++allocations, __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  return ++allocations, __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  return ++allocations, __libc_memalign(alignment, size);
}

/*===----------------------------------------------------------------------===*
 * System calls kill, but for those that end the test.
 *===----------------------------------------------------------------------===*/

#define ALLOW(NUMBER)                                                          \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NUMBER, 0, 1),                           \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Threads may wake each other, and step aside on a machine that is busy. */
static void forbid_system_calls(int threads) {
  struct sock_filter alone[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      ALLOW(SYS_write), ALLOW(SYS_exit_group),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  struct sock_filter together[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      ALLOW(SYS_write),
      ALLOW(SYS_exit_group),
      ALLOW(SYS_futex),
      ALLOW(SYS_sched_yield),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  struct sock_fprog program = {sizeof(alone) / sizeof(*alone), alone};
  if (threads > 1)
    program =
        (struct sock_fprog){sizeof(together) / sizeof(*together), together};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
              &program)) {
    puts("no filter of system calls can be had here: skipped");
    exit(0);
  }
}

static _Noreturn void finish(const char *text, int code) {
  (void)!write(1, text, strlen(text));
  syscall(SYS_exit_group, code);
  __builtin_unreachable();
}

/*===----------------------------------------------------------------------===*
 * A session
 *===----------------------------------------------------------------------===*/

static modrt_instance *instance;
static modrt_session *session;
static const modrt_model *model;

static void check(modrt_status status) {
  if (status.code == MODRT_OK)
    return;
  fprintf(stderr, "%s\n", status.message);
  exit(1);
}

static void open_session(int threads) {
  modrt_session_options options = {threads, 1};
  model = mod_model(MODRT_ABI_VERSION);
  check(modrt_open(model, NULL, &instance));
  check(modrt_session_open(instance, &options, &session));
}

static void read_tokens(int64_t count) {
  int32_t *tokens = malloc(count * sizeof(*tokens));
  for (int64_t i = 0; i < count; ++i)
    tokens[i] = (int32_t)(i * 7 % model->vocab);
  check(modrt_prefill(session, tokens, count, 0, NULL));
  free(tokens);
}

/* Prefill, decode and a sampler with all its steps. */
static void run_steadily(int threads) {
  modrt_sampler *sampler;
  modrt_sampling sampling = modrt_sampling_defaults();
  sampling.repetition_penalty = 1.1;
  sampling.repetition_window = 8;
  open_session(threads);
  check(modrt_sampler_open(instance, &sampling, &sampler));
  read_tokens(16);
  const int32_t some[] = {5, 9, 2, 6, 5, 3};
  int32_t token = 1;
  usleep(100000); /* threads that start ask for this and that */
  forbid_system_calls(threads);
  long before = allocations;
  for (int i = 0; i < 20; ++i) {
    check(modrt_sample(sampler, modrt_logits(session), &token));
    modrt_sampler_accept(sampler, token);
    check(modrt_decode(session, token));
  }
  check(modrt_prefill(session, some, 6, 0, NULL));
  if (allocations != before)
    finish("allocates per token\n", 1);
  finish("steady\n", 0);
}

static double cpu_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void measure_idleness(void) {
  open_session(2);
  read_tokens(16);
  usleep(50000);
  double start = cpu_seconds();
  usleep(400000);
  double used = cpu_seconds() - start;
  printf("idle: %.1f ms of 400 ms\n", 1000 * used);
  exit(used > 0.02);
}

/* Resident memory that is no file's. */
static int64_t anonymous_bytes(void) {
  char line[256];
  long kib = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof(line), file))
    if (sscanf(line, "RssAnon: %ld", &kib) == 1)
      break;
  if (file)
    fclose(file);
  return (int64_t)kib << 10;
}

static int is_close(const char *what, int64_t used, int64_t reported) {
  printf("%s: %ld bytes used, %ld reported\n", what, (long)used,
         (long)reported);
  return used > 0.95 * (double)reported && used < 1.05 * (double)reported;
}

static void measure_memory(void) {
  model = mod_model(MODRT_ABI_VERSION);
  int64_t bytes = model->context * model->vocab * (int64_t)sizeof(float);
  int32_t *tokens = calloc(model->context, sizeof(*tokens));
  float *logits = malloc(bytes);
  memset(logits, 1, bytes);
  int64_t start = anonymous_bytes();
  open_session(1);
  check(modrt_forward(session, tokens, model->context, logits));
  int fine = is_close("forward", anonymous_bytes() - start, model->arena_bytes);
  read_tokens(model->context);
  fine &= is_close("prefill", anonymous_bytes() - start,
                   model->arena_bytes + model->caches_bytes);
  exit(!fine);
}

/* Until its input ends. */
static void hold(void) {
  open_session(1);
  read_tokens(model->context);
  puts("ready");
  fflush(stdout);
  getchar();
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "steady"))
    run_steadily(argc > 2 ? atoi(argv[2]) : 1);
  else if (!strcmp(what, "idle"))
    measure_idleness();
  else if (!strcmp(what, "memory"))
    measure_memory();
  else if (!strcmp(what, "hold"))
    hold();
  return 0;
}
