//===- TokenTable.cpp - Looking into a tokenizer's table ------------------===//
//
// Two hash tables with linear probing: pieces, and pairs of tokens.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/TokenTable.h"

#include <cstring>

using namespace modrt;
using namespace modrt::table;

modrt_status TokenTable::open(const void *memory, int64_t size) {
  auto *header = static_cast<const Header *>(memory);
  if (!memory || size < int64_t(sizeof(Header)) ||
      memcmp(header->magic, kMagic, sizeof(kMagic)) != 0 ||
      header->bytes != size)
    return error(MODRT_MISMATCH, "the model's tokenizer is damaged");
  base = static_cast<const char *>(memory);
  return ok();
}

std::string_view TokenTable::tokenText(int32_t token) const {
  return text(array<Span>(header().texts)[token]);
}

uint8_t TokenTable::tokenFlags(int32_t token) const {
  return array<uint8_t>(header().tokenFlags)[token];
}

int32_t TokenTable::byteToken(unsigned char byte) const {
  return array<int32_t>(header().bytesTokens)[byte];
}

double TokenTable::score(int32_t token) const {
  return array<double>(header().scores)[token];
}

int32_t TokenTable::find(std::string_view piece) const {
  auto slots = array<int32_t>(header().slots);
  auto pieces = array<Span>(header().pieces);
  uint32_t at = place(hash(piece), slots.count);
  while (slots[at] >= 0 && text(pieces[slots[at]]) != piece)
    at = at + 1 == slots.count ? 0 : at + 1;
  return slots[at];
}

const Merge *TokenTable::findMerge(int32_t left, int32_t right) const {
  auto merges = array<Merge>(header().merges);
  auto isOther = [&](const Merge &merge) {
    return merge.left != static_cast<uint32_t>(left) ||
           merge.right != static_cast<uint32_t>(right);
  };
  uint32_t at = place(hash(left, right), merges.count);
  while (merges[at].rank != kFree && isOther(merges[at]))
    at = at + 1 == merges.count ? 0 : at + 1;
  return merges[at].rank == kFree ? nullptr : &merges[at];
}
