//===- StrictJSON.cpp - JSON from strangers ---------------------*- C++ -*-===//
//
// Looks for what LLVM's parser would not survive or not report, then parses.
//
//===----------------------------------------------------------------------===//

#include "codegen/weights/StrictJSON.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::mod;
namespace json = llvm::json;

static constexpr size_t maxNesting = 64;

namespace {
/// Walks JSON text without building anything. Text that is no JSON is left to
/// the parser to complain about.
class Scanner {
public:
  Scanner(StringRef path, StringRef subject, StringRef text)
      : path(path), subject(subject), text(text) {}

  llvm::Error scan();

private:
  llvm::Error takeStringOrKey();
  llvm::Error takePunctuation();
  llvm::Error addKey(StringRef key);
  llvm::Error error(const Twine &message) {
    return llvm::createStringError(path + ": " + subject + message);
  }

  StringRef path;
  StringRef subject;
  StringRef text;
  /// The keys of each object (nothing for an array) around the position.
  SmallVector<llvm::StringSet<>> keys;
};
} // namespace

llvm::Error Scanner::scan() {
  while (!text.empty()) {
    llvm::Error error =
        text.front() == '"' ? takeStringOrKey() : takePunctuation();
    if (error)
      return error;
  }
  return llvm::Error::success();
}

llvm::Error Scanner::takeStringOrKey() {
  size_t end = 1;
  while (end < text.size() && text[end] != '"')
    end += text[end] == '\\' ? 2 : 1;
  StringRef string = text.slice(1, end);
  text = text.substr(end + 1);
  return text.ltrim(" \t\r\n").starts_with(":") ? addKey(string)
                                                : llvm::Error::success();
}

llvm::Error Scanner::takePunctuation() {
  char c = text.front();
  text = text.drop_front();
  if (c == '{' || c == '[') {
    keys.emplace_back();
    if (keys.size() > maxNesting)
      return error(" is nested more than " + Twine(maxNesting) + " deep");
  } else if ((c == '}' || c == ']') && !keys.empty()) {
    keys.pop_back();
  }
  return llvm::Error::success();
}

llvm::Error Scanner::addKey(StringRef key) {
  // Equal keys may be spelt differently: "a" and "\u0061".
  std::string name = key.str();
  if (key.contains('\\')) {
    llvm::Expected<json::Value> value = json::parse(("\"" + key + "\"").str());
    if (!value)
      return error(" is not JSON: " + llvm::toString(value.takeError()));
    name = value->getAsString()->str();
  }
  if (!keys.empty() && !keys.back().insert(name).second)
    return error(" has the key '" + name + "' twice");
  return llvm::Error::success();
}

llvm::Expected<json::Object>
mod::parseStrictJSON(StringRef path, StringRef subject, StringRef text) {
  if (llvm::Error error = Scanner(path, subject, text).scan())
    return error;
  llvm::Expected<json::Value> value = json::parse(text);
  if (!value)
    return llvm::createStringError(path + ": " + subject + " is not JSON: " +
                                   llvm::toString(value.takeError()));
  if (json::Object *object = value->getAsObject())
    return std::move(*object);
  return llvm::createStringError(path + ": " + subject +
                                 " is not a JSON object");
}
