//===- Diagnostics.cpp - Messages to the user -------------------*- C++ -*-===//
//
// Diagnostics and progress, one line each, on standard error.
//
//===----------------------------------------------------------------------===//

#include "tools/modc/Diagnostics.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Process.h"

using namespace mlir;
using namespace mlir::mod;

static StringRef getSeverity(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Error:
    return "error";
  case DiagnosticSeverity::Warning:
    return "warning";
  case DiagnosticSeverity::Remark:
    return "remark";
  case DiagnosticSeverity::Note:
    return "note";
  }
  llvm_unreachable("all severities are listed");
}

/// Prints the place that a location names, if it names one.
static void printPlace(Location loc, llvm::raw_ostream &os) {
  if (auto file = dyn_cast<FileLineColLoc>(loc))
    os << file.getFilename().getValue() << ":" << file.getLine() << ":"
       << file.getColumn() << ": ";
  else if (auto name = dyn_cast<NameLoc>(loc))
    os << name.getName().getValue() << ": ";
  else if (auto fused = dyn_cast<FusedLoc>(loc))
    printPlace(fused.getLocations().front(), os);
}

static void printDiagnostic(Diagnostic &diagnostic) {
  llvm::raw_ostream &os = llvm::errs();
  os << "modc: " << getSeverity(diagnostic.getSeverity()) << ": ";
  printPlace(diagnostic.getLocation(), os);
  // Names that come from files may hold line breaks and worse.
  std::string message = diagnostic.str();
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return c < ' '; },
      ' ');
  os << message << "\n";
  if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
    return;
  for (Diagnostic &note : diagnostic.getNotes())
    printDiagnostic(note);
}

void mod::installDiagnosticPrinter(MLIRContext &context) {
  context.getDiagEngine().registerHandler(printDiagnostic);
}

bool mod::report(llvm::Error error) {
  bool fine = !error;
  llvm::handleAllErrors(std::move(error), [](const llvm::ErrorInfoBase &info) {
    llvm::errs() << "modc: error: " << info.message() << "\n";
  });
  return fine;
}

Progress::Progress(StringRef what)
    : what(what), enabled(llvm::sys::Process::StandardErrIsDisplayed()) {}

Progress::~Progress() {
  if (enabled && shown >= 0)
    llvm::errs() << "\r\033[K";
}

void Progress::update(int64_t done, int64_t total) {
  int64_t percent = total ? 100 * done / total : 100;
  if (!enabled || percent == shown)
    return;
  shown = percent;
  constexpr int64_t kWidth = 30;
  int64_t filled = percent * kWidth / 100;
  llvm::errs() << "\r" << what << " [" << std::string(filled, '#')
               << std::string(kWidth - filled, '.') << "] " << percent << " %";
}
