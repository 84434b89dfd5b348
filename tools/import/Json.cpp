//===- Json.cpp - JSON files with places for errors -------------*- C++ -*-===//
//
// Parses strictly; a second walk notes the places of the values.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Json.h"
#include "codegen/weights/StrictJSON.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;
namespace json = llvm::json;

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

namespace {
/// Walks a valid JSON text and notes where each value begins.
class Locator {
public:
  Locator(StringRef text, llvm::StringMap<size_t> &places)
      : text(text), places(places) {}

  void walk() { walkValue(""); }

private:
  char skipToToken() {
    position = text.find_first_not_of(" \t\r\n,:", position);
    return text[position];
  }
  void walkValue(const std::string &path);
  void walkObject(const std::string &path);
  void walkArray(const std::string &path);
  std::string walkString();

  StringRef text;
  llvm::StringMap<size_t> &places;
  size_t position = 0;
};
} // namespace

void Locator::walkValue(const std::string &path) {
  char first = skipToToken();
  places[path] = position;
  if (first == '{')
    walkObject(path);
  else if (first == '[')
    walkArray(path);
  else if (first == '"')
    walkString();
  else
    position =
        std::min(text.find_first_of(" \t\r\n,]}", position), text.size());
}

void Locator::walkObject(const std::string &path) {
  ++position;
  while (skipToToken() != '}') {
    std::string key = walkString();
    // Such a key must not pass for the path of another value.
    if (StringRef(key).find_first_of(".[") != StringRef::npos)
      key = "'" + key + "'";
    walkValue(path.empty() ? key : path + "." + key);
  }
  ++position;
}

void Locator::walkArray(const std::string &path) {
  ++position;
  for (size_t index = 0; skipToToken() != ']'; ++index)
    walkValue((path + "[" + Twine(index) + "]").str());
  ++position;
}

std::string Locator::walkString() {
  size_t begin = position++;
  while (text[position] != '"')
    position += text[position] == '\\' ? 2 : 1;
  StringRef quoted = text.slice(begin, ++position);
  if (!quoted.contains('\\'))
    return quoted.drop_front().drop_back().str();
  return llvm::cantFail(json::parse(quoted)).getAsString()->str();
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

JsonFile::JsonFile(StringRef path, StringRef subject, MLIRContext *context)
    : path(path), context(context) {
  llvm::Error error = read(subject);
  failed = bool(error);
  if (error)
    emitError(UnknownLoc::get(context)) << llvm::toString(std::move(error));
}

llvm::Error JsonFile::read(StringRef subject) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return llvm::createStringError(path + ": " + buffer.getError().message());
  text = (*buffer)->getBuffer().str();
  llvm::Expected<json::Object> object = parseStrictJSON(path, subject, text);
  if (!object)
    return object.takeError();
  root = std::move(*object);
  return llvm::Error::success();
}

std::optional<size_t> JsonFile::getPlace(StringRef valuePath) const {
  if (places.empty() && !text.empty())
    Locator(text, places).walk();
  auto place = places.find(valuePath);
  return place == places.end() ? std::nullopt : std::optional(place->second);
}

void JsonFile::error(StringRef valuePath, const Twine &message) {
  if (failed)
    return;
  failed = true;
  StringRef before =
      StringRef(text).take_front(getPlace(valuePath).value_or(0));
  size_t line = before.count('\n') + 1;
  size_t column = before.size() - (before.rfind('\n') + 1) + 1;
  std::string name =
      valuePath.empty() ? "the file" : ("'" + valuePath + "'").str();
  emitError(FileLineColLoc::get(context, path, line, column))
      << name << " " << message;
}

StringRef JsonFile::getNumberText(StringRef valuePath) const {
  std::optional<size_t> place = getPlace(valuePath);
  if (!place)
    return "";
  StringRef rest = StringRef(text).drop_front(*place);
  return rest.take_front(rest.find_first_not_of("+-.eE0123456789"));
}

//===----------------------------------------------------------------------===//
// Members
//===----------------------------------------------------------------------===//

bool ObjectReader::has(StringRef key) const {
  const json::Value *value = object->get(key);
  return value && value->kind() != json::Value::Null;
}

bool ObjectReader::isList(StringRef key) const { return object->getArray(key); }

void ObjectReader::error(StringRef key, const Twine &message) {
  file.error(prefix + key.str(), message);
}

void ObjectReader::error(const Element &element, const Twine &message) {
  file.error(element.path, message);
}

ObjectReader::Element
ObjectReader::makeElement(std::string path, const json::Value &value) const {
  StringRef text = file.getNumberText(path);
  return {std::move(path), &value, text};
}

ObjectReader::Element ObjectReader::get(StringRef key) const {
  return makeElement(prefix + key.str(), *object->get(key));
}

bool ObjectReader::Element::isFloat() const {
  return value->getAsNumber() && text.find_first_of(".eE") != StringRef::npos;
}

