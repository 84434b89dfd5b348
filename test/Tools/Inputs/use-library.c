/* Uses a compiled model: the likeliest eight tokens after 1, 2, 3. */

#include "modrt.h"

#include <stdio.h>
#include <stdlib.h>

static void check(modrt_status status) {
  if (status.code == MODRT_OK)
    return;
  fprintf(stderr, "%s\n", status.message);
  exit(1);
}

static int32_t find_likeliest(const float *logits, int64_t count) {
  int32_t best = 0;
  for (int32_t token = 1; token < count; ++token)
    if (logits[token] > logits[best])
      best = token;
  return best;
}

int main(void) {
  const modrt_model *model = mod_model(MODRT_ABI_VERSION);
  modrt_instance *instance;
  modrt_session *session;
  check(modrt_open(model, NULL, &instance));
  check(modrt_session_open(instance, NULL, &session));
  const int32_t prompt[] = {1, 2, 3};
  printf("1 2 3 ");
  check(modrt_prefill(session, prompt, 3, 0, NULL));
  for (int i = 0; i < 8; ++i) {
    int32_t token = find_likeliest(modrt_logits(session), model->vocab);
    printf("%d ", token);
    check(modrt_decode(session, token));
  }
  printf("\n");
  modrt_session_close(session);
  modrt_close(instance);
  return 0;
}
