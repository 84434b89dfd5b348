//===- Files.cpp - Reading prompts, writing arrays ------------------------===//
//
// Whole files in; out, files that are either complete or absent.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Files.h"

#include "runtime/cli/Options.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace modrt;

modrt_status modrt::readFile(const std::string &path, std::string &contents) {
  FILE *file = fopen(path.c_str(), "rb");
  if (!file)
    return error(MODRT_SYSTEM, "cannot open '%s': %s", path.c_str(),
                 strerror(errno));
  char buffer[1 << 16];
  while (size_t size = fread(buffer, 1, sizeof(buffer), file))
    contents.append(buffer, size);
  bool isComplete = !ferror(file);
  int code = errno;
  fclose(file);
  if (isComplete)
    return ok();
  return error(MODRT_SYSTEM, "cannot read '%s': %s", path.c_str(),
               strerror(code));
}

modrt_status modrt::readTokenFile(const std::string &path,
                                  std::vector<int32_t> &tokens) {
  std::string contents;
  MODRT_TRY(readFile(path, contents));
  if (auto problem = parseTokens(contents, /*comma=*/false, tokens))
    return error(MODRT_INVALID, "'%s': %s", path.c_str(), problem->c_str());
  return ok();
}

modrt_status OutputFile::failed(const char *what) const {
  return error(MODRT_SYSTEM, "cannot %s '%s': %s", what, path.c_str(),
               strerror(errno));
}

OutputFile::~OutputFile() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

modrt_status OutputFile::open() {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    return descriptor >= 0 ? ok() : failed("write");
  }
  catchInterrupts(); // nothing half written is to stay behind
  std::string name = path + ".tmp" + std::to_string(getpid());
  descriptor =
      ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return failed("write");
  temporary = name;
  return ok();
}

modrt_status OutputFile::write(const void *data, int64_t bytes) {
  auto *at = static_cast<const char *>(data);
  const int64_t most = 1 << 20; // at a time: Ctrl-C should not wait for long
  while (bytes > 0 && !wasInterrupted()) {
    ssize_t written = ::write(descriptor, at, std::min(bytes, most));
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return failed("write");
    at += written;
    bytes -= written;
  }
  return ok();
}

modrt_status OutputFile::commit() {
  if (wasInterrupted())
    return error(MODRT_SYSTEM, "interrupted before '%s' was complete",
                 path.c_str());
  int closed = close(descriptor);
  descriptor = -1;
  if (closed != 0)
    return failed("write");
  if (!temporary.empty() && rename(temporary.c_str(), path.c_str()) != 0)
    return failed("write");
  temporary.clear();
  return ok();
}

std::string modrt::npyHeader(int64_t rows, int64_t columns) {
  const size_t prefix = 10, alignment = 64;
  std::string dictionary =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
      std::to_string(rows) + ", " + std::to_string(columns) + "), }";
  size_t total = prefix + dictionary.size() + 1;
  dictionary.append((alignment - total % alignment) % alignment, ' ');
  dictionary += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dictionary.size() & 0xff);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}
