//===- Weights.cpp - Finding a model's weights ----------------------------===//
//
// Weights are appended to the file that holds the model's code, or lie beside
// it. Only their header is read here; the rest is touched when programs run.
//
//===----------------------------------------------------------------------===//

#include "runtime/Weights.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <link.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace modrt;

namespace {

/// The executable or library that holds an address.
struct ObjectFile {
  const void *address;
  bool isExecutable = true;
  std::string path; // for people and for finding neighbours

  /// The executable itself is found even if it was renamed or deleted since.
  const char *pathToOpen() const {
    return isExecutable ? "/proc/self/exe" : path.c_str();
  }
};

struct File {
  int descriptor = -1;
  int64_t bytes = 0;
  ~File() {
    if (descriptor >= 0)
      close(descriptor);
  }
};

} // namespace

static bool holds(const dl_phdr_info &object, const void *address) {
  auto wanted = reinterpret_cast<uintptr_t>(address);
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = object.dlpi_phdr[i];
    uintptr_t begin = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && begin <= wanted &&
        wanted < begin + segment.p_memsz)
      return true;
  }
  return false;
}

static int visitObject(dl_phdr_info *object, size_t, void *context) {
  auto &file = *static_cast<ObjectFile *>(context);
  if (!holds(*object, file.address))
    return 0;
  file.isExecutable = object->dlpi_name[0] == '\0';
  file.path = object->dlpi_name;
  return 1;
}

static ObjectFile findObjectFile(const void *address) {
  ObjectFile file;
  file.address = address;
  dl_iterate_phdr(visitObject, &file);
  if (file.isExecutable) {
    char target[4096];
    ssize_t length = readlink("/proc/self/exe", target, sizeof(target));
    file.path.assign(target, length > 0 ? length : 0);
  }
  return file;
}

static modrt_status openFile(const char *path, const char *shown, File &file) {
  file.descriptor = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (file.descriptor < 0 || fstat(file.descriptor, &info) != 0)
    return error(MODRT_SYSTEM, "cannot open weights '%s': %s", shown,
                 strerror(errno));
  if (!S_ISREG(info.st_mode))
    return error(MODRT_SYSTEM, "weights '%s' are not a regular file", shown);
  file.bytes = info.st_size;
  return ok();
}

static modrt_status cutOff(const char *path, const char *reason) {
  return error(MODRT_MISMATCH, "the weights of '%s' were cut off: %s", path,
               reason);
}

static modrt_status otherModel(const modrt_model &model, const char *path) {
  return error(MODRT_MISMATCH, "'%s' does not hold the weights of model '%s'",
               path, model.name);
}

/// Checks the end of a file that weights were appended to.
static modrt_status findAppended(const modrt_model &model, const File &file,
                                 const char *path, int64_t &offset) {
  modrt_trailer trailer;
  int64_t at = file.bytes - static_cast<int64_t>(sizeof(trailer));
  if (at < 0 || pread(file.descriptor, &trailer, sizeof(trailer), at) !=
                    static_cast<ssize_t>(sizeof(trailer)))
    return cutOff(path, "the file is too short for a trailer");
  if (memcmp(trailer.magic, "MODWGHT", sizeof(trailer.magic)) != 0)
    return cutOff(path, "no trailer at its end");
  if (trailer.bytes != static_cast<uint64_t>(model.weights_bytes))
    return otherModel(model, path);
  if (trailer.offset % 4096 != 0 || trailer.offset > uint64_t(at) ||
      trailer.bytes > uint64_t(at) - trailer.offset)
    return cutOff(path, "bytes are missing before its trailer");
  offset = trailer.offset;
  return ok();
}

static modrt_status checkSize(const modrt_model &model, const File &file,
                              const char *path) {
  if (file.bytes == model.weights_bytes)
    return ok();
  if (file.bytes > model.weights_bytes)
    return otherModel(model, path);
  std::string reason = std::to_string(file.bytes) + " bytes where " +
                       std::to_string(model.weights_bytes) + " were expected";
  return cutOff(path, reason.c_str());
}

static uint64_t fnv1a(const char *data, int64_t bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < bytes; ++i)
    hash = (hash ^ static_cast<unsigned char>(data[i])) * 0x100000001b3u;
  return hash;
}

static modrt_status mapChecked(const modrt_model &model, const File &file,
                               int64_t offset, const char *path,
                               Mapping &mapping) {
  MODRT_TRY(mapping.mapFile(file.descriptor, offset, model.weights_bytes));
  if (fnv1a(mapping.data(), model.weights_offset) != model.weights_hash)
    return otherModel(model, path);
  return ok();
}

static modrt_status mapAppended(const modrt_model &model,
                                const ObjectFile &object, Mapping &mapping) {
  File file;
  int64_t offset = 0;
  const char *path = object.path.c_str();
  MODRT_TRY(openFile(object.pathToOpen(), path, file));
  MODRT_TRY(findAppended(model, file, path, offset));
  return mapChecked(model, file, offset, path, mapping);
}

static modrt_status mapWhole(const modrt_model &model, const char *path,
                             Mapping &mapping) {
  File file;
  MODRT_TRY(openFile(path, path, file));
  MODRT_TRY(checkSize(model, file, path));
  return mapChecked(model, file, 0, path, mapping);
}

static std::string beside(const ObjectFile &object, const char *name) {
  if (name[0] == '/')
    return name;
  return object.path.substr(0, object.path.rfind('/') + 1) + name;
}

modrt_status modrt::mapWeights(const modrt_model &model, const char *path,
                               Mapping &mapping) {
  if (path)
    return mapWhole(model, path, mapping);
  ObjectFile object = findObjectFile(&model);
  if (!model.weights_file)
    return mapAppended(model, object, mapping);
  std::string found = beside(object, model.weights_file);
  return mapWhole(model, found.c_str(), mapping);
}
