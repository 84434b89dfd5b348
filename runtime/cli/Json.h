//===- Json.h - Writing JSON -----------------------------------*- C++ -*-===//
//
// Builds one JSON text, member after member.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_JSON_H
#define RUNTIME_CLI_JSON_H

#include <cstdint>
#include <string>

namespace modrt {

class Json {
public:
  /// Members and elements; an element has no key.
  Json &beginObject(const char *key = nullptr) { return begin(key, '{'); }
  Json &beginArray(const char *key = nullptr) { return begin(key, '['); }
  Json &end();
  Json &member(const char *key, const std::string &value);
  Json &member(const char *key, int64_t value);
  Json &member(const char *key, double value); // null where not finite
  Json &null(const char *key) { return verbatim(key, "null"); }
  /// A value that is JSON already.
  Json &verbatim(const char *key, const std::string &json);
  Json &element(int64_t value) { return member(nullptr, value); }

  const std::string &str() const { return out; }
  /// Writes the text and a newline to stdout.
  void print() const;

private:
  Json &begin(const char *key, char bracket);
  void quote(const std::string &text);

  std::string out;
  std::string open; // closing brackets that are due, innermost last
  bool first = true;
};

} // namespace modrt

#endif // RUNTIME_CLI_JSON_H
