//===- Diagnostics.cpp - Messages to the user -------------------*- C++ -*-===//
//
// Diagnostics and progress, one line each, on standard error.
//
//===----------------------------------------------------------------------===//

#include "tools/modc/Diagnostics.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/FormatVariadic.h"
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

/// The place that a location names, followed by a colon; empty if it names
/// none.
static std::string getPlace(Location loc) {
  if (auto file = dyn_cast<FileLineColLoc>(loc))
    return llvm::formatv("{0}:{1}:{2}: ", file.getFilename().getValue(),
                         file.getLine(), file.getColumn());
  if (auto name = dyn_cast<NameLoc>(loc))
    return (name.getName().getValue() + ": ").str();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    return getPlace(fused.getLocations().front());
  return "";
}

void mod::printMessage(StringRef severity, const Twine &message) {
  // Names that come from files may hold line breaks and worse.
  std::string text = message.str();
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  llvm::errs() << "modc: " << severity << ": " << text << "\n";
}

void Diagnostics::print(Diagnostic &diagnostic) {
  bool isError = diagnostic.getSeverity() == DiagnosticSeverity::Error;
  if (isError && std::exchange(failed, true))
    return;
  printMessage(getSeverity(diagnostic.getSeverity()),
               getPlace(diagnostic.getLocation()) + diagnostic.str());
  if (isError)
    return;
  for (Diagnostic &note : diagnostic.getNotes())
    print(note);
}

void Diagnostics::attach(MLIRContext &context) {
  // The op's text may be the whole model.
  context.printOpOnDiagnostic(false);
  context.getDiagEngine().registerHandler(
      [this](Diagnostic &diagnostic) { print(diagnostic); });
}

bool Diagnostics::report(llvm::Error error) {
  bool fine = !error;
  llvm::handleAllErrors(std::move(error), [&](const llvm::ErrorInfoBase &info) {
    if (!std::exchange(failed, true))
      printMessage("error", info.message());
  });
  return fine;
}

LogicalResult mod::enableRemarks(MLIRContext &context) {
  remark::RemarkCategories categories;
  categories.passed = categories.missed = categories.analysis =
      categories.failed = ".*";
  return remark::enableOptimizationRemarks(
      context, /*streamer=*/nullptr,
      std::make_unique<remark::RemarkEmittingPolicyAll>(), categories,
      /*printAsEmitRemarks=*/true);
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
