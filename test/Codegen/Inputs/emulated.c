// What the instructions of AMX do, for machines without them: eight registers
// of sixteen rows of 64 bytes, each with a shape of its own. And the rounding
// to bf16 that code calls where no instruction does it.

#include <stdint.h>
#include <string.h>

static struct {
  int rows, bytes;
  uint8_t data[16][64];
} tiles[8];

#define NAMED(name) __asm__("emulated.x86." name)

void configure(const uint8_t *shape) NAMED("ldtilecfg");
void configure(const uint8_t *shape) {
  memset(tiles, 0, sizeof(tiles));
  if (shape[0] != 1)
    __builtin_trap();
  for (int t = 0; t < 8; ++t) {
    tiles[t].bytes = shape[16 + 2 * t] | shape[17 + 2 * t] << 8;
    tiles[t].rows = shape[48 + t];
    if (tiles[t].rows < 1 || tiles[t].rows > 16 || tiles[t].bytes > 64)
      __builtin_trap();
  }
}

void release(void) NAMED("tilerelease");
void release(void) { memset(tiles, 0, sizeof(tiles)); }

void zero(int8_t t) NAMED("tilezero");
void zero(int8_t t) { memset(tiles[t].data, 0, sizeof(tiles[t].data)); }

void load(int8_t t, const uint8_t *from, int64_t stride) NAMED("tileloadd64");
void load(int8_t t, const uint8_t *from, int64_t stride) {
  zero(t);
  for (int row = 0; row < tiles[t].rows; ++row)
    memcpy(tiles[t].data[row], from + row * stride, tiles[t].bytes);
}

void store(int8_t t, uint8_t *to, int64_t stride) NAMED("tilestored64");
void store(int8_t t, uint8_t *to, int64_t stride) {
  for (int row = 0; row < tiles[t].rows; ++row)
    memcpy(to + row * stride, tiles[t].data[row], tiles[t].bytes);
}

static void check(int8_t c, int8_t a, int8_t b) {
  if (tiles[c].rows != tiles[a].rows || tiles[b].rows * 4 != tiles[a].bytes ||
      tiles[c].bytes != tiles[b].bytes)
    __builtin_trap();
}

static float widen(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

void multiplyHalves(int8_t c, int8_t a, int8_t b) NAMED("tdpbf16ps");
void multiplyHalves(int8_t c, int8_t a, int8_t b) {
  check(c, a, b);
  for (int m = 0; m < tiles[c].rows; ++m)
    for (int k = 0; k < tiles[a].bytes / 4; ++k)
      for (int n = 0; n < tiles[c].bytes / 4; ++n) {
        const uint16_t *x = (const uint16_t *)tiles[a].data[m] + 2 * k;
        const uint16_t *w = (const uint16_t *)tiles[b].data[k] + 2 * n;
        float *sum = (float *)tiles[c].data[m] + n;
        *sum += widen(x[0]) * widen(w[0]) + widen(x[1]) * widen(w[1]);
      }
}

void multiplyBytes(int8_t c, int8_t a, int8_t b) NAMED("tdpbssd");
void multiplyBytes(int8_t c, int8_t a, int8_t b) {
  check(c, a, b);
  for (int m = 0; m < tiles[c].rows; ++m)
    for (int k = 0; k < tiles[a].bytes / 4; ++k)
      for (int n = 0; n < tiles[c].bytes / 4; ++n)
        for (int i = 0; i < 4; ++i)
          ((int32_t *)tiles[c].data[m])[n] +=
              (int8_t)tiles[a].data[m][4 * k + i] *
              (int8_t)tiles[b].data[k][4 * n + i];
}

__bf16 __truncsfbf2(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  uint16_t half = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  __bf16 result;
  memcpy(&result, &half, sizeof(result));
  return result;
}
