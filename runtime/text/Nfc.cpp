//===- Nfc.cpp - Canonical composition ------------------------------------===//
//
// Unicode's normalization form C, after chapter 3.11 of its standard.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Normalizer.h"
#include "runtime/text/Utf8.h"

#include <algorithm>
#include <iterator>

using namespace modrt;

namespace {
/// What makes a key of one or two code points.
struct Triple {
  uint32_t key, second, third;
};
struct Class {
  uint32_t character, combining;
};

/// Hangul is arithmetic, with names as in the standard.
enum : uint32_t {
  kSBase = 0xac00,
  kLBase = 0x1100,
  kVBase = 0x1161,
  kTBase = 0x11a7,
  kLCount = 19,
  kVCount = 21,
  kTCount = 28,
  kSCount = kLCount * kVCount * kTCount,
};
} // namespace

#include "runtime/text/NfcTables.inc"

static uint32_t combiningClass(uint32_t c) {
  auto *found = std::lower_bound(
      std::begin(kClasses), std::end(kClasses), c,
      [](const Class &entry, uint32_t c) { return entry.character < c; });
  return found != std::end(kClasses) && found->character == c ? found->combining
                                                              : 0;
}

static void decompose(uint32_t c, std::u32string &out) {
  if (uint32_t s = c - kSBase; s < kSCount) {
    out += kLBase + s / (kVCount * kTCount);
    out += kVBase + s % (kVCount * kTCount) / kTCount;
    if (s % kTCount)
      out += kTBase + s % kTCount;
    return;
  }
  auto *found = std::lower_bound(
      std::begin(kDecompositions), std::end(kDecompositions), c,
      [](const Triple &entry, uint32_t c) { return entry.key < c; });
  if (found == std::end(kDecompositions) || found->key != c) {
    out += c;
    return;
  }
  decompose(found->second, out);
  if (found->third)
    decompose(found->third, out);
}

/// The composition of two characters, or 0.
static uint32_t composePair(uint32_t a, uint32_t b) {
  if (a - kLBase < kLCount && b - kVBase < kVCount)
    return kSBase + ((a - kLBase) * kVCount + (b - kVBase)) * kTCount;
  bool isLV = a - kSBase < kSCount && (a - kSBase) % kTCount == 0;
  if (isLV && b - kTBase - 1 < kTCount - 1)
    return a + (b - kTBase);
  auto less = [](const Triple &x, const Triple &y) {
    return x.key != y.key ? x.key < y.key : x.second < y.second;
  };
  Triple wanted = {a, b, 0};
  auto *found = std::lower_bound(std::begin(kCompositions),
                                 std::end(kCompositions), wanted, less);
  bool isFound = found != std::end(kCompositions) && !less(wanted, *found);
  return isFound ? found->third : 0;
}

/// Puts each run of combining characters into the order of their classes.
static void reorder(std::u32string &text) {
  auto precedes = [](uint32_t a, uint32_t b) {
    return combiningClass(a) < combiningClass(b);
  };
  for (auto begin = text.begin(); begin != text.end();) {
    auto end = begin;
    while (end != text.end() && combiningClass(*end) != 0)
      ++end;
    // Runs are short; equal classes keep their order.
    for (auto at = begin; at != end; ++at)
      std::rotate(std::upper_bound(begin, at, *at, precedes), at, at + 1);
    begin = end == text.end() ? end : end + 1;
  }
}

static std::u32string compose(const std::u32string &text) {
  std::u32string out;
  size_t starter = std::u32string::npos;
  uint32_t last = 0; // the class of what stands before, behind the starter
  for (uint32_t c : text) {
    uint32_t combining = combiningClass(c);
    bool isBlocked =
        starter + 1 != out.size() && (last == 0 || last >= combining);
    uint32_t composed = starter == std::u32string::npos || isBlocked
                            ? 0
                            : composePair(out[starter], c);
    if (composed) {
      out[starter] = composed;
      continue;
    }
    if (combining == 0)
      starter = out.size();
    last = combining;
    out += c;
  }
  return out;
}

std::string modrt::toNfc(std::string_view text) {
  std::u32string decomposed;
  bool isPlain = true; // below U+0300 nothing changes
  for (std::string_view rest = text; !rest.empty();) {
    size_t length = characterLength(rest[0]);
    uint32_t c = decodeSequence(rest.substr(0, length));
    isPlain &= c < 0x300;
    decompose(c, decomposed);
    rest.remove_prefix(length);
  }
  if (isPlain)
    return std::string(text);
  reorder(decomposed);
  std::string composed;
  for (uint32_t c : compose(decomposed))
    appendCodePoint(c, composed);
  return composed;
}
