//===- Utf8.h - Characters in bytes ----------------------------*- C++ -*-===//
//
// Texts from outside need not be UTF-8; what tokenizers see is.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_UTF8_H
#define RUNTIME_TEXT_UTF8_H

#include <cstdint>
#include <string>
#include <string_view>

namespace modrt {

/// What a text begins with.
struct Utf8Sequence {
  enum Kind {
    Whole,     ///< a character
    Cut,       ///< the text ends before the character does
    Malformed, ///< bytes that are to be replaced by one U+FFFD
  } kind;
  size_t length;
};

/// `text` must not be empty.
Utf8Sequence readSequence(std::string_view text);

/// The code point of a whole sequence.
uint32_t decodeSequence(std::string_view sequence);

/// The length of the character that begins with this byte, in valid UTF-8.
size_t characterLength(char lead);

void appendCodePoint(uint32_t value, std::string &text);

/// The text with U+FFFD where it is not UTF-8.
std::string repairUtf8(std::string_view text);

inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";

} // namespace modrt

#endif // RUNTIME_TEXT_UTF8_H
