//===- TokenTable.h - Looking into a tokenizer's table ---------*- C++ -*-===//
//
// Typed access to the table, without copying it.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_TEXT_TOKENTABLE_H
#define RUNTIME_TEXT_TOKENTABLE_H

#include "runtime/Status.h"
#include "runtime/text/Table.h"

namespace modrt {

/// Elements of the table.
template <typename T>
struct Array {
  const T *data;
  uint32_t count;

  const T *begin() const { return data; }
  const T *end() const { return data + count; }
  const T &operator[](uint32_t index) const { return data[index]; }
};

class TokenTable {
public:
  /// Fails where the memory holds no table, or one of another version.
  modrt_status open(const void *memory, int64_t size);

  const table::Header &header() const {
    return *reinterpret_cast<const table::Header *>(base);
  }
  bool has(table::ModelFlags flag) const { return header().flags & flag; }

  template <typename T>
  Array<T> array(table::Span span) const {
    return {reinterpret_cast<const T *>(base + span.offset), span.size};
  }
  std::string_view text(table::Span span) const {
    return {base + span.offset, span.size};
  }

  /// What a token of `[0, numTokens)` decodes to, and what is known of it.
  std::string_view tokenText(int32_t token) const;
  uint8_t tokenFlags(int32_t token) const;
  int32_t numTokens() const { return header().texts.size; }

  /// The token of a piece, or -1.
  int32_t find(std::string_view piece) const;
  /// What two tokens become, or null.
  const table::Merge *findMerge(int32_t left, int32_t right) const;
  int32_t byteToken(unsigned char byte) const;
  double score(int32_t token) const;

private:
  const char *base = nullptr;
};

} // namespace modrt

#endif // RUNTIME_TEXT_TOKENTABLE_H
