//===- Terminal.cpp - What a person sees while waiting --------------------===//
//
// Thin wrappers of the system.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Terminal.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <unistd.h>

using namespace modrt;

static volatile std::sig_atomic_t signalSeen = 0;

double modrt::now() {
  std::chrono::duration<double> time =
      std::chrono::steady_clock::now().time_since_epoch();
  return time.count();
}

bool modrt::isTerminal(int descriptor) { return isatty(descriptor) == 1; }

void modrt::catchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { signalSeen = signal; };
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int modrt::wasInterrupted() { return signalSeen; }

Progress::Progress(const char *work, int64_t total)
    : work(work), total(total), started(now()), shown(started),
      active(isTerminal(STDERR_FILENO)) {}

Progress::~Progress() {
  if (active)
    fprintf(stderr, "\r\033[K");
}

void Progress::update(int64_t done) {
  const int width = 40;
  double time = now();
  if (!active || time - shown < 0.1)
    return;
  shown = time;
  double share = static_cast<double>(done) / static_cast<double>(total);
  int filled = static_cast<int>(share * width);
  fprintf(stderr, "\r%s [%.*s%*s] %3.0f %%, %.0f s left\033[K", work, filled,
          "########################################", width - filled, "",
          100 * share, share > 0 ? (time - started) * (1 / share - 1) : 0.0);
  fflush(stderr);
}

modrt_status modrt::writeOut(const char *text, int64_t size) {
  if (static_cast<int64_t>(fwrite(text, 1, size, stdout)) == size &&
      fflush(stdout) == 0 && !ferror(stdout))
    return ok();
  return error(MODRT_SYSTEM, "cannot write to standard output: %s",
               strerror(errno));
}
