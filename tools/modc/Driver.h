//===- Driver.h - One compilation -------------------------------*- C++ -*-===//
//
// From a command line to files.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_MODC_DRIVER_H
#define MOD_TOOLS_MODC_DRIVER_H

#include "tools/modc/Options.h"

namespace mlir::mod {

/// Does what the command line asks for. Prints errors; no output file is left
/// where one occurred. `program` tells where the runtime's archives lie.
bool compile(const CommandLine &line, const char *program);

} // namespace mlir::mod

#endif // MOD_TOOLS_MODC_DRIVER_H
