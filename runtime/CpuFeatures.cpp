//===- CpuFeatures.cpp - What this machine can run ------------------------===//
//
// Asks the CPU itself: the compiler's builtin knows only some names, and which
// ones depends on the compiler.
//
//===----------------------------------------------------------------------===//

#include "runtime/CpuFeatures.h"

#include <cerrno>
#include <cpuid.h>
#include <cstring>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

using namespace modrt;

namespace {

enum Register { EAX, EBX, ECX, EDX };

/// Which registers the system must save: none, YMM, ZMM too, or those of AMX.
enum State : unsigned { None = 0, Ymm = 0x6, Zmm = 0xe6, Tiles = 0x60000 };

struct Feature {
  const char *name;
  unsigned leaf, subleaf;
  Register reg;
  int bit;
  State state;
};

} // namespace

static const Feature knownFeatures[] = {
    {"cx8", 1, 0, EDX, 8, None},
    {"cmov", 1, 0, EDX, 15, None},
    {"mmx", 1, 0, EDX, 23, None},
    {"fxsr", 1, 0, EDX, 24, None},
    {"sse", 1, 0, EDX, 25, None},
    {"sse2", 1, 0, EDX, 26, None},
    {"sse3", 1, 0, ECX, 0, None},
    {"pclmul", 1, 0, ECX, 1, None},
    {"ssse3", 1, 0, ECX, 9, None},
    {"fma", 1, 0, ECX, 12, Ymm},
    {"cx16", 1, 0, ECX, 13, None},
    {"sse4.1", 1, 0, ECX, 19, None},
    {"sse4.2", 1, 0, ECX, 20, None},
    {"movbe", 1, 0, ECX, 22, None},
    {"popcnt", 1, 0, ECX, 23, None},
    {"aes", 1, 0, ECX, 25, None},
    {"xsave", 1, 0, ECX, 26, None},
    {"avx", 1, 0, ECX, 28, Ymm},
    {"f16c", 1, 0, ECX, 29, Ymm},
    {"bmi", 7, 0, EBX, 3, None},
    {"avx2", 7, 0, EBX, 5, Ymm},
    {"bmi2", 7, 0, EBX, 8, None},
    {"avx512f", 7, 0, EBX, 16, Zmm},
    {"avx512dq", 7, 0, EBX, 17, Zmm},
    {"adx", 7, 0, EBX, 19, None},
    {"avx512ifma", 7, 0, EBX, 21, Zmm},
    {"avx512cd", 7, 0, EBX, 28, Zmm},
    {"avx512bw", 7, 0, EBX, 30, Zmm},
    {"avx512vl", 7, 0, EBX, 31, Zmm},
    {"avx512vbmi", 7, 0, ECX, 1, Zmm},
    {"avx512vbmi2", 7, 0, ECX, 6, Zmm},
    {"gfni", 7, 0, ECX, 8, None},
    {"vaes", 7, 0, ECX, 9, Ymm},
    {"vpclmulqdq", 7, 0, ECX, 10, Ymm},
    {"avx512vnni", 7, 0, ECX, 11, Zmm},
    {"avx512bitalg", 7, 0, ECX, 12, Zmm},
    {"avx512vpopcntdq", 7, 0, ECX, 14, Zmm},
    {"avx512vp2intersect", 7, 0, EDX, 8, Zmm},
    {"amx-bf16", 7, 0, EDX, 22, Tiles},
    {"avx512fp16", 7, 0, EDX, 23, Zmm},
    {"amx-tile", 7, 0, EDX, 24, Tiles},
    {"amx-int8", 7, 0, EDX, 25, Tiles},
    {"avxvnni", 7, 1, EAX, 4, Ymm},
    {"avx512bf16", 7, 1, EAX, 5, Zmm},
    {"avxifma", 7, 1, EAX, 23, Ymm},
    {"avxvnniint8", 7, 1, EDX, 4, Ymm},
    {"avxneconvert", 7, 1, EDX, 5, Ymm},
    {"avxvnniint16", 7, 1, EDX, 10, Ymm},
    {"sahf", 0x80000001, 0, ECX, 0, None},
    {"lzcnt", 0x80000001, 0, ECX, 5, None},
    {"sse4a", 0x80000001, 0, ECX, 6, None},
    {"prfchw", 0x80000001, 0, ECX, 8, None},
    {"fma4", 0x80000001, 0, ECX, 16, Ymm},
};

static const Feature *findFeature(const char *name) {
  for (const Feature &feature : knownFeatures)
    if (strcmp(feature.name, name) == 0)
      return &feature;
  return nullptr;
}

/// The registers that the system saves when it switches threads.
static unsigned savedState() {
  unsigned eax, ebx, ecx, edx;
  const unsigned osxsave = 1u << 27;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & osxsave))
    return 0;
  asm("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return eax;
}

static bool isPresent(const Feature &feature) {
  unsigned r[4];
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &r[EAX], &r[EBX],
                         &r[ECX], &r[EDX]))
    return false;
  return (r[feature.reg] >> feature.bit & 1) &&
         (savedState() & feature.state) == feature.state;
}

bool modrt::hasCpuFeature(const char *name) {
  const Feature *feature = findFeature(name);
  return feature && isPresent(*feature);
}

/// Asks the system for the registers of AMX, which it saves only for processes
/// that want them (Linux, Documentation/arch/x86/xstate.rst).
static modrt_status requestTiles() {
  const long reqXcompPerm = 0x1023, tileData = 18;
  if (syscall(SYS_arch_prctl, reqXcompPerm, tileData) != 0)
    return error(MODRT_SYSTEM, "cannot use the tile registers of this CPU: %s",
                 strerror(errno));
  return ok();
}

static modrt_status checkCpuFeature(const std::string &name) {
  if (!findFeature(name.c_str()))
    return error(MODRT_UNSUPPORTED,
                 "needs CPU feature '%s', which the runtime does not know",
                 name.c_str());
  if (!hasCpuFeature(name.c_str()))
    return error(MODRT_UNSUPPORTED,
                 "needs CPU feature '%s', which this machine does not have",
                 name.c_str());
  return name == "amx-tile" ? requestTiles() : ok();
}

modrt_status modrt::checkCpuFeatures(const char *features) {
  const char *separators = ", +";
  if (!features)
    return ok();
  for (const char *at = features + strspn(features, separators); *at;) {
    size_t length = strcspn(at, separators);
    MODRT_TRY(checkCpuFeature(std::string(at, length)));
    at += length;
    at += strspn(at, separators);
  }
  return ok();
}
