//===- Safetensors.cpp - Reading and writing safetensors files --*- C++ -*-===//
//
// A file is 8 bytes of header length, a JSON header, and the data. Nothing in
// it is believed before it is checked: models come from strangers.
//
//===----------------------------------------------------------------------===//

#include "codegen/Safetensors.h"
#include "codegen/weights/StrictJSON.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::mod;
namespace json = llvm::json;

/// Limits that no sane file comes near to; they bound what a bad one costs.
static constexpr uint64_t maxHeaderBytes = 100'000'000;
static constexpr size_t maxTensors = 1'000'000;

static llvm::Error fileError(StringRef path, const Twine &message) {
  return llvm::createStringError(path + ": " + message);
}

static llvm::Error tensorError(StringRef path, StringRef name,
                               const Twine &message) {
  return fileError(path, "tensor '" + name + "': " + message);
}

std::string mod::describe(StringRef dtype, ArrayRef<int64_t> shape) {
  return llvm::formatv("{0} [{1:$[, ]}]", dtype,
                       llvm::make_range(shape.begin(), shape.end()));
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// Bits of an element, or 0 where the dtype is not known.
static int64_t getElementBits(StringRef dtype) {
  return llvm::StringSwitch<int64_t>(dtype)
      .Cases({"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"}, 8)
      .Cases({"I16", "U16", "F16", "BF16"}, 16)
      .Cases({"I32", "U32", "F32"}, 32)
      .Cases({"I64", "U64", "F64", "C64"}, 64)
      .Default(0);
}

Type mod::getSafetensorsElementType(MLIRContext *context, StringRef dtype) {
  Builder builder(context);
  return llvm::StringSwitch<Type>(dtype)
      .Case("F64", builder.getF64Type())
      .Case("F32", builder.getF32Type())
      .Case("F16", builder.getF16Type())
      .Case("BF16", builder.getBF16Type())
      .Case("I64", builder.getI64Type())
      .Case("I32", builder.getI32Type())
      .Case("I16", builder.getIntegerType(16))
      .Case("I8", builder.getIntegerType(8))
      .Default(Type());
}

StringRef mod::getSafetensorsDtype(Type elementType) {
  for (StringRef dtype :
       {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8"})
    if (getSafetensorsElementType(elementType.getContext(), dtype) ==
        elementType)
      return dtype;
  return "";
}

llvm::Expected<RankedTensorType>
mod::getSafetensorsType(MLIRContext *context, StringRef path,
                        const SafetensorsTensor &tensor) {
  Type elementType = getSafetensorsElementType(context, tensor.dtype);
  if (!elementType)
    return tensorError(path, tensor.name,
                       "dtype '" + tensor.dtype +
                           "' is not supported, expected F64, F32, F16, BF16, "
                           "I64, I32, I16 or I8");
  return RankedTensorType::get(tensor.shape, elementType);
}

//===----------------------------------------------------------------------===//
// The header
//===----------------------------------------------------------------------===//

/// The text of the header.
static llvm::Expected<StringRef> getHeader(StringRef path, StringRef contents) {
  if (contents.size() < 8)
    return fileError(path, "truncated: the file has " + Twine(contents.size()) +
                               " bytes, expected at least 8");
  uint64_t length = llvm::support::endian::read64le(contents.data());
  if (length > maxHeaderBytes)
    return fileError(path, "the header has " + Twine(length) +
                               " bytes, expected at most " +
                               Twine(maxHeaderBytes));
  if (length > contents.size() - 8)
    return fileError(path, "truncated: the header has " + Twine(length) +
                               " bytes, but only " +
                               Twine(contents.size() - 8) + " follow");
  return contents.substr(8, length);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// Reads an array of nonnegative integers.
static bool getIntegers(const json::Value *value,
                        SmallVectorImpl<int64_t> &integers) {
  const json::Array *array = value ? value->getAsArray() : nullptr;
  if (!array)
    return false;
  for (const json::Value &element : *array) {
    std::optional<int64_t> integer = element.getAsInteger();
    if (!integer || *integer < 0)
      return false;
    integers.push_back(*integer);
  }
  return true;
}

/// The bytes of a tensor, or nothing where they exceed 64 bits.
static std::optional<int64_t> getNumBytes(ArrayRef<int64_t> shape,
                                          int64_t bits) {
  std::optional<int64_t> count = 1;
  for (int64_t size : shape)
    if (count)
      count = llvm::checkedMul(*count, size);
  return count ? llvm::checkedMul(*count, bits / 8) : std::nullopt;
}

/// Checks that the range of a tensor lies in the data and has the bytes that
/// its dtype and shape say.
static llvm::Error checkRange(StringRef path, const SafetensorsTensor &tensor,
                              int64_t begin, int64_t end, int64_t dataBytes) {
  auto error = [&](const Twine &message) {
    return tensorError(path, tensor.name,
                       "data_offsets [" + Twine(begin) + ", " + Twine(end) +
                           "] " + message);
  };
  if (begin > end)
    return error("end before they begin");
  if (end > dataBytes)
    return error("lie beyond the " + Twine(dataBytes) +
                 " bytes of data; is the file truncated?");
  int64_t bits = getElementBits(tensor.dtype);
  std::optional<int64_t> bytes = getNumBytes(tensor.shape, bits);
  if (!bytes)
    return tensorError(path, tensor.name,
                       describe(tensor.dtype, tensor.shape) +
                           " has more than 2^63 bytes");
  if (bits && *bytes != end - begin)
    return error("cover " + Twine(end - begin) + " bytes, expected " +
                 Twine(*bytes) + " for " +
                 describe(tensor.dtype, tensor.shape));
  return llvm::Error::success();
}

static llvm::Expected<SafetensorsTensor> parseTensor(StringRef path,
                                                     StringRef name,
                                                     const json::Value &value,
                                                     StringRef data) {
  auto error = [&](const Twine &message) {
    return tensorError(path, name, message);
  };
  const json::Object *object = value.getAsObject();
  if (!object)
    return error("expected an object with dtype, shape and data_offsets");
  for (const auto &[key, unused] : *object)
    if (!llvm::is_contained({"dtype", "shape", "data_offsets"}, StringRef(key)))
      return error("unknown key '" + StringRef(key) + "'");
  std::optional<StringRef> dtype = object->getString("dtype");
  if (!dtype)
    return error("dtype is not a string");
  SafetensorsTensor tensor{name.str(), dtype->str(), {}, {}};
  if (!getIntegers(object->get("shape"), tensor.shape))
    return error("shape is not an array of nonnegative integers");
  SmallVector<int64_t> offsets;
  if (!getIntegers(object->get("data_offsets"), offsets) || offsets.size() != 2)
    return error("data_offsets are not two nonnegative integers");
  if (llvm::Error error =
          checkRange(path, tensor, offsets[0], offsets[1], data.size()))
    return error;
  tensor.data = ArrayRef(data.data() + offsets[0], offsets[1] - offsets[0]);
  return tensor;
}

/// Checks that the tensors, in the order of their data, cover all of it.
static llvm::Error checkCoverage(StringRef path,
                                 ArrayRef<SafetensorsTensor> tensors,
                                 StringRef data) {
  const char *end = data.begin();
  const SafetensorsTensor *last = nullptr;
  for (const SafetensorsTensor &tensor : tensors) {
    if (tensor.data.begin() < end)
      return tensorError(path, tensor.name,
                         "data overlaps that of '" + last->name + "'");
    if (tensor.data.begin() > end)
      return tensorError(path, tensor.name,
                         "a hole of " + Twine(tensor.data.begin() - end) +
                             " bytes before the data");
    end = tensor.data.end();
    last = &tensor;
  }
  if (end != data.end())
    return fileError(path,
                     Twine(data.end() - end) + " bytes after the last tensor");
  return llvm::Error::success();
}

static llvm::Error parseMetadata(StringRef path, const json::Value &value,
                                 llvm::StringMap<std::string> &metadata) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return fileError(path, "__metadata__ is not an object");
  for (const auto &[key, entry] : *object) {
    std::optional<StringRef> string = entry.getAsString();
    if (!string)
      return fileError(path, "__metadata__: the value of '" + StringRef(key) +
                                 "' is not a string");
    metadata[key] = string->str();
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

llvm::Expected<SafetensorsFile> SafetensorsFile::open(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (std::error_code code = buffer.getError())
    return fileError(path, code.message());
  return parse(std::move(*buffer));
}

llvm::Expected<SafetensorsFile>
SafetensorsFile::parse(std::shared_ptr<llvm::MemoryBuffer> buffer) {
  SafetensorsFile file;
  file.buffer = std::move(buffer);
  StringRef path = file.getPath();
  StringRef contents = file.buffer->getBuffer();
  llvm::Expected<StringRef> text = getHeader(path, contents);
  if (!text)
    return text.takeError();
  llvm::Expected<json::Object> header =
      parseStrictJSON(path, "the header", *text);
  if (!header)
    return header.takeError();
  if (header->size() > maxTensors)
    return fileError(path, "the header has " + Twine(header->size()) +
                               " entries, expected at most " +
                               Twine(maxTensors));

  StringRef data = contents.drop_front(8 + text->size());
  for (const auto &[key, value] : *header) {
    if (StringRef(key) == "__metadata__") {
      if (llvm::Error error = parseMetadata(path, value, file.metadata))
        return error;
      continue;
    }
    llvm::Expected<SafetensorsTensor> tensor =
        parseTensor(path, key, value, data);
    if (!tensor)
      return tensor.takeError();
    file.tensors.push_back(std::move(*tensor));
  }
  llvm::sort(file.tensors, [](const auto &a, const auto &b) {
    return std::make_tuple(a.data.begin(), a.data.end(), StringRef(a.name)) <
           std::make_tuple(b.data.begin(), b.data.end(), StringRef(b.name));
  });
  for (const auto &[index, tensor] : llvm::enumerate(file.tensors))
    file.indices[tensor.name] = index;
  if (llvm::Error error = checkCoverage(path, file.tensors, data))
    return error;
  return file;
}

const SafetensorsTensor *SafetensorsFile::find(StringRef name) const {
  auto it = indices.find(name);
  return it == indices.end() ? nullptr : &tensors[it->second];
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static void writeEntry(json::OStream &json, const SafetensorsEntry &entry) {
  RankedTensorType type = entry.type;
  int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  json.attributeObject(entry.name, [&] {
    json.attribute("dtype", getSafetensorsDtype(type.getElementType()));
    json.attribute("shape", json::Array(type.getShape()));
    json.attribute("data_offsets",
                   json::Array{entry.offset, entry.offset + bytes});
  });
}

std::string mod::makeSafetensorsHeader(
    ArrayRef<SafetensorsEntry> entries,
    ArrayRef<std::pair<std::string, std::string>> metadata,
    uint64_t alignment) {
  std::string header(8, '\0');
  llvm::raw_string_ostream os(header);
  json::OStream json(os);
  json.object([&] {
    if (!metadata.empty())
      json.attributeObject("__metadata__", [&] {
        for (const auto &[key, value] : metadata)
          json.attribute(key, value);
      });
    for (const SafetensorsEntry &entry : entries)
      writeEntry(json, entry);
  });
  header.resize(llvm::alignTo(header.size(), alignment), ' ');
  llvm::support::endian::write64le(header.data(), header.size() - 8);
  return header;
}
