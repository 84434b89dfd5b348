//===- Json.cpp - Writing JSON --------------------------------------------===//
//
// Text that is not UTF-8, as a byte-level model may write it, gets replacement
// characters.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Json.h"

#include "runtime/text/Utf8.h"

#include <charconv>
#include <cmath>
#include <cstdio>

using namespace modrt;

void Json::quote(const std::string &text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    auto [kind, length] = readSequence(std::string_view(text).substr(at));
    unsigned char c = text[at];
    if (kind != Utf8Sequence::Whole) {
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
    at += length;
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
