//===- Options.h - The command line of modc ---------------------*- C++ -*-===//
//
// What the user asked for.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_MODC_OPTIONS_H
#define MOD_TOOLS_MODC_OPTIONS_H

#include "codegen/Pipelines.h"

namespace mlir::mod {

enum class Emit { exe, lib, obj, assembly, llvm, ptx, cubin, mlir, none };
enum class ReportKind { none, text, json };

/// The command line, checked.
struct CommandLine {
  std::string model;  ///< a directory or a .mlir file
  std::string output; ///< empty: standard output for text
  std::string params; ///< safetensors file or directory of a .mlir file
  Emit emit = Emit::exe;
  Phase phase = Phase::llvm; ///< to stop after, for Emit::mlir
  std::string cpu = "native";
  std::vector<std::string> chips; ///< of a GPU; none: the CPU
  bool wgmma = false;             ///< products by warpgroups
  int64_t context = 0;
  int64_t batch = 1;
  std::string dtype = "f32";
  std::string decodeRouting, prefillRouting;
  std::string preset; ///< what a directory does not say of its routing
  std::string kvDtype;
  int64_t kvTokens = 0; ///< 0: a context
  bool externalWeights = false;
  ReportKind report = ReportKind::none;
  bool verbose = false;
  bool timing = false;

  /// Whether the output is for people to read.
  bool isText() const {
    return emit == Emit::assembly || emit == Emit::llvm || emit == Emit::ptx ||
           emit == Emit::mlir;
  }
  /// Whether the output is made without linking.
  bool isSingleFile() const { return isText() || emit == Emit::cubin; }
  /// Whether the weights themselves are written.
  bool needsWeights() const {
    return emit == Emit::exe || emit == Emit::lib || emit == Emit::obj;
  }
};

/// Parses the command line. Prints what is wrong with it and returns nothing
/// where it cannot be obeyed.
std::optional<CommandLine> parseCommandLine(int argc, char **argv);

} // namespace mlir::mod

#endif // MOD_TOOLS_MODC_OPTIONS_H
