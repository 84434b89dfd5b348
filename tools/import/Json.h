//===- Json.h - JSON files with places for errors ---------------*- C++ -*-===//
//
// JSON files whose values know their line, read member by member.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_JSON_H
#define MOD_TOOLS_IMPORT_JSON_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"
#include <optional>
#include <vector>

namespace mlir::mod {

/// A JSON file whose root is an object, and where each of its values stands.
/// Values are named by their path: `mod.capacity[1]`.
class JsonFile {
public:
  /// `subject` is what messages call its contents.
  JsonFile(StringRef path, StringRef subject, MLIRContext *context);

  const llvm::json::Object &getRoot() const { return root; }

  /// Whether there was no error so far.
  bool ok() const { return !failed; }

  /// Emits an error at the value, or at the file if there is no such value;
  /// nothing after the first error, whose consequence it may be.
  void error(StringRef valuePath, const Twine &message);

  /// A number as it is written: only so `1` and `1.0` differ.
  StringRef getNumberText(StringRef valuePath) const;

private:
  llvm::Error read(StringRef subject);
  std::optional<size_t> getPlace(StringRef valuePath) const;

  std::string path;
  MLIRContext *context;
  std::string text;
  llvm::json::Object root;
  /// Noted when the first one is asked for: files may have many values.
  mutable llvm::StringMap<size_t> places;
  bool failed = false;
};

/// Reads the members of an object. After an error, which is emitted, members
/// read as any value, so that a caller asks the file once whether all is well.
class ObjectReader {
public:
  /// The largest count: products of two fit an int64_t.
  static constexpr int64_t kMaxCount = (int64_t(1) << 31) - 1;

  explicit ObjectReader(JsonFile &file) : file(file), object(&file.getRoot()) {}

  /// Whether the member exists and is not null.
  bool has(StringRef key) const;

  /// An integer in `[1, max]`; required without a fallback.
  int64_t getCount(StringRef key, std::optional<int64_t> fallback = {},
                   int64_t max = kMaxCount);
  /// An integer in `[min, max]`, required.
  int64_t getInteger(StringRef key, int64_t min, int64_t max);
  /// An integer from 0 on.
  int64_t getNatural(StringRef key, int64_t fallback);
  double getPositive(StringRef key, double fallback);
  double getFinite(StringRef key, double fallback);
  bool getFlag(StringRef key, bool fallback);
  StringRef getString(StringRef key, StringRef fallback);

  /// The member, which must be one of `cases`.
  StringRef getChoice(StringRef key, ArrayRef<StringRef> cases,
                      StringRef fallback);

  /// A member, or an element of a member that is a list.
  struct Element {
    std::string path;
    const llvm::json::Value *value;
    /// A number as it is written.
    StringRef text;

    /// Whether it is a number that is written with a fraction or an exponent.
    bool isFloat() const;

    /// The value as a message shows it.
    std::string describe() const;
  };

  /// The elements of a list; the member itself if it is no list.
  SmallVector<Element> getElements(StringRef key);

  /// The same of an element.
  SmallVector<Element> getElements(const Element &element) const;

  /// An integer in `[min, max]`.
  int64_t toInteger(const Element &element, int64_t min, int64_t max);

  /// The members of an object member.
  ObjectReader getObject(StringRef key);
  /// The same; those that it lacks are as in `merged`, which becomes both and
  /// must outlive the reader.
  ObjectReader getObject(StringRef key, llvm::json::Object &merged);

  /// The objects of a list; none where it is missing.
  std::vector<ObjectReader> getObjects(StringRef key);

  /// The object itself, for members of many values.
  const llvm::json::Object &getJson() const { return *object; }

  /// Whether there was no error in the file so far.
  bool ok() const { return file.ok(); }

  /// Refuses keys that are not listed.
  void allowOnly(ArrayRef<StringRef> known);

  bool isList(StringRef key) const;

  void error(StringRef key, const Twine &message);
  void error(const Element &element, const Twine &message);

private:
  ObjectReader(JsonFile &file, const llvm::json::Object *object,
               std::string prefix)
      : file(file), object(object), prefix(std::move(prefix)) {}
  Element get(StringRef key) const;
  Element makeElement(std::string path, const llvm::json::Value &value) const;

  JsonFile &file;
  const llvm::json::Object *object;
  std::string prefix;
};

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_JSON_H
