//===- Programs.cpp - Compiled kernels and their memory -------------------===//
//
// Generated code keeps its own order of arguments; the table of calls that lies
// beside it knows which.
//
//===----------------------------------------------------------------------===//

#include "Programs.h"
#include "kernels.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace bench;

void bench::fail(const std::string &message) {
  fprintf(stderr, "%s\n", message.c_str());
  exit(1);
}

const std::vector<Program> &bench::allPrograms() {
  static const std::vector<Program> programs = {
#include "kernels.inc"
  };
  return programs;
}

const Program &bench::findProgram(const std::string &kind, int64_t a, int64_t b,
                                  int64_t tokens) {
  for (const Program &program : allPrograms())
    if (program.kind == kind && program.a == a && program.b == b &&
        program.tokens == tokens)
      return program;
  fail("no " + kind + " was compiled for " + std::to_string(a) + " x " +
       std::to_string(b));
}

namespace {

/// A safetensors file: its header, and where the data lie.
struct TensorFile {
  modrt::Mapping memory;
  std::string header;
  const char *data;

  explicit TensorFile(const char *name) {
    std::string path = std::string(KERNELS_FOLDER "/") + name;
    int file = open(path.c_str(), O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) ||
        modrt::failed(memory.mapFile(file, 0, status.st_size)))
      fail("cannot read " + path);
    close(file);
    uint64_t length;
    memcpy(&length, memory.data(), sizeof(length));
    header.assign(memory.data() + sizeof(length), length);
    data = memory.data() + sizeof(length) + length;
  }
};

} // namespace

const float *bench::rawWeight(int64_t inputs, int64_t outputs) {
  static TensorFile file("raw.safetensors");
  std::string name =
      "\"w_" + std::to_string(inputs) + "_" + std::to_string(outputs) + "\"";
  const char *offsets = "\"data_offsets\": [";
  size_t at = file.header.find(name);
  if (at == std::string::npos)
    fail("no weight " + name);
  at = file.header.find(offsets, at) + strlen(offsets);
  return reinterpret_cast<const float *>(
      file.data + strtoll(&file.header[at], nullptr, 10));
}

Arguments::Arguments() {
  static TensorFile weightFile("weights.safetensors");
  if (modrt::failed(arenaMemory.reserve(arenaSize, "the arena")) ||
      modrt::failed(cacheMemory.reserve(cachesSize, "the caches")))
    fail("no memory");
  auto bytes = [](const void *data, int64_t size) {
    return Bytes{data, data, 0, size, 1};
  };
  weightBytes = bytes(weightFile.data, 0);
  arenaBytes = bytes(arenaMemory.data(), arenaSize);
  cacheBytes = bytes(cacheMemory.data(), cachesSize);
  lengthWords = bytes(&used, 1);
}

void Arguments::setRows(const float *x, int64_t width, float *y,
                        int64_t outputs, int64_t count, int64_t capacity) {
  rows = count;
  auto matrix = [&](const void *data, int64_t columns) {
    return Matrix{data,
                  data,
                  0,
                  {1, capacity, columns},
                  {capacity * columns, columns, 1}};
  };
  input = matrix(x, width);
  output = matrix(y, outputs);
}