std::string ObjectReader::Element::describe() const {
  if (value->getAsObject())
    return "an object";
  if (value->getAsArray())
    return "a list";
  std::string shown = llvm::formatv("{0}", *value);
  if (std::optional<StringRef> string = value->getAsString())
    shown = ("'" + *string + "'").str();
  else if (value->getAsNumber())
    shown = text.str();
  constexpr size_t kMaxShown = 80;
  return shown.size() > kMaxShown ? shown.substr(0, kMaxShown) + "..." : shown;
}

int64_t ObjectReader::toInteger(const Element &element, int64_t min,
                                int64_t max) {
  std::optional<int64_t> integer = element.value->getAsInteger();
  if (integer && !element.isFloat() && *integer >= min && *integer <= max)
    return *integer;
  error(element, "must be an integer from " + Twine(min) + " to " + Twine(max) +
                     ", not " + element.describe());
  return min;
}

int64_t ObjectReader::getCount(StringRef key, std::optional<int64_t> fallback,
                               int64_t max) {
  if (has(key))
    return toInteger(get(key), 1, max);
  if (!fallback)
    error(key, "is missing: expected a positive integer");
  return fallback.value_or(1);
}

int64_t ObjectReader::getInteger(StringRef key, int64_t min, int64_t max) {
  if (has(key))
    return toInteger(get(key), min, max);
  error(key, "is missing: expected an integer from " + Twine(min) + " to " +
                 Twine(max));
  return min;
}

int64_t ObjectReader::getNatural(StringRef key, int64_t fallback) {
  return has(key) ? toInteger(get(key), 0, kMaxCount) : fallback;
}

double ObjectReader::getPositive(StringRef key, double fallback) {
  if (!has(key))
    return fallback;
  std::optional<double> number = object->getNumber(key);
  if (number && *number > 0 && std::isfinite(*number))
    return *number;
  error(key, "must be a positive number, not " + get(key).describe());
  return fallback;
}

double ObjectReader::getFinite(StringRef key, double fallback) {
  if (!has(key))
    return fallback;
  std::optional<double> number = object->getNumber(key);
  if (number && std::isfinite(*number))
    return *number;
  error(key, "must be a number, not " + get(key).describe());
  return fallback;
}

bool ObjectReader::getFlag(StringRef key, bool fallback) {
  if (!has(key))
    return fallback;
  if (std::optional<bool> flag = object->getBoolean(key))
    return *flag;
  error(key, "must be true or false, not " + get(key).describe());
  return fallback;
}

StringRef ObjectReader::getString(StringRef key, StringRef fallback) {
  if (!has(key))
    return fallback;
  if (std::optional<StringRef> string = object->getString(key))
    return *string;
  error(key, "must be a string, not " + get(key).describe());
  return fallback;
}

StringRef ObjectReader::getChoice(StringRef key, ArrayRef<StringRef> cases,
                                  StringRef fallback) {
  if (!has(key))
    return fallback;
  std::optional<StringRef> string = object->getString(key);
  if (string && llvm::is_contained(cases, *string))
    return *string;
  error(key, "is " + get(key).describe() +
                 ", expected one of: " + llvm::join(cases, ", "));
  return fallback;
}

SmallVector<ObjectReader::Element> ObjectReader::getElements(StringRef key) {
  return getElements(get(key));
}

SmallVector<ObjectReader::Element>
ObjectReader::getElements(const Element &element) const {
  const json::Array *list = element.value->getAsArray();
  if (!list)
    return {element};
  SmallVector<Element> elements;
  for (auto [index, value] : llvm::enumerate(*list))
    elements.push_back(
        makeElement((element.path + "[" + Twine(index) + "]").str(), value));
  return elements;
}

ObjectReader ObjectReader::getObject(StringRef key) {
  static const json::Object empty;
  const json::Object *member = object->getObject(key);
  if (!member && has(key))
    error(key, "must be an object, not " + get(key).describe());
  return {file, member ? member : &empty, prefix + key.str() + "."};
}

std::vector<ObjectReader> ObjectReader::getObjects(StringRef key) {
  std::vector<ObjectReader> objects;
  if (has(key) && !isList(key))
    error(key, "must be a list, not " + get(key).describe());
  const json::Array *list = object->getArray(key);
  for (size_t index = 0; list && index < list->size(); ++index) {
    std::string path = (prefix + key + "[" + Twine(index) + "]").str();
    const json::Object *element = (*list)[index].getAsObject();
    if (!element)
      file.error(path, "must be an object");
    else
      objects.push_back({file, element, path + "."});
  }
  return objects;
}

ObjectReader ObjectReader::getObject(StringRef key, json::Object &merged) {
  ObjectReader own = getObject(key);
  for (const auto &[name, value] : *own.object)
    merged[name] = value;
  return {file, &merged, prefix + key.str() + "."};
}

void ObjectReader::allowOnly(ArrayRef<StringRef> known) {
  SmallVector<StringRef> unknown;
  for (const auto *member : json::sortedElements(*object))
    if (!llvm::is_contained(known, StringRef(member->first)))
      unknown.push_back(member->first);
  if (!unknown.empty())
    file.error(StringRef(prefix).rtrim('.'),
               "has unknown keys: " + llvm::join(unknown, ", ") +
                   "; known are: " + llvm::join(known, ", "));
}
