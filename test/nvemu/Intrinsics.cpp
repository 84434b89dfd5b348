//===- Intrinsics.cpp - What the instructions of a GPU do -----------------===//
//
// Shuffles, votes, matrices from shared memory and products of matrices, and
// functions of numbers.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/Emulator.h"

#include <cmath>
#include <cstring>

using namespace nvemu;

namespace {
constexpr int kLanes = 32;
using Slots = uint64_t *const *;
} // namespace

static bool isIn(uint32_t mask, int lane) { return mask >> lane & 1; }

//===----------------------------------------------------------------------===//
// Lanes
//===----------------------------------------------------------------------===//

enum class Shuffle { index, up, down, butterfly };

/// The lane that `lane` reads, and whether it is in its segment (PTX ISA,
/// shfl.sync).
template <Shuffle kind>
static std::pair<int, bool> getSource(int lane, int b, int c) {
  int clamp = c & 31, segment = c >> 8 & 31;
  int least = lane & segment, most = least | (clamp & ~segment & 31);
  int source = 0;
  switch (kind) {
  case Shuffle::index:
    source = least | (b & ~segment & 31);
    return {source, source <= most};
  case Shuffle::up:
    source = lane - b;
    return {source, source >= most};
  case Shuffle::down:
    source = lane + b;
    return {source, source <= most};
  case Shuffle::butterfly:
    source = lane ^ b;
    return {source, source <= most};
  }
}

template <Shuffle kind>
static void shuffle(uint32_t mask, Slots arguments, Slots results) {
  for (int lane = 0; lane < kLanes; ++lane) {
    if (!isIn(mask, lane))
      continue;
    auto [source, valid] =
        getSource<kind>(lane, arguments[lane][2] & 31, int(arguments[lane][3]));
    if (!valid)
      source = lane;
    if (!isIn(mask, source))
      stop("lane %d shuffles from lane %d, which takes no part", lane, source);
    results[lane][0] = uint32_t(arguments[source][1]);
    results[lane][1] = valid;
  }
}

static uint32_t vote(uint32_t mask, Slots arguments) {
  uint32_t votes = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    if (isIn(mask, lane) && (arguments[lane][1] & 1))
      votes |= 1u << lane;
  return votes;
}

static void ballot(uint32_t mask, Slots arguments, Slots results) {
  uint32_t votes = vote(mask, arguments);
  for (int lane = 0; lane < kLanes; ++lane)
    if (isIn(mask, lane))
      results[lane][0] = votes;
}

static void meet(uint32_t, Slots, Slots) {}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

/// Matrices of 8x8 numbers of 16 bits; lane 8 m + i has the address of row i of
/// matrix m.
template <int count, bool transposed>
static void loadMatrices(uint32_t mask, Slots arguments, Slots results) {
  if (mask != ~0u)
    stop("ldmatrix needs the whole warp");
  for (int matrix = 0; matrix < count; ++matrix) {
    const uint16_t *rows[8];
    for (int i = 0; i < 8; ++i) {
      uint64_t address = arguments[8 * matrix + i][0];
      if (address % 16)
        stop("ldmatrix reads a row that is not aligned to 16 bytes");
      rows[i] = reinterpret_cast<const uint16_t *>(address);
      noteAccess(rows[i], 16, false, 8 * matrix + i);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      int row = lane / 4, column = lane % 4 * 2;
      uint16_t low = transposed ? rows[column][row] : rows[row][column];
      uint16_t high =
          transposed ? rows[column + 1][row] : rows[row][column + 1];
      results[lane][matrix] = low | uint32_t(high) << 16;
    }
  }
}

float nvemu::fromBF16(uint32_t bits) {
  bits <<= 16;
  float number;
  memcpy(&number, &bits, 4);
  return number;
}

float nvemu::fromF16(uint32_t bits) {
  auto half = uint16_t(bits);
  _Float16 number;
  memcpy(&number, &half, 2);
  return float(number);
}

/// The last bits are ignored.
static float fromTF32(uint32_t bits) {
  bits &= ~0x1fffu;
  float number;
  memcpy(&number, &bits, 4);
  return number;
}

static float toFloat(uint64_t bits) {
  auto word = uint32_t(bits);
  float number;
  memcpy(&number, &word, 4);
  return number;
}

static uint32_t fromFloat(float number) {
  uint32_t bits;
  memcpy(&bits, &number, 4);
  return bits;
}

