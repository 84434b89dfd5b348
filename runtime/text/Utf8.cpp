//===- Utf8.cpp - Characters in bytes -------------------------------------===//
//
// The forms of table 3-7 of the Unicode standard; malformed bytes are replaced
// by its "maximal subparts", as Python and Rust do.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Utf8.h"

using namespace modrt;

namespace {
/// The length of a sequence, and between which its second byte must lie.
struct Form {
  size_t length;
  unsigned char low, high;
};
} // namespace

static Form formOf(unsigned char lead) {
  if (lead < 0x80)
    return {1, 0, 0};
  if (lead < 0xc2 || lead > 0xf4)
    return {0, 0, 0};
  unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return {lead < 0xe0   ? size_t(2)
          : lead < 0xf0 ? size_t(3)
                        : size_t(4),
          low, high};
}

Utf8Sequence modrt::readSequence(std::string_view text) {
  Form form = formOf(text[0]);
  if (form.length == 0)
    return {Utf8Sequence::Malformed, 1};
  for (size_t i = 1; i < form.length; ++i) {
    if (i == text.size())
      return {Utf8Sequence::Cut, i};
    unsigned char byte = text[i];
    if (byte < (i == 1 ? form.low : 0x80) || byte > (i == 1 ? form.high : 0xbf))
      return {Utf8Sequence::Malformed, i};
  }
  return {Utf8Sequence::Whole, form.length};
}

size_t modrt::characterLength(char lead) { return formOf(lead).length; }

uint32_t modrt::decodeSequence(std::string_view sequence) {
  uint32_t value = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() > 1)
    value &= 0x7f >> sequence.size();
  for (char byte : sequence.substr(1))
    value = value << 6 | (byte & 0x3f);
  return value;
}

void modrt::appendCodePoint(uint32_t value, std::string &text) {
  auto tail = [&](int shift) {
    text += static_cast<char>(0x80 | (value >> shift & 0x3f));
  };
  if (value < 0x80) {
    text += static_cast<char>(value);
    return;
  }
  if (value < 0x800) {
    text += static_cast<char>(0xc0 | value >> 6);
  } else if (value < 0x10000) {
    text += static_cast<char>(0xe0 | value >> 12);
    tail(6);
  } else {
    text += static_cast<char>(0xf0 | value >> 18);
    tail(12);
    tail(6);
  }
  tail(0);
}

std::string modrt::repairUtf8(std::string_view text) {
  std::string repaired;
  while (!text.empty()) {
    auto [kind, length] = readSequence(text);
    repaired +=
        kind == Utf8Sequence::Whole ? text.substr(0, length) : kReplacement;
    text.remove_prefix(length);
  }
  return repaired;
}
