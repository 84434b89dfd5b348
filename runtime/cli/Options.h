//===- Options.h - Tables of command line options --------------*- C++ -*-===//
//
// A command lists its options with where their values go; parsing, checking
// and --help follow from the list.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_OPTIONS_H
#define RUNTIME_CLI_OPTIONS_H

#include "runtime/Status.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace modrt {

/// Exit codes of compiled models.
enum ExitCode { Success = 0, Failure = 1, Usage = 2, Signalled = 128 };

/// What a command was called with.
struct Invocation {
  const modrt_model *model;
  std::string program; // as messages name it
  std::string command;
  std::vector<const char *> arguments;
};

struct Option {
  const char *name;
  const char *metavar; // of its value; null where it takes none
  std::string help;
  /// Takes the value; says what was expected where it is no good.
  std::function<std::optional<std::string>(const char *)> set;
};

Option flag(const char *name, bool &target, std::string help);
Option integer(const char *name, int64_t &target, int64_t min, int64_t max,
               std::string help);
Option real(const char *name, double &target, double min, double max,
            std::string help);
Option text(const char *name, const char *metavar,
            std::optional<std::string> &target, std::string help);
Option choice(const char *name, std::optional<std::string> &target,
              std::vector<std::string> values, std::string help);
/// Ids between commas.
Option tokens(const char *name, std::optional<std::vector<int32_t>> &target,
              std::string help);

/// What one command understands.
struct Syntax {
  const char *summary;
  std::vector<Option> options;
  const char *positional = nullptr; // metavar of the one argument, if any
  std::optional<std::string> *argument = nullptr;
};

/// Ids between spaces or, where `comma` is set, commas; says what is wrong.
std::optional<std::string> parseTokens(const std::string &text, bool comma,
                                       std::vector<int32_t> &tokens);

/// Fills in the options. An exit code where the command is over: after --help
/// or an error, which was printed.
std::optional<int> parse(const Invocation &invocation, const Syntax &syntax);

int printVersion(const Invocation &invocation);

/// Print one line on stderr and return the exit code.
int usageError(const Invocation &invocation, const std::string &message);
int failure(const Invocation &invocation, const modrt_status &status);

} // namespace modrt

#endif // RUNTIME_CLI_OPTIONS_H
