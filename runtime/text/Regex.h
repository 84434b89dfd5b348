//===- Regex.h - Regular expressions ---------------------------*- C++ -*-===//
//
// PCRE2 over valid UTF-8.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_REGEX_H
#define RUNTIME_TEXT_REGEX_H

#include "runtime/Status.h"

#include <memory>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace modrt {

/// A compiled expression; several threads may use it.
class Regex {
public:
  modrt_status compile(std::string_view pattern);

  struct Match {
    size_t begin, end;
  };
  /// All matches from left to right, none within another.
  modrt_status findAll(std::string_view text,
                       std::vector<Match> &matches) const;

private:
  struct Free {
    void operator()(pcre2_real_code_8 *code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code;
};

} // namespace modrt

#endif // RUNTIME_TEXT_REGEX_H
