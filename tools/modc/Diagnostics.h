//===- Diagnostics.h - Messages to the user ---------------------*- C++ -*-===//
//
// Diagnostics and progress, one line each, on standard error.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_MODC_DIAGNOSTICS_H
#define MOD_TOOLS_MODC_DIAGNOSTICS_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Error.h"

namespace mlir::mod {

/// Prints diagnostics as `modc: error: PLACE: MESSAGE`.
void installDiagnosticPrinter(MLIRContext &context);

/// Prints an error if there is one. Returns whether there was none.
bool report(llvm::Error error);

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
