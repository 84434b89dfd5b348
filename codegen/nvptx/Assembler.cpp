//===- Assembler.cpp - NVIDIA's assembler ---------------------------------===//
//
// Runs ptxas, where the CUDA toolkit is installed.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Assembler.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

using namespace mlir;

std::string mod::findAssembler() {
  if (llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName("ptxas"))
    return *path;
  SmallVector<std::string> roots = {"/usr/local/cuda"};
  if (const char *home = getenv("CUDA_HOME"))
    roots.insert(roots.begin(), home);
  for (StringRef root : roots) {
    SmallString<128> path(root);
    llvm::sys::path::append(path, "bin", "ptxas");
    if (llvm::sys::fs::can_execute(path))
      return std::string(path);
  }
  return "";
}

namespace {
/// A file that is gone when it is no longer needed.
struct TemporaryFile {
  explicit TemporaryFile(StringRef suffix) {
    failed =
        bool(llvm::sys::fs::createTemporaryFile("mod-kernels", suffix, path));
    remover.setFile(path);
  }
  std::string read() const {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : "";
  }

  SmallString<128> path;
  llvm::FileRemover remover;
  bool failed;
};
} // namespace

/// The kernel that a report of ptxas says spills, or nothing. What it keeps in
/// a stack frame is in the same slow memory.
static std::string findSpill(StringRef report) {
  llvm::Regex function("Function properties for ([^ ]+)");
  llvm::Regex memory(" ([0-9]+) bytes (stack frame|spill stores|spill loads)");
  SmallVector<StringRef> lines, match;
  report.split(lines, '\n');
  std::string name;
  for (StringRef line : lines) {
    if (function.match(line, &match))
      name = match[1].str();
    for (; memory.match(line, &match);
         line = line.substr(match[0].end() - line.begin()))
      if (match[1] != "0")
        return "'" + name + "' spills registers to memory: " + match[1].str() +
               " bytes " + match[2].str();
  }
  return "";
}

/// The kernel whose `wgmma` a report of ptxas says wait for each other, or
/// nothing.
static std::string findSerialized(StringRef report) {
  llvm::Regex serialized("wgmma.mma_async instructions are serialized due to "
                         "(.*) (in|for) the function '([^']+)'",
                         llvm::Regex::Newline);
  SmallVector<StringRef> match;
  if (!serialized.match(report, &match))
    return "";
  return "'" + match[3].str() +
         "' runs one wgmma after the other: " + match[1].str();
}

/// What a report of ptxas says of the registers of each kernel.
static llvm::StringMap<int64_t> findRegisters(StringRef report) {
  llvm::Regex function("Function properties for ([^ ]+)");
  llvm::Regex used("Used ([0-9]+) registers");
  llvm::StringMap<int64_t> registers;
  SmallVector<StringRef> lines, match;
  report.split(lines, '\n');
  StringRef name;
  for (StringRef line : lines) {
    if (function.match(line, &match))
      name = match[1].rtrim();
    int64_t count = 0;
    if (used.match(line, &match) && !match[1].getAsInteger(10, count))
      registers[name] = count;
  }
  return registers;
}

llvm::Expected<mod::Assembly> mod::assemble(StringRef ptxas, StringRef chip,
                                            StringRef ptx) {
  TemporaryFile input("ptx"), output("cubin"), messages("txt");
  if (input.failed || output.failed || messages.failed)
    return llvm::createStringError("cannot create a temporary file");
  std::error_code code;
  llvm::raw_fd_ostream(input.path, code) << ptx;
  std::string arch = ("-arch=" + chip).str();
  StringRef command[] = {ptxas, arch,        "-O3",     "-v",
                         "-o",  output.path, input.path};
  std::string reason;
  int status = llvm::sys::ExecuteAndWait(
      ptxas, command, std::nullopt,
      {StringRef(""), StringRef(messages.path), StringRef(messages.path)}, 0, 0,
      &reason);
  std::string report = messages.read();
  if (status != 0)
    return llvm::createStringError("'" + ptxas + "' failed for " + chip + ": " +
                                   reason + StringRef(report).rtrim());
  std::string slow = findSpill(report);
  if (slow.empty())
    slow = findSerialized(report);
  return Assembly{output.read(),
                  slow.empty() ? "" : (slow + " on " + chip).str(),
                  findRegisters(report)};
}
