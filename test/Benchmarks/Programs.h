//===- Programs.h - Compiled kernels and their memory ----------*- C++ -*-===//
//
// The programs that make-kernels.py compiled, and what they are called with.
//
//===----------------------------------------------------------------------===//

#ifndef TEST_BENCHMARKS_PROGRAMS_H
#define TEST_BENCHMARKS_PROGRAMS_H

#include "runtime/Mapping.h"
#include "runtime/ThreadPool.h"

#include <string>
#include <vector>

namespace bench {

/// What a program's arguments are, as memrefs.
class Arguments {
public:
  Arguments();

  void setThreads(modrt::ThreadPool &threads) { threadPool = &threads; }
  /// Rows of `x` and `y`, which lie in memory of `capacity` rows, those of `x`
  /// `width` values from each other.
  void setRows(const float *x, int64_t width, float *y, int64_t outputs,
               int64_t rows, int64_t capacity);
  /// Rows that the cache holds.
  void setLength(int64_t length) { used = length; }

  void *result() const { return &returned; }
  void *pool() const { return threadPool; }
  int64_t count() const { return rows; }
  const void *x() const { return &input; }
  const void *y() const { return &output; }
  const void *weights() const { return &weightBytes; }
  const void *arena() const { return &arenaBytes; }
  const void *caches() const { return &cacheBytes; }
  const void *lengths() const { return &lengthWords; }

private:
  /// A memref's words: pointer twice, offset, sizes, strides.
  struct Matrix {
    const void *base, *data;
    int64_t offset, sizes[3], strides[3];
  };
  struct Bytes {
    const void *base, *data;
    int64_t offset, size, stride;
  };

  modrt::ThreadPool *threadPool = nullptr;
  int64_t rows = 0, used = 0;
  Matrix input = {}, output = {};
  mutable Matrix returned = {};
  Bytes weightBytes = {}, arenaBytes = {}, cacheBytes = {}, lengthWords = {};
  modrt::Mapping arenaMemory, cacheMemory;
};

/// A product of inputs `a` and outputs `b`, or attention of `a` heads of `b`,
/// whose rows of `x` are `width` values from each other.
struct Program {
  std::string kind;
  int64_t a, b, tokens, width;
  void (*run)(const Arguments &on);
};

/// All that were compiled.
const std::vector<Program> &allPrograms();

/// The one of this kind and shape.
const Program &findProgram(const std::string &kind, int64_t a, int64_t b,
                           int64_t tokens);

/// The weight `[outputs][inputs]` of a product as it was before packing.
const float *rawWeight(int64_t inputs, int64_t outputs);

/// Prints a message and ends the program.
[[noreturn]] void fail(const std::string &message);

} // namespace bench

#endif // TEST_BENCHMARKS_PROGRAMS_H
