//===- Files.h - Reading prompts, writing arrays ---------------*- C++ -*-===//
//
// Whole files in; out, files that are either complete or absent.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_FILES_H
#define RUNTIME_CLI_FILES_H

#include "runtime/Status.h"

#include <string>
#include <vector>

namespace modrt {

modrt_status readFile(const std::string &path, std::string &contents);

/// Reads decimal ids between spaces or lines.
modrt_status readTokenFile(const std::string &path,
                           std::vector<int32_t> &tokens);

/// A file that gets its name when it is complete. What is not a regular file,
/// such as /dev/stdout, is written to directly.
class OutputFile {
public:
  explicit OutputFile(std::string path) : path(std::move(path)) {}
  ~OutputFile();
  modrt_status open();
  modrt_status write(const void *data, int64_t bytes);
  modrt_status commit();

private:
  modrt_status failed(const char *what) const;

  std::string path, temporary; // temporary: empty where written directly
  int descriptor = -1;
};

/// The header of an .npy file, version 1.0, of float32 [rows][columns].
std::string npyHeader(int64_t rows, int64_t columns);

} // namespace modrt

#endif // RUNTIME_CLI_FILES_H
