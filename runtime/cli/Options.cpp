//===- Options.cpp - Tables of command line options -----------------------===//
//
// `--name value` and `--name=value`, and one positional argument.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Options.h"

#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace modrt;

static bool parseInteger(const std::string &text, int64_t &value) {
  char *end = nullptr;
  errno = 0;
  value = strtoll(text.c_str(), &end, 10);
  bool startsWell =
      !text.empty() &&
      (isdigit(static_cast<unsigned char>(text[0])) || text[0] == '-');
  return startsWell && *end == '\0' && errno == 0;
}

Option modrt::flag(const char *name, bool &target, std::string help) {
  auto set = [&target](const char *) -> std::optional<std::string> {
    target = true;
    return std::nullopt;
  };
  return {name, nullptr, std::move(help), set};
}

Option modrt::integer(const char *name, int64_t &target, int64_t min,
                      int64_t max, std::string help) {
  auto set = [&target, min,
              max](const char *text) -> std::optional<std::string> {
    int64_t value;
    if (parseInteger(text, value) && value >= min && value <= max) {
      target = value;
      return std::nullopt;
    }
    std::string expected = "an integer >= " + std::to_string(min);
    if (max != INT64_MAX)
      expected += " and <= " + std::to_string(max);
    return expected;
  };
  return {name, "N", std::move(help), set};
}

Option modrt::real(const char *name, double &target, double min, double max,
                   std::string help) {
  auto set = [&target, min,
              max](const char *text) -> std::optional<std::string> {
    char *end = nullptr;
    double value = strtod(text, &end);
    // Written so that NaN fails.
    if (end != text && *end == '\0' && value >= min && value <= max) {
      target = value;
      return std::nullopt;
    }
    char expected[80];
    snprintf(expected, sizeof(expected), "a number >= %g and <= %g", min, max);
    return expected;
  };
  return {name, "X", std::move(help), set};
}

Option modrt::text(const char *name, const char *metavar,
                   std::optional<std::string> &target, std::string help) {
  auto set = [&target](const char *text) -> std::optional<std::string> {
    target = text;
    return std::nullopt;
  };
  return {name, metavar, std::move(help), set};
}

Option modrt::choice(const char *name, std::optional<std::string> &target,
                     std::vector<std::string> values, std::string help) {
  auto set = [&target, values](const char *text) -> std::optional<std::string> {
    std::string expected;
    for (const std::string &value : values) {
      if (value == text) {
        target = value;
        return std::nullopt;
      }
      expected += (expected.empty() ? "" : " or ") + value;
    }
    return expected;
  };
  return {name, "KIND", std::move(help), set};
}

Option modrt::tokens(const char *name,
                     std::optional<std::vector<int32_t>> &target,
                     std::string help) {
  auto set = [&target](const char *text) -> std::optional<std::string> {
    std::vector<int32_t> ids;
    if (parseTokens(text, /*comma=*/true, ids))
      return "token ids like 1,2,3";
    target = std::move(ids);
    return std::nullopt;
  };
  return {name, "IDS", std::move(help), set};
}

std::optional<std::string> modrt::parseTokens(const std::string &text,
                                              bool comma,
                                              std::vector<int32_t> &tokens) {
  const char *separators = comma ? "," : " \t\r\n\v\f";
  size_t at = comma ? 0 : text.find_first_not_of(separators);
  while (at < text.size()) {
    size_t end = std::min(text.find_first_of(separators, at), text.size());
    std::string word = text.substr(at, end - at);
    int64_t id;
    if (!parseInteger(word, id) || id < INT32_MIN || id > INT32_MAX)
      return "'" + word.substr(0, 40) + "' is not a token id";
    tokens.push_back(static_cast<int32_t>(id));
    at = comma ? end + 1 : text.find_first_not_of(separators, end);
  }
  if (comma && !text.empty() && text.back() == ',')
    return "a token id is missing at the end";
  return std::nullopt;
}

