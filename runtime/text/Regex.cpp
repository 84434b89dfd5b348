//===- Regex.cpp - Regular expressions ------------------------------------===//
//
// PCRE2 over valid UTF-8.
//
//===----------------------------------------------------------------------===//

#include "runtime/text/Regex.h"

#include "runtime/text/Utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

using namespace modrt;

static modrt_status explain(int code, const char *what,
                            std::string_view where) {
  PCRE2_UCHAR reason[256] = "";
  pcre2_get_error_message(code, reason, sizeof(reason));
  return error(MODRT_INVALID, "regular expression '%.*s' %s: %s",
               static_cast<int>(where.size()), where.data(), what,
               reinterpret_cast<const char *>(reason));
}

void Regex::Free::operator()(pcre2_real_code_8 *code) const {
  pcre2_code_free(code);
}

modrt_status Regex::compile(std::string_view pattern) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  // Lines have beginnings and ends, as in the engine that patterns are for.
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE;
  this->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()),
                                 pattern.size(), options, &code, &offset,
                                 nullptr));
  return this->code ? ok() : explain(code, "is malformed", pattern);
}

modrt_status Regex::findAll(std::string_view text,
                            std::vector<Match> &matches) const {
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code.get(), nullptr),
      pcre2_match_data_free);
  if (!data)
    return error(MODRT_SYSTEM, "no memory to match a regular expression");
  auto *subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data.get());
  for (size_t from = 0; from < text.size();) {
    int found = pcre2_match(code.get(), subject, text.size(), from,
                            PCRE2_NO_UTF_CHECK, data.get(), nullptr);
    if (found == PCRE2_ERROR_NOMATCH)
      break;
    if (found < 0)
      return explain(found, "cannot be matched", "of the tokenizer");
    matches.push_back({ends[0], ends[1]});
    bool isEmpty = ends[0] == ends[1];
    from = ends[1];
    if (isEmpty && from < text.size())
      from += characterLength(text[from]);
  }
  return ok();
}
