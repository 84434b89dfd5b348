//===- Terminal.h - What a person sees while waiting -----------*- C++ -*-===//
//
// Progress, Ctrl-C and the clock.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_TERMINAL_H
#define RUNTIME_CLI_TERMINAL_H

#include "runtime/Status.h"

namespace modrt {

/// Seconds since some moment.
double now();

bool isTerminal(int descriptor);

/// From now on the first SIGINT (Ctrl-C) or SIGTERM only sets a mark; the
/// second one kills.
void catchInterrupts();
/// The signal that came, or 0.
int wasInterrupted();

/// A bar on stderr where that is a terminal, gone when the work is done.
class Progress {
public:
  Progress(const char *work, int64_t total);
  ~Progress();
  void update(int64_t done);

private:
  const char *work;
  int64_t total;
  double started, shown;
  bool active;
};

/// Writes to stdout at once; fails where that fails.
modrt_status writeOut(const char *text, int64_t size);

} // namespace modrt

#endif // RUNTIME_CLI_TERMINAL_H
