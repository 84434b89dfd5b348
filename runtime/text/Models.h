//===- Models.h - Words to tokens ------------------------------*- C++ -*-===//
//
// The two models of tokenizers.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_MODELS_H
#define RUNTIME_TEXT_MODELS_H

#include "runtime/text/TokenTable.h"

#include <vector>

namespace modrt {

/// Byte pair encoding: the pair that was learnt first is joined first, the
/// leftmost one among equals.
void encodeBpe(const TokenTable &table, std::string_view word,
               std::vector<int32_t> &tokens);

/// The pieces whose scores have the largest sum.
void encodeUnigram(const TokenTable &table, std::string_view word,
                   std::vector<int32_t> &tokens);

/// The tokens of a text's bytes; false where one of them has none.
bool appendBytes(const TokenTable &table, std::string_view text,
                 std::vector<int32_t> &tokens);

} // namespace modrt

#endif // RUNTIME_TEXT_MODELS_H
