//===- ReadModel.cpp - The models of tokenizers -----------------*- C++ -*-===//
//
// Vocabularies, merges and scores.
//
//===----------------------------------------------------------------------===//

#include "tools/import/tokenizer/Spec.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace mlir::mod;
namespace json = llvm::json;
namespace table = modrt::table;

namespace {

/// Reads the object `model`.
class ModelReader {
public:
  ModelReader(ObjectReader &model, int64_t vocab, TokenizerSpec &spec)
      : model(model), vocab(vocab), spec(spec) {}
  void readBpe();
  void readUnigram();

private:
  void addPiece(const Twine &path, StringRef name, int64_t id, double score);
  void readVocabulary();
  void readMerges();
  void addMerge(const std::string &path, StringRef left, StringRef right,
                uint32_t rank);
  void readUnknown();
  void readFlag(StringRef key, table::ModelFlags flag);

  ObjectReader &model;
  int64_t vocab;
  TokenizerSpec &spec;
  llvm::StringMap<int32_t> ids;
};

} // namespace

void ModelReader::readFlag(StringRef key, table::ModelFlags flag) {
  if (model.getFlag(key, false))
    spec.flags |= flag;
}

void ModelReader::addPiece(const Twine &path, StringRef name, int64_t id,
                           double score) {
  if (id < 0 || id >= vocab)
    return model.error(path.str(), "is token " + Twine(id) +
                                       ", but the model has " + Twine(vocab));
  TokenSpec &token = spec.getToken(id);
  if (token.isPiece)
    return model.error(path.str(), "is token " + Twine(id) + ", as is '" +
                                       token.name + "'");
  token = {name.str(), /*isPiece=*/true, /*isSpecial=*/false, score};
  ids[name] = id;
}

void ModelReader::readVocabulary() {
  const json::Object *entries = model.getJson().getObject("vocab");
  if (!entries)
    return model.error("vocab", "must be an object of tokens and their ids");
  for (const auto *entry : json::sortedElements(*entries)) {
    StringRef name = entry->first;
    std::optional<int64_t> id = entry->second.getAsInteger();
    if (!id)
      return model.error("vocab", "has no integer for '" + name + "'");
    addPiece("vocab", name, *id, 0);
    if (!model.ok())
      return;
  }
}

void ModelReader::addMerge(const std::string &path, StringRef left,
                           StringRef right, uint32_t rank) {
  std::string merged = (left + right).str();
  for (StringRef name : {left, right, StringRef(merged)})
    if (!ids.count(name))
      return model.error(path, "joins '" + left + "' and '" + right +
                                   "', but the vocabulary has no '" + name +
                                   "'");
  spec.merges.push_back(
      {uint32_t(ids[left]), uint32_t(ids[right]), rank, uint32_t(ids[merged])});
}

/// Old files have merges as `a b`, new ones as `["a", "b"]`.
static std::pair<StringRef, StringRef> getPair(const json::Value &merge) {
  if (std::optional<StringRef> text = merge.getAsString())
    return text->split(' ');
  const json::Array *pair = merge.getAsArray();
  if (!pair || pair->size() != 2)
    return {};
  return {(*pair)[0].getAsString().value_or(""),
          (*pair)[1].getAsString().value_or("")};
}

void ModelReader::readMerges() {
  const json::Array *merges = model.getJson().getArray("merges");
  if (!merges)
    return model.error("merges", "must be a list of pairs of tokens");
  for (auto [rank, merge] : llvm::enumerate(*merges)) {
    auto [left, right] = getPair(merge);
    std::string path = ("merges[" + Twine(rank) + "]").str();
    if (left.empty() || right.empty())
      return model.error(path, "must be a pair of tokens");
    addMerge(path, left, right, rank);
    if (!model.ok())
      return;
  }
}

void ModelReader::readUnknown() {
  StringRef unknown = model.getString("unk_token", "");
  if (unknown.empty())
    return;
  auto id = ids.find(unknown);
  if (id == ids.end())
    return model.error("unk_token",
                       "is '" + unknown + "', which is not in the vocabulary");
  spec.unknown = id->second;
}

void ModelReader::readBpe() {
  model.allowOnly({"type", "dropout", "unk_token", "continuing_subword_prefix",
                   "end_of_word_suffix", "fuse_unk", "byte_fallback",
                   "ignore_merges", "vocab", "merges"});
  for (StringRef key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.getString(key, "").empty())
      model.error(key, "is not supported: expected none");
  if (model.has("dropout") && model.getJson().getNumber("dropout") != 0.0)
    model.error("dropout", "is not supported: expected none");
  spec.model = table::Model::Bpe;
  readFlag("byte_fallback", table::ByteFallback);
  readFlag("ignore_merges", table::IgnoreMerges);
  readFlag("fuse_unk", table::FuseUnknown);
  readVocabulary();
  readMerges();
  readUnknown();
}

void ModelReader::readUnigram() {
  model.allowOnly({"type", "unk_id", "vocab", "byte_fallback"});
  spec.model = table::Model::Unigram;
  spec.flags |= table::FuseUnknown;
  readFlag("byte_fallback", table::ByteFallback);
  const json::Array *entries = model.getJson().getArray("vocab");
  if (!entries || entries->empty())
    return model.error("vocab", "must be a list of tokens and their scores");
  double least = 0;
  for (auto [id, entry] : llvm::enumerate(*entries)) {
    std::string path = ("vocab[" + Twine(id) + "]").str();
    const json::Array *pair = entry.getAsArray();
    if (!pair || pair->size() != 2 || !(*pair)[0].getAsString() ||
        !(*pair)[1].getAsNumber())
      return model.error(path, "must be a pair of a token and its score");
    double score = *(*pair)[1].getAsNumber();
    least = id ? std::min(least, score) : score;
    addPiece(path, *(*pair)[0].getAsString(), id, score);
    if (!model.ok())
      return;
  }
  // What an unknown character costs, as in SentencePiece.
  spec.unknownScore = least - 10;
  spec.unknown = model.getInteger("unk_id", 0, entries->size() - 1);
}

void mod::readModel(ObjectReader &root, int64_t vocab, TokenizerSpec &spec) {
  if (!root.has("model"))
    return root.error("model", "is missing");
  ObjectReader model = root.getObject("model");
  // Old files do not say what has merges.
  StringRef type = model.has("type") || !model.has("merges")
                       ? model.getChoice("type", {"BPE", "Unigram"}, "")
                       : "BPE";
  ModelReader reader(model, vocab, spec);
  if (type == "BPE")
    return reader.readBpe();
  if (type == "Unigram" && spec.isByteLevel())
    return root.error("pre_tokenizer",
                      "'ByteLevel' does not go with a Unigram model");
  if (type == "Unigram")
    return reader.readUnigram();
  model.error("type", "is missing: expected BPE or Unigram");
}
