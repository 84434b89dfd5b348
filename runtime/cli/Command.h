//===- Command.h - What the commands share ---------------------*- C++ -*-===//
//
// The commands of a compiled model, common options, and an open session.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_COMMAND_H
#define RUNTIME_CLI_COMMAND_H

#include "runtime/Session.h"
#include "runtime/cli/Options.h"

namespace modrt {

class Progress;

/// Each returns the exit code.
int generate(const Invocation &invocation);
int score(const Invocation &invocation);
int logits(const Invocation &invocation);
int trace(const Invocation &invocation);
int bench(const Invocation &invocation);
int info(const Invocation &invocation);

Option threadsOption(int64_t &target);
Option deviceOption(std::optional<std::string> &target);
Option jsonOption(bool &target);

/// Where a model runs.
struct Place {
  int64_t threads = 0;
  std::optional<std::string> device;
};

/// A model and sessions that last as long as the command.
struct Running {
  modrt_instance *instance = nullptr;
  std::vector<modrt_session *> sessions;

  ~Running();
  modrt_status open(const modrt_model *model, const Place &place,
                    bool trace = false, int64_t batch = 1);
  /// The first, of most commands the only one.
  modrt_session *session() const { return sessions.front(); }
  const modrt_model &model() const { return instance->model; }
  ThreadPool &pool() const { return session()->pool(); }
};

/// Appends tokens, routed as each by itself: as a prompt, or one by one where
/// prompts are routed otherwise. logits: [count][vocab].
modrt_status runCausally(const Running &running, const int32_t *tokens,
                         int64_t count, float *logits);

/// The same, one by one in any case.
modrt_status runStepwise(const Running &running, const int32_t *tokens,
                         int64_t count, float *logits,
                         Progress *progress = nullptr);

/// Tells on stderr which blocks route prompts so that the same tokens one by
/// one would give something else.
void printPrefillRouting(const modrt_model &model);

/// The ids of a text, by the model's tokenizer.
modrt_status tokenize(const modrt_instance *instance, const std::string &text,
                      std::vector<int32_t> &tokens);

/// "12.3 MB"
std::string formatBytes(int64_t bytes);

} // namespace modrt

#endif // RUNTIME_CLI_COMMAND_H