/// m16n8k16 with two numbers in a register, m16n8k8 with one (PTX ISA, matrix
/// fragments for mma).
template <float (*convert)(uint32_t), int perRegister>
static void multiplyMatrices(uint32_t mask, Slots arguments, Slots results) {
  constexpr int depth = 8 * perRegister, bits = 32 / perRegister;
  if (mask != ~0u)
    stop("mma needs the whole warp");
  float a[16][depth], b[depth][8], c[16][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    int group = lane / 4, first = lane % 4 * perRegister;
    auto part = [&](int slot, int h) {
      uint64_t word = uint32_t(arguments[lane][slot]);
      return convert(word >> (bits * h) & ((1ull << bits) - 1));
    };
    for (int h = 0; h < perRegister; ++h) {
      for (int i = 0; i < 4; ++i)
        a[group + i % 2 * 8][first + h + i / 2 * depth / 2] = part(i, h);
      for (int i = 0; i < 2; ++i)
        b[first + h + i * depth / 2][group] = part(4 + i, h);
    }
    for (int i = 0; i < 4; ++i)
      c[group + i / 2 * 8][lane % 4 * 2 + i % 2] =
          toFloat(arguments[lane][6 + i]);
  }
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < depth; ++k)
      for (int n = 0; n < 8; ++n)
        c[m][n] += a[m][k] * b[k][n];
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i)
      results[lane][i] =
          fromFloat(c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2]);
}

const WarpOp *nvemu::findWarpOp(const std::string &intrinsic) {
  static const std::map<std::string, WarpOp> ops = [] {
    std::map<std::string, WarpOp> ops;
    for (const char *suffix : {"i32", "f32", "i32p", "f32p"}) {
      std::string name = suffix;
      ops["shfl.sync.idx." + name] = {shuffle<Shuffle::index>, 0};
      ops["shfl.sync.up." + name] = {shuffle<Shuffle::up>, 0};
      ops["shfl.sync.down." + name] = {shuffle<Shuffle::down>, 0};
      ops["shfl.sync.bfly." + name] = {shuffle<Shuffle::butterfly>, 0};
    }
    ops["vote.ballot.sync"] = {ballot, 0};
    ops["bar.warp.sync"] = {meet, 0};
    std::string load = "ldmatrix.sync.aligned.m8n8.";
    ops[load + "x1.b16.p3"] = {loadMatrices<1, false>, -1};
    ops[load + "x2.b16.p3"] = {loadMatrices<2, false>, -1};
    ops[load + "x4.b16.p3"] = {loadMatrices<4, false>, -1};
    ops[load + "x2.trans.b16.p3"] = {loadMatrices<2, true>, -1};
    ops[load + "x4.trans.b16.p3"] = {loadMatrices<4, true>, -1};
    ops["mma.m16n8k16.row.col.bf16"] = {multiplyMatrices<fromBF16, 2>, -1};
    ops["mma.m16n8k16.row.col.f32.f32"] = {multiplyMatrices<fromF16, 2>, -1};
    ops["mma.m16n8k8.row.col.tf32"] = {multiplyMatrices<fromTF32, 1>, -1};
    return ops;
  }();
  auto found = ops.find(intrinsic);
  return found == ops.end() ? nullptr : &found->second;
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

static float exp2Approx(float x) { return std::exp2(x); }
static float reciprocal(float x) { return 1.0f / x; }
static float reciprocalRoot(float x) { return 1.0f / std::sqrt(x); }

/// To the nearest, ties away from zero.
static uint32_t roundToTF32(float x) {
  uint32_t bits = fromFloat(x);
  return std::isfinite(x) ? (bits + 0x1000) & ~0x1fffu : bits;
}

void *nvemu::findScalarFunction(const std::string &intrinsic) {
  auto address = [](auto *function) {
    return reinterpret_cast<void *>(function);
  };
  static const std::map<std::string, void *> functions = {
      {"ex2.approx.f", address(exp2Approx)},
      {"ex2.approx.ftz.f", address(exp2Approx)},
      {"rcp.approx.ftz.f", address(reciprocal)},
      {"rsqrt.approx.f", address(reciprocalRoot)},
      {"rsqrt.approx.ftz.f", address(reciprocalRoot)},
      {"f2tf32.rna", address(roundToTF32)}};
  auto found = functions.find(intrinsic);
  return found == functions.end() ? nullptr : found->second;
}
