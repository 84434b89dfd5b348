//===- Command.cpp - What the commands share ------------------------------===//
//
// Common options and an open session.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Command.h"

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
