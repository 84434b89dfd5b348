//===- Command.cpp - What the commands share ------------------------------===//
//
// Common options and an open session.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Command.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cstdio>

using namespace modrt;

Option modrt::threadsOption(int64_t &target) {
  return integer("--threads", target, 1, 1024,
                 "threads (default: one for each core it may use)");
}

Option modrt::deviceOption(std::optional<std::string> &target) {
  return text("--device", "NAME", target,
              "the GPU that runs a model for GPUs: 0 (default), 1, ..., or "
              "emulator");
}

Option modrt::jsonOption(bool &target) {
  return flag("--json", target, "print one JSON object");
}

Running::~Running() {
  for (modrt_session *session : sessions)
    modrt_session_close(session);
  modrt_close(instance);
}

modrt_status modrt::runStepwise(const Running &running, const int32_t *tokens,
                                int64_t count, float *logits,
                                Progress *progress) {
  int64_t vocab = running.model().vocab;
  if (count > running.model().context)
    return error(MODRT_INVALID,
                 "prompt of %lld tokens exceeds the context of %lld",
                 static_cast<long long>(count),
                 static_cast<long long>(running.model().context));
  MODRT_TRY(checkTokens(running.model(), tokens, count));
  for (int64_t i = 0; i < count; ++i) {
    MODRT_TRY(modrt_decode(running.session(), tokens[i]));
    std::copy_n(modrt_logits(running.session()), vocab, logits + i * vocab);
    if (progress)
      progress->update(i + 1);
  }
  return ok();
}

modrt_status modrt::runCausally(const Running &running, const int32_t *tokens,
                                int64_t count, float *logits) {
  if (count < 1 || prefillsAsDecode(running.model()))
    return modrt_prefill(running.session(), tokens, count, 0, logits);
  return runStepwise(running, tokens, count, logits);
}

void modrt::printPrefillRouting(const modrt_model &model) {
  for (int64_t i = 1; i < model.num_blocks; ++i)
    if (!prefillsAsDecode(model.blocks[i]))
      fprintf(stderr, "layer %lld: prompt routed by %s, then by %s\n",
              static_cast<long long>(model.blocks[i].layer),
              model.blocks[i].prefill, model.blocks[i].decode);
}

modrt_status Running::open(const modrt_model *model, const Place &place,
                           bool trace, int64_t batch) {
  MODRT_TRY(modrt_open(model, nullptr, &instance));
  if (place.device)
    MODRT_TRY(modrt_use_device(instance, place.device->c_str()));
  modrt_session_options options = {};
  options.threads = static_cast<int32_t>(place.threads);
  options.trace = trace;
  std::vector<modrt_session *> opened(std::min(batch, model->batch));
  MODRT_TRY(modrt_batch_open(instance, &options, batch, opened.data()));
  sessions = std::move(opened);
  return ok();
}

modrt_status modrt::tokenize(const modrt_instance *instance,
                             const std::string &text,
                             std::vector<int32_t> &tokens) {
  // Seldom more tokens than bytes: the first call tells.
  int64_t count = text.size();
  do {
    tokens.resize(count);
    MODRT_TRY(modrt_tokenize(instance, text.data(), text.size(), tokens.data(),
                             tokens.size(), &count));
  } while (count > static_cast<int64_t>(tokens.size()));
  tokens.resize(count);
  return ok();
}

std::string modrt::formatBytes(int64_t bytes) {
  char text[32];
  double value = static_cast<double>(bytes);
  const char *unit = "B";
  for (const char *larger : {"kB", "MB", "GB", "TB"}) {
    if (value < 1000)
      break;
    value /= 1000;
    unit = larger;
  }
  snprintf(text, sizeof(text), *unit == 'B' ? "%.0f %s" : "%.2f %s", value,
           unit);
  return text;
}
