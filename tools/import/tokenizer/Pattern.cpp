//===- Pattern.cpp - Regular expressions of tokenizers ----------*- C++ -*-===//
//
// Oniguruma's syntax as PCRE2's. They agree but for a few escapes, and for
// nested classes, which are refused.
//
//===----------------------------------------------------------------------===//

#include "tools/import/tokenizer/Spec.h"

using namespace mlir;
using namespace mlir::mod;

namespace {
/// One pass over a pattern.
class Translator {
public:
  explicit Translator(StringRef pattern) : rest(pattern) {}
  llvm::Expected<std::string> run();

private:
  llvm::Error takeEscape();
  llvm::Error takeClassCharacter(char c);

  StringRef rest;
  std::string result;
  bool isInClass = false;
};
} // namespace

static constexpr llvm::StringLiteral kWord =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

llvm::Error Translator::takeEscape() {
  char c = rest.empty() ? '\0' : rest.front();
  rest = rest.drop_front(rest.empty() ? 0 : 1);
  if (c == 's' || c == 'S')
    // PCRE2's own has the Mongolian vowel separator in addition.
    result += c == 's' ? "\\p{wspace}" : "\\P{wspace}";
  else if (c == 'd' || c == 'D')
    result += c == 'd' ? "\\p{Nd}" : "\\P{Nd}";
  else if (c == 'w' && isInClass)
    result += kWord;
  else if (c == 'w' || (c == 'W' && !isInClass))
    result += ((c == 'w' ? "[" : "[^") + kWord + "]").str();
  else if (StringRef("pPnrtfxbB").contains(c) || !(llvm::isAlnum(c) || !c))
    (result += '\\') += c;
  else
    return llvm::createStringError("has '\\" + Twine(c) +
                                   "', which is not supported");
  return llvm::Error::success();
}

llvm::Error Translator::takeClassCharacter(char c) {
  result += c;
  if (c == ']')
    isInClass = false;
  if (c == '[' && !rest.starts_with(":"))
    return llvm::createStringError("has a class within a class");
  if (c == '[') {
    size_t end = std::min(rest.find(":]"), rest.size() - 2) + 2;
    result += rest.take_front(end);
    rest = rest.drop_front(end);
  }
  if (c == '&' && rest.starts_with("&"))
    return llvm::createStringError("has an intersection of classes");
  return llvm::Error::success();
}

llvm::Expected<std::string> Translator::run() {
  while (!rest.empty()) {
    char c = rest.front();
    rest = rest.drop_front();
    llvm::Error error = llvm::Error::success();
    if (c == '\\') {
      error = takeEscape();
    } else if (isInClass) {
      error = takeClassCharacter(c);
    } else {
      result += c;
      isInClass = c == '[';
      // A bracket that comes first is a character.
      for (StringRef first : {"^", "]"})
        if (isInClass && rest.consume_front(first))
          result += first;
    }
    if (error)
      return error;
  }
  return result;
}

llvm::Expected<std::string> mod::translatePattern(StringRef pattern) {
  return Translator(pattern).run();
}

std::string mod::quotePattern(StringRef text) {
  std::string quoted;
  for (char c : text) {
    if (llvm::isPunct(c))
      quoted += '\\';
    quoted += c;
  }
  return quoted;
}
