//===- Normalizer.cpp - Steps before the model ----------------------------===//
//
// Rewriting and cutting, in the order of the table.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Normalizer.h"

#include <algorithm>
#include <utility>

using namespace modrt;
using table::Behavior;
using table::StepKind;

modrt_status Steps::open(const TokenTable &table, table::Span span) {
  auto listed = table.array<table::Step>(span);
  steps.resize(listed.count);
  for (uint32_t i = 0; i < listed.count; ++i) {
    steps[i].what = listed[i];
    steps[i].pattern = table.text(listed[i].pattern);
    steps[i].content = table.text(listed[i].content);
    if (listed[i].kind == StepKind::Split)
      MODRT_TRY(steps[i].regex.compile(steps[i].pattern));
  }
  return ok();
}

static std::string replaceAll(std::string_view text, std::string_view pattern,
                              std::string_view content) {
  std::string result;
  while (true) {
    size_t at = text.find(pattern);
    result += text.substr(0, at);
    if (at == std::string_view::npos)
      return result;
    result += content;
    text.remove_prefix(at + pattern.size());
  }
}

void Steps::rewrite(const Step &step, Segment &segment) const {
  std::string &text = segment.text;
  bool beginsSo = text.compare(0, step.content.size(), step.content) == 0;
  switch (step.what.kind) {
  case StepKind::Nfc:
    text = toNfc(text);
    break;
  case StepKind::Prepend:
    if (!text.empty())
      text.insert(0, step.content);
    break;
  case StepKind::PrependUnless:
    if (!beginsSo && (segment.isFirst || !step.what.onlyFirst))
      text.insert(0, step.content);
    break;
  case StepKind::Replace:
    text = replaceAll(text, step.pattern, step.content);
    break;
  case StepKind::Split:
    break;
  }
}

namespace {
/// A run of bytes that matches, or that does not.
struct Run {
  size_t begin, end;
  bool matches;
};
} // namespace

/// The whole text as runs, in order.
static std::vector<Run>
listRuns(size_t size, const std::vector<Regex::Match> &matches, bool inverted) {
  std::vector<Run> runs;
  size_t end = 0;
  for (const Regex::Match &match : matches) {
    if (end < match.begin)
      runs.push_back({end, match.begin, inverted});
    runs.push_back({match.begin, match.end, !inverted});
    end = match.end;
  }
  if (end < size)
    runs.push_back({end, size, inverted});
  return runs;
}

/// Whether a run becomes part of the one before.
static bool joins(Behavior behavior, const Run &before, const Run &run) {
  switch (behavior) {
  case Behavior::Contiguous:
    return before.matches == run.matches;
  case Behavior::MergedWithPrevious:
    return run.matches && !before.matches;
  case Behavior::MergedWithNext:
    return before.matches && !run.matches;
  default:
    return false;
  }
}

modrt_status Steps::split(const Step &step, const Segment &segment,
                          std::vector<Segment> &segments) const {
  const std::string &text = segment.text;
  std::vector<Regex::Match> matches;
  MODRT_TRY(step.regex.findAll(text, matches));
  std::vector<Run> runs =
      listRuns(text.size(), matches, step.what.inverted != 0);
  for (size_t i = 0; i < runs.size(); ++i) {
    size_t begin = runs[i].begin;
    bool isDropped = step.what.behavior == Behavior::Removed && runs[i].matches;
    while (i + 1 < runs.size() &&
           joins(step.what.behavior, runs[i], runs[i + 1]))
      ++i;
    if (!isDropped && begin < runs[i].end)
      segments.push_back({text.substr(begin, runs[i].end - begin),
                          segment.isFirst && begin == 0});
  }
  return ok();
}

modrt_status Steps::run(Segment segment, std::vector<Segment> &segments) const {
  std::vector<Segment> now = {std::move(segment)};
  for (const Step &step : steps) {
    std::vector<Segment> cut;
    for (Segment &part : now) {
      rewrite(step, part);
      if (step.what.kind == StepKind::Split)
        MODRT_TRY(split(step, part, cut));
    }
    if (step.what.kind == StepKind::Split)
      now = std::move(cut);
  }
  std::move(now.begin(), now.end(), std::back_inserter(segments));
  return ok();
}
