//===- Mapping.h - Memory from the system ----------------------*- C++ -*-===//
//
// Files mapped read only, and address space whose pages cost memory only when
// touched.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_MAPPING_H
#define RUNTIME_MAPPING_H

#include "runtime/Status.h"

#include <cstddef>

namespace modrt {

/// Owns a range of pages.
class Mapping {
public:
  Mapping() = default;
  Mapping(const Mapping &) = delete;
  Mapping &operator=(const Mapping &) = delete;
  ~Mapping();

  /// `bytes` of an open file from a page boundary on, read only.
  modrt_status mapFile(int file, int64_t offset, int64_t bytes);
  /// `bytes` of zeros; `purpose` names them in messages.
  modrt_status reserve(int64_t bytes, const char *purpose);
  /// Makes reserved memory grow by small pages, however large a step the system
  /// would take.
  void growSlowly();

  char *data() const { return static_cast<char *>(base); }
  template <typename T>
  T *as() const {
    return static_cast<T *>(base);
  }

private:
  void *base = nullptr;
  size_t size = 0;
};

} // namespace modrt

#endif // RUNTIME_MAPPING_H
