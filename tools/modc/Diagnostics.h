//===- Diagnostics.h - Messages to the user ---------------------*- C++ -*-===//
//
// Diagnostics and progress, one line each, on standard error.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_MODC_DIAGNOSTICS_H
#define MOD_TOOLS_MODC_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"

namespace mlir::mod {

/// Prints one line, `modc: SEVERITY: MESSAGE`.
void printMessage(StringRef severity, const Twine &message);

/// What went wrong in one compilation. Only the first error is printed: the
/// others mostly follow from it.
class Diagnostics {
public:
  /// Prints the diagnostics of a context, as `modc: error: PLACE: MESSAGE`.
  void attach(MLIRContext &context);

  /// Prints an error if there is one. Returns whether there was none.
  bool report(llvm::Error error);

  bool hasError() const { return failed; }

private:
  void print(Diagnostic &diagnostic);

  bool failed = false;
};

/// Prints what passes decided as remarks.
LogicalResult enableRemarks(MLIRContext &context);

/// A bar that shows how far a long step is; silent where standard error is no
/// terminal.
class Progress {
public:
  explicit Progress(StringRef what);
  ~Progress();
  void update(int64_t done, int64_t total);

private:
  std::string what;
  bool enabled;
  int64_t shown = -1;
};

} // namespace mlir::mod

#endif // MOD_TOOLS_MODC_DIAGNOSTICS_H
