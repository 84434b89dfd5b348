//===- ModDialect.cpp - The mod dialect -------------------------*- C++ -*-===//
//
// Registration, and the assembly of types.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModDialect.h"
#include "dialect/ModOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::mod;

#include "dialect/ModDialect.cpp.inc"
#include "dialect/ModEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialect/ModAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialect/ModTypes.cpp.inc"

namespace {
/// Every op may be inlined: none has a meaning that depends on its function.
struct ModInlinerInterface : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final {
    return true;
  }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final {
    return true;
  }
};
} // namespace

void ModDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/ModAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/ModTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/ModOps.cpp.inc"
      >();
  addInterfaces<ModInlinerInterface>();
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// Parses `<` and the sequences, unless there is one, two more static
/// dimensions and, if asked for, an element type.
static ParseResult parseDims(AsmParser &parser, SmallVectorImpl<int64_t> &dims,
                             Type *elementType) {
  if (parser.parseLess() ||
      parser.parseDimensionList(dims, /*allowDynamic=*/false,
                                /*withTrailingX=*/elementType != nullptr))
    return failure();
  if (dims.size() == 2)
    dims.insert(dims.begin(), 1);
  if (dims.size() != 3)
    return parser.emitError(parser.getCurrentLocation(),
                            "expected two dimensions, or three where there are "
                            "several sequences");
  return elementType ? parser.parseType(*elementType) : success();
}

static void printSequences(AsmPrinter &printer, int64_t sequences) {
  if (sequences != 1)
    printer << sequences << "x";
}

Type KVCacheType::parse(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<int64_t> dims;
  Type elementType;
  if (parseDims(parser, dims, &elementType))
    return {};
  bool hasPositions = succeeded(parser.parseOptionalComma());
  if ((hasPositions && parser.parseKeyword("positions")) ||
      parser.parseGreater())
    return {};
  return parser.getChecked<KVCacheType>(loc, parser.getContext(), dims[0],
                                        dims[1], dims[2], elementType,
                                        hasPositions);
}

void KVCacheType::print(AsmPrinter &printer) const {
  printer << "<";
  printSequences(printer, getSequences());
  printer << getLength() << "x" << getWidth() << "x" << getElementType()
          << (getHasPositions() ? ", positions>" : ">");
}

LogicalResult KVCacheType::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t sequences, int64_t length,
                                  int64_t width, Type elementType, bool) {
  if (sequences < 1)
    return emitError() << "a cache is of one sequence or more";
  if (length < 1 || width < 1)
    return emitError() << "a cache needs a positive length and width";
  if (!isa<FloatType>(elementType))
    return emitError() << "a cache holds floats, not " << elementType;
  return success();
}

LogicalResult LatchType::verify(function_ref<InFlightDiagnostic()> emitError,
                                int64_t sequences) {
  if (sequences < 1)
    return emitError() << "a latch is of one sequence or more";
  return success();
}

Type TraceType::parse(AsmParser &parser) {
  SmallVector<int64_t> dims;
  if (parseDims(parser, dims, nullptr) || parser.parseGreater())
    return {};
  return get(parser.getContext(), dims[0], dims[1], dims[2]);
}

void TraceType::print(AsmPrinter &printer) const {
  printer << "<";
  printSequences(printer, getSequences());
  printer << getLayers() << "x" << getLength() << ">";
}
