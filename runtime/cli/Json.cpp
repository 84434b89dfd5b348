//===- Json.cpp - Writing JSON --------------------------------------------===//
//
// Text that is not UTF-8, as a byte-level model may write it, gets replacement
// characters.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Json.h"

#include <charconv>
#include <cmath>
#include <cstdio>

using namespace modrt;

/// Length of the well-formed UTF-8 sequence at `at`, 0 where there is none.
static size_t sequenceLength(const std::string &text, size_t at) {
  auto byte = [&](size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  unsigned lead = byte(0);
  size_t length = lead < 0x80       ? 1
                  : lead >> 5 == 6  ? 2
                  : lead >> 4 == 14 ? 3
                  : lead >> 3 == 30 ? 4
                                    : 0;
  for (size_t i = 1; i < length; ++i)
    if (byte(i) >> 6 != 2)
      return 0;
  // Overlong forms, surrogates, and what lies beyond Unicode.
  if (lead == 0xc0 || lead == 0xc1 || (lead == 0xe0 && byte(1) < 0xa0) ||
      (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf0 && byte(1) < 0x90) ||
      (lead == 0xf4 && byte(1) > 0x8f) || lead > 0xf4)
    return 0;
  return length;
}

void Json::quote(const std::string &text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    size_t length = sequenceLength(text, at);
    unsigned char c = text[at];
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c < 0x20) {
      char escape[8];
      snprintf(escape, sizeof(escape), "\\u%04x", c);
      out += escape;
    } else {
      out.append(text, at, length);
    }
    at += length ? length : 1;
  }
  out += '"';
}

Json &Json::verbatim(const char *key, const std::string &json) {
  if (!first)
    out += ", ";
  first = false;
  if (key) {
    quote(key);
    out += ": ";
  }
  out += json;
  return *this;
}

Json &Json::begin(const char *key, char bracket) {
  verbatim(key, std::string(1, bracket));
  open += bracket == '{' ? '}' : ']';
  first = true;
  return *this;
}

Json &Json::end() {
  out += open.back();
  open.pop_back();
  first = false;
  return *this;
}

Json &Json::member(const char *key, const std::string &value) {
  verbatim(key, "");
  quote(value);
  return *this;
}

Json &Json::member(const char *key, int64_t value) {
  return verbatim(key, std::to_string(value));
}

Json &Json::member(const char *key, double value) {
  if (!std::isfinite(value))
    return null(key);
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  return verbatim(key, std::string(digits, end));
}

void Json::print() const { printf("%s\n", out.c_str()); }
