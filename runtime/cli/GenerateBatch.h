//===- GenerateBatch.h - Continuing many texts -----------------*- C++ -*-===//
//
// The part of `generate` for a file of prompts.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_GENERATEBATCH_H
#define RUNTIME_CLI_GENERATEBATCH_H

#include "runtime/cli/Continuation.h"

namespace modrt {

struct BatchOptions {
  std::string promptsFile;
  ContinuationOptions continuation;
  bool hidePrompt = false, json = false, verbose = false;
  Place place;
};

/// Continues each line of a file, as many at a time as the model was compiled
/// for; writes them in the order of the file. Returns the exit code.
int generateBatch(const Invocation &invocation, const BatchOptions &options);

} // namespace modrt

#endif // RUNTIME_CLI_GENERATEBATCH_H
