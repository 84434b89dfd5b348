//===- modc.cpp - The compiler ----------------------------------*- C++ -*-===//
//
// Compiles a model directory; prints its IR so far.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/FileUtilities.h"
#include "tools/import/Import.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/ToolOutputFile.h"
#include <algorithm>

using namespace mlir;
namespace cl = llvm::cl;

static StringRef getSeverity(const Diagnostic &diagnostic) {
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error:
    return "error";
  case DiagnosticSeverity::Warning:
    return "warning";
  case DiagnosticSeverity::Remark:
    return "remark";
  case DiagnosticSeverity::Note:
    return "note";
  }
}

/// One line per diagnostic, in the form of other compilers.
static void printDiagnostic(Diagnostic &diagnostic) {
  llvm::raw_ostream &os = llvm::errs();
  os << "modc: " << getSeverity(diagnostic) << ": ";
  if (auto loc = dyn_cast<FileLineColLoc>(diagnostic.getLocation()))
    os << loc.getFilename().getValue() << ":" << loc.getLine() << ":"
       << loc.getColumn() << ": ";
  else if (auto loc = dyn_cast<NameLoc>(diagnostic.getLocation()))
    os << loc.getName().getValue() << ": ";
  // Names that come from files may hold line breaks and worse.
  std::string message = diagnostic.str();
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return c < ' '; },
      ' ');
  os << message << "\n";
}

int main(int argc, char **argv) {
  cl::OptionCategory category("modc options");
  cl::opt<std::string> model(cl::Positional, cl::Required, cl::desc("MODEL"),
                             cl::cat(category));
  cl::opt<std::string> output("o", cl::init("-"), cl::desc("output file"),
                              cl::value_desc("OUT"), cl::cat(category));
  cl::opt<std::string> emit("emit", cl::Required,
                            cl::desc("what to print: mlir:imported"),
                            cl::cat(category));
  registerAsmPrinterCLOptions();
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "compiler for MoD transformers\n");
  if (emit != "mlir:imported") {
    llvm::errs() << "modc: error: --emit=" << emit << " is unknown\n";
    return 2;
  }

  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.getDiagEngine().registerHandler(printDiagnostic);
  auto module = mod::importModel(model, &context);
  if (failed(module))
    return 1;
  std::string error;
  auto file = openOutputFile(output, &error);
  if (!file) {
    llvm::errs() << "modc: error: " << error << "\n";
    return 1;
  }
  (*module)->print(file->os());
  file->os() << "\n";
  file->keep();
  return 0;
}
