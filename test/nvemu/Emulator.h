//===- Emulator.h - The parts of the emulator -------------------*- C++ -*-===//
//
// Kernels as functions of the host, and the multiprocessor that runs them.
//
//===----------------------------------------------------------------------===//

#ifndef NVEMU_EMULATOR_H
#define NVEMU_EMULATOR_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace nvemu {

/// Ends the process with a message.
[[noreturn]] void stop(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/// What tests ask for, by environment variables.
struct Faults {
  enum Order { forward, reverse, random };
  Order order = forward; ///< NVEMU_ORDER: in which order threads run
  bool eager = false;    ///< NVEMU_COPIES=eager: cp.async copies at once
  bool races = false;    ///< NVEMU_RACES=1: races on shared memory are errors
  bool bounds = false;   ///< NVEMU_BOUNDS=1: so are accesses beside memory

  static const Faults &get();
};

class Program;

struct Kernel {
  std::string name;
  Program *program = nullptr;
  size_t numArguments = 0;

  // Known once it is compiled.
  void (*entry)(void **arguments) = nullptr;
  size_t sharedBytes = 0;
  bool isParallel = false; ///< whether threads wait for each other
};

/// The kernels of one image, each compiled for the host when it is needed.
class Program {
public:
  /// From LLVM IR for NVPTX, in bitcode that says how long it is.
  explicit Program(const void *image);
  ~Program();
  Kernel *find(const std::string &name);
  void compile(Kernel &kernel);

private:
  struct Code;
  std::unique_ptr<Code> code;
  std::map<std::string, Kernel> kernels;
};

struct Size {
  unsigned x, y, z;
};

/// Runs all blocks of a kernel.
void launch(Kernel &kernel, Size grid, Size block, void **arguments);

//===----------------------------------------------------------------------===//
// What kernels call
//===----------------------------------------------------------------------===//

/// Something that the lanes of a warp do together: arguments and results of a
/// lane are slots of 8 bytes.
struct WarpOp {
  void (*run)(uint32_t mask, uint64_t *const *arguments,
              uint64_t *const *results);
  int maskArgument; ///< which lanes take part; -1: all
};

/// By the name of an intrinsic without "llvm.nvvm."; null where unknown.
const WarpOp *findWarpOp(const std::string &intrinsic);
/// The part of a warp in wgmma of numbers of a type; null where unknown.
/// Arguments are the columns, both descriptors, and the sums.
const WarpOp *findGroupOp(const std::string &type);
void *findScalarFunction(const std::string &intrinsic);
/// The number of a special register, -1 where unknown.
int findRegister(const std::string &name);

/// What counts copies by TMA, by the name of an intrinsic; null where unknown.
void *findBarrierFunction(const std::string &intrinsic);

/// The functions of the multiprocessor that kernels call.
std::vector<std::pair<std::string, void *>> getEntryPoints();

/// Of shared memory, by a lane of the warp that runs; checks for races.
void noteAccess(const void *address, size_t bytes, bool writes, unsigned lane);

/// Begins wgmma by the warp that runs: its number in the block.
unsigned beginProduct();
/// What it reads of shared memory. Until it is waited for, nobody may write
/// there.
const char *readByProduct(uint32_t place, size_t bytes);

//===----------------------------------------------------------------------===//
// Barriers of shared memory
//===----------------------------------------------------------------------===//

/// When a copy by TMA is done: the barrier that counts it, by its number, and
/// the phase.
struct Arrival {
  uint32_t barrier = 0, phase = 0;
};

/// Whether a thread waited for it.
bool hasArrived(Arrival arrival, unsigned thread);
/// Of the block before.
void forgetBarriers();
/// Whether the phase of a parity is over.
bool isPhaseOver(const void *barrier, bool parity);
/// What the phase that is not over expects.
long long countMissingBytes(const void *barrier);

/// The thread that runs, in its block.
unsigned getThread();
const char *getKernelName();
/// Lets others run until the phase is over.
void suspendUntilOver(const void *barrier, bool parity);
/// A copy of the thread that runs, which nobody may touch until it arrived.
void noteBox(const void *to, size_t bytes, Arrival arrival);

/// Numbers by their bits.
float fromBF16(uint32_t bits);
float fromF16(uint32_t bits);

/// Whether bytes are inside of memory that was allocated.
bool isAllocated(const void *address, size_t bytes);

} // namespace nvemu

#endif // NVEMU_EMULATOR_H
