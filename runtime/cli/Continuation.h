//===- Continuation.h - A text and what the model adds to it ---*- C++ -*-===//
//
// Chooses tokens until the text is over, and knows what to show of them.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_CONTINUATION_H
#define RUNTIME_CLI_CONTINUATION_H

#include "runtime/cli/Command.h"
#include "runtime/cli/Json.h"

namespace modrt {

/// How a text is continued.
struct ContinuationOptions {
  int64_t count = -1; // most tokens to add; negative: until the context is full
  int64_t seed = 0;
  modrt_sampling sampling = modrt_sampling_defaults();
};

class Continuation {
public:
  explicit Continuation(const ContinuationOptions &options)
      : options(options) {}
  Continuation(const Continuation &) = delete;
  ~Continuation() { modrt_sampler_close(sampler); }

  /// Begins with a prompt, which must not be empty. prompt text: what to show
  /// of it.
  modrt_status open(const modrt_instance *instance,
                    std::vector<int32_t> promptTokens, std::string &promptText);
  /// Whether no other token may be added; `stop` then says why.
  bool isOver();
  /// Adds the token that the logits lead to, unless it ends the text. part:
  /// what to show of it.
  modrt_status add(const float *logits, std::string &part);
  /// The same, of a session that was given all tokens but the last that was
  /// added.
  modrt_status addNext(modrt_session *session, std::string &part);
  /// What is left to show at the end.
  std::string finish() { return stream ? stream->finish() : ""; }

  /// Whether tokens are chosen on the CPU, also where a GPU runs the model.
  bool needsLogits() const;
  bool hasText() const { return stream.has_value(); }
  /// The members "tokens", "text" and "stop".
  void addTo(Json &json, const std::string &text) const;

  std::vector<int32_t> prompt, tokens; // tokens: those that were added
  const char *stop = nullptr;          // none while it goes on

private:
  void add(int32_t token, std::string &part);
  std::string describe(int32_t token);
  bool isEnd(int32_t token) const;

  const ContinuationOptions &options;
  const modrt_model *model = nullptr;
  modrt_sampler *sampler = nullptr;
  std::optional<TextStream> stream; // none where the model knows no text
};

} // namespace modrt

#endif // RUNTIME_CLI_CONTINUATION_H
