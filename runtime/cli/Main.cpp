//===- Main.cpp - The command line of compiled models ---------------------===//
//
// Picks the command.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Command.h"
#include "runtime/cli/Terminal.h"

#include <csignal>
#include <cstdio>
#include <cstring>

using namespace modrt;

namespace {
struct Command {
  const char *name;
  const char *summary;
  int (*run)(const Invocation &invocation);
};
} // namespace

static const Command commands[] = {
    {"generate", "continue a text", generate},
    {"score", "measure how well the model predicts a text", score},
    {"logits", "write the logits of tokens to a file", logits},
    {"trace", "show which tokens took part in which block", trace},
    {"bench", "measure speed, and the machine's limits", bench},
    {"info", "print what the model is and needs", info},
};

static int printHelp(const Invocation &invocation) {
  printf("usage: %s COMMAND [options]\n\n%s, a compiled Mixture-of-Depths "
         "language model\n\ncommands:\n",
         invocation.program.c_str(), invocation.model->name);
  for (const Command &command : commands)
    printf("  %-10s %s\n", command.name, command.summary);
  printf("\noptions of every command:\n"
         "  --threads N  threads (default: one for each core it may use)\n"
         "  --help       print a command's options and end\n"
         "  --version    print the version and end\n"
         "\nexit codes: 0, 1 (an error), 2 (usage), 130 (Ctrl-C)\n");
  return Success;
}

static int runCommand(Invocation &invocation, const char *name) {
  for (const Command &command : commands) {
    if (strcmp(command.name, name) != 0)
      continue;
    invocation.command = name;
    return command.run(invocation);
  }
  const char *kind = name[0] == '-' ? "option" : "command";
  return usageError(invocation,
                    std::string("unknown ") + kind + " '" + name + "'");
}

static int dispatch(Invocation &invocation, int argc, char **argv) {
  if (argc < 2)
    return usageError(invocation, "a command is missing");
  const char *name = argv[1];
  invocation.arguments.assign(argv + 2, argv + argc);
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
    return printHelp(invocation);
  if (strcmp(name, "--version") == 0)
    return printVersion(invocation);
  return runCommand(invocation, name);
}

int modrt_main(const modrt_model *model, int argc, char **argv) {
  // A closed pipe ends the program without a word, as with other filters; a
  // file that becomes too large is an error like any other.
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_IGN);
  Invocation invocation = {model, argc > 0 ? argv[0] : "model", "", {}};
  invocation.program.erase(0, invocation.program.rfind('/') + 1);
  if (!model)
    return failure(invocation,
                   error(MODRT_MISMATCH, "the model was compiled for another "
                                         "version of the runtime's interface"));
  int code = dispatch(invocation, argc, argv);
  if (modrt_status status = writeOut("", 0); failed(status) && code == Success)
    return failure(invocation, status);
  return code;
}