int modrt::usageError(const Invocation &invocation,
                      const std::string &message) {
  std::string help = invocation.program;
  if (!invocation.command.empty())
    help += " " + invocation.command;
  fprintf(stderr, "%s: error: %s (see '%s --help')\n",
          invocation.program.c_str(), message.c_str(), help.c_str());
  return Usage;
}

int modrt::failure(const Invocation &invocation, const modrt_status &status) {
  fprintf(stderr, "%s: error: %s\n", invocation.program.c_str(),
          status.message);
  return wasInterrupted() ? Signalled + wasInterrupted() : Failure;
}

int modrt::printVersion(const Invocation &invocation) {
  const modrt_model &model = *invocation.model;
  printf("%s, compiled by %s for %s\n", model.name, model.producer,
         model.target);
  return Success;
}

static int printHelp(const Invocation &invocation, const Syntax &syntax) {
  printf("usage: %s %s%s%s [options]\n\n%s\n\noptions:\n",
         invocation.program.c_str(), invocation.command.c_str(),
         syntax.positional ? " " : "",
         syntax.positional ? syntax.positional : "", syntax.summary);
  for (const Option &option : syntax.options) {
    std::string left = option.name;
    if (option.metavar)
      left += std::string(" ") + option.metavar;
    printf("  %-24s %s\n", left.c_str(), option.help.c_str());
  }
  printf("  %-24s %s\n", "--version", "print the version and end");
  printf("  %-24s %s\n", "--help", "print this and end");
  return Success;
}

static const Option *find(const Syntax &syntax, const std::string &name) {
  for (const Option &option : syntax.options)
    if (option.name == name)
      return &option;
  return nullptr;
}

namespace {
/// Walks over the arguments.
struct Parser {
  const Invocation &invocation;
  const Syntax &syntax;
  size_t next = 0;
  bool onlyPositional = false; // after `--`

  std::optional<int> takeOne();
  std::optional<int> takeOption(const std::string &argument);
  std::optional<int> takePositional(const char *argument);
  std::optional<int> setValue(const Option &option, const char *value);
};
} // namespace

std::optional<int> Parser::setValue(const Option &option, const char *value) {
  std::optional<std::string> expected = option.set(value);
  if (!expected)
    return std::nullopt;
  return usageError(invocation, std::string(option.name) + " expects " +
                                    *expected + ", not '" + value + "'");
}

std::optional<int> Parser::takeOption(const std::string &argument) {
  size_t equals = argument.find('=');
  std::string name = argument.substr(0, equals);
  const Option *option = find(syntax, name);
  if (!option)
    return usageError(invocation, "unknown option '" + name + "'");
  bool hasValue = equals != std::string::npos;
  if (!option->metavar)
    return hasValue ? usageError(invocation, name + " takes no value")
                    : setValue(*option, "");
  if (hasValue)
    return setValue(*option, argument.c_str() + equals + 1);
  if (next == invocation.arguments.size())
    return usageError(invocation, name + " needs a value");
  return setValue(*option, invocation.arguments[next++]);
}

std::optional<int> Parser::takePositional(const char *argument) {
  if (!syntax.argument || *syntax.argument)
    return usageError(invocation,
                      std::string("unexpected argument '") + argument + "'");
  *syntax.argument = argument;
  return std::nullopt;
}

std::optional<int> Parser::takeOne() {
  const char *argument = invocation.arguments[next++];
  if (onlyPositional || argument[0] != '-' || argument[1] == '\0')
    return takePositional(argument);
  if (strcmp(argument, "--") == 0) {
    onlyPositional = true;
    return std::nullopt;
  }
  if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
    return printHelp(invocation, syntax);
  if (strcmp(argument, "--version") == 0)
    return printVersion(invocation);
  return takeOption(argument);
}

std::optional<int> modrt::parse(const Invocation &invocation,
                                const Syntax &syntax) {
  Parser parser = {invocation, syntax};
  while (parser.next < invocation.arguments.size())
    if (std::optional<int> code = parser.takeOne())
      return code;
  return std::nullopt;
}
