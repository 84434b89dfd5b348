//===- Checkpoint.cpp - The tensors of a model ------------------*- C++ -*-===//
//
// Finds the files of a checkpoint and joins their tensors.
//
//===----------------------------------------------------------------------===//

#include "codegen/weights/Checkpoint.h"
#include "codegen/weights/StrictJSON.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <map>

using namespace mlir;
using namespace mlir::mod;
namespace json = llvm::json;
namespace path = llvm::sys::path;

static llvm::Error fileError(StringRef file, const Twine &message) {
  return llvm::createStringError(file + ": " + message);
}

/// The file to open for what the user named.
static llvm::Expected<std::string> resolve(StringRef named) {
  if (!llvm::sys::fs::is_directory(named))
    return named.str();
  for (StringRef name : {"model.safetensors.index.json", "model.safetensors"}) {
    SmallString<128> file(named);
    path::append(file, name);
    if (llvm::sys::fs::exists(file))
      return file.str().str();
  }
  return fileError(named, "expected model.safetensors or "
                          "model.safetensors.index.json in this directory");
}

llvm::Expected<Checkpoint> Checkpoint::open(StringRef named) {
  llvm::Expected<std::string> file = resolve(named);
  if (!file)
    return file.takeError();
  Checkpoint checkpoint;
  checkpoint.path = *file;
  llvm::Error error = path::extension(*file) == ".json"
                          ? checkpoint.addShards(*file)
                          : checkpoint.addFile(*file);
  if (error)
    return error;
  return checkpoint;
}

llvm::Error Checkpoint::addFile(StringRef file) {
  llvm::Expected<SafetensorsFile> opened = SafetensorsFile::open(file);
  if (!opened)
    return opened.takeError();
  files.push_back(std::make_unique<SafetensorsFile>(std::move(*opened)));
  for (const SafetensorsTensor &tensor : files.back()->getTensors()) {
    Entry entry{&tensor, files.back().get()};
    auto [it, inserted] = entries.try_emplace(tensor.name, entry);
    if (!inserted)
      return fileError(file, "tensor '" + tensor.name + "' is also in " +
                                 it->second.file->getPath());
    order.push_back(entry);
  }
  return llvm::Error::success();
}

/// The tensors that each file is said to have.
using WeightMap = std::map<std::string, llvm::StringSet<>>;

static llvm::Expected<WeightMap> readIndex(StringRef indexPath) {
  auto buffer = llvm::MemoryBuffer::getFile(indexPath);
  if (std::error_code code = buffer.getError())
    return fileError(indexPath, code.message());
  llvm::Expected<json::Object> index =
      parseStrictJSON(indexPath, "the index", (*buffer)->getBuffer());
  if (!index)
    return index.takeError();
  const json::Object *map = index->getObject("weight_map");
  if (!map)
    return fileError(indexPath, "expected an object 'weight_map'");
  WeightMap shards;
  for (const auto &[name, shard] : *map) {
    std::optional<StringRef> file = shard.getAsString();
    // A checkpoint names files beside it, not files anywhere on this machine.
    if (!file || file->empty() || path::filename(*file) != *file)
      return fileError(indexPath, "tensor '" + StringRef(name) +
                                      "': expected the name of a file in the "
                                      "same directory");
    shards[file->str()].insert(StringRef(name));
  }
  return shards;
}

/// Checks that a shard has the tensors that the index says, and no others.
static llvm::Error checkShard(const SafetensorsFile &file,
                              const llvm::StringSet<> &names,
                              StringRef indexPath) {
  for (const auto &name : names)
    if (!file.find(name.getKey()))
      return fileError(file.getPath(), "no tensor '" + name.getKey() +
                                           "', expected by " + indexPath);
  for (const SafetensorsTensor &tensor : file.getTensors())
    if (!names.contains(tensor.name))
      return fileError(file.getPath(), "tensor '" + tensor.name +
                                           "' is not in the weight_map of " +
                                           indexPath);
  return llvm::Error::success();
}

llvm::Error Checkpoint::addShards(StringRef indexPath) {
  llvm::Expected<WeightMap> shards = readIndex(indexPath);
  if (!shards)
    return shards.takeError();
  for (const auto &[shard, names] : *shards) {
    SmallString<128> file(path::parent_path(indexPath));
    path::append(file, shard);
    if (llvm::Error error = addFile(file))
      return error;
    if (llvm::Error error = checkShard(*files.back(), names, indexPath))
      return error;
  }
  return llvm::Error::success();
}
