//===- Normalizer.h - Steps before the model -------------------*- C++ -*-===//
//
// What a tokenizer does to a text before its model sees it.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_NORMALIZER_H
#define RUNTIME_TEXT_NORMALIZER_H

#include "runtime/text/Regex.h"
#include "runtime/text/TokenTable.h"

#include <string>

namespace modrt {

/// Unicode's normalization form C of valid UTF-8.
std::string toNfc(std::string_view text);

/// A part of a text, and whether the whole text begins with it.
struct Segment {
  std::string text;
  bool isFirst;
};

/// A list of steps of the table.
class Steps {
public:
  modrt_status open(const TokenTable &table, table::Span steps);

  /// Puts the segments that become of one behind those in `segments`.
  modrt_status run(Segment segment, std::vector<Segment> &segments) const;

private:
  struct Step {
    table::Step what;
    std::string_view pattern, content;
    Regex regex; // of Split
  };
  void rewrite(const Step &step, Segment &segment) const;
  modrt_status split(const Step &step, const Segment &segment,
                     std::vector<Segment> &segments) const;

  std::vector<Step> steps;
};

} // namespace modrt

#endif // RUNTIME_TEXT_NORMALIZER_H
