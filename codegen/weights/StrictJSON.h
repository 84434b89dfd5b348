//===- StrictJSON.h - JSON from strangers -----------------------*- C++ -*-===//
//
// JSON objects of which nothing is known yet.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_WEIGHTS_STRICTJSON_H
#define MOD_CODEGEN_WEIGHTS_STRICTJSON_H

#include "mlir/Support/LLVM.h"
#include "llvm/Support/JSON.h"

namespace mlir::mod {

/// Parses an object. Unlike `llvm::json::parse`, refuses equal keys (of which
/// that would keep one silently) and deep nesting (on which that would
/// overflow the stack). Errors are one line: `PATH: SUBJECT is not JSON: ...`.
llvm::Expected<llvm::json::Object>
parseStrictJSON(StringRef path, StringRef subject, StringRef text);

} // namespace mlir::mod

#endif // MOD_CODEGEN_WEIGHTS_STRICTJSON_H
