//===- Mapping.cpp - Memory from the system -------------------------------===//
//
// Thin wrappers of mmap.
//
//===----------------------------------------------------------------------===//

#include "runtime/Mapping.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace modrt;

Mapping::~Mapping() {
  if (base)
    munmap(base, size);
}

modrt_status Mapping::mapFile(int file, int64_t offset, int64_t bytes) {
  void *mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, offset);
  if (mapped == MAP_FAILED)
    return error(MODRT_SYSTEM, "cannot map %lld bytes of weights: %s",
                 static_cast<long long>(bytes), strerror(errno));
  base = mapped;
  size = bytes;
  madvise(base, size, MADV_WILLNEED);
  return ok();
}

modrt_status Mapping::reserve(int64_t bytes, const char *purpose) {
  size_t wanted = std::max<int64_t>(bytes, 1);
  void *mapped = mmap(nullptr, wanted, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return error(MODRT_SYSTEM, "cannot reserve %lld bytes for %s: %s",
                 static_cast<long long>(bytes), purpose, strerror(errno));
  base = mapped;
  size = wanted;
  return ok();
}

void Mapping::growSlowly() { madvise(base, size, MADV_NOHUGEPAGE); }
