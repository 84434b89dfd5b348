//===- Barriers.cpp - Copies that a barrier counts ------------------------===//
//
// mbarrier and the copies by TMA whose bytes it waits for. A barrier is an
// object of shared memory; what it counts is kept here.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/Emulator.h"
#include "test/nvemu/TensorMap.h"

#include <set>

using namespace nvemu;

namespace {
constexpr size_t kBarrierBytes = 8, kMapAlignment = 64, kBoxAlignment = 128;

/// A box that is on its way.
struct Copy {
  TensorMap map;
  char *to;
  int32_t column, row;

  void run() const { map.copyBox(to, column, row); }
};

struct Barrier {
  uint32_t id;                       ///< counted over all blocks
  unsigned maker;                    ///< the thread that made it
  int count, pending;                ///< of arrivals
  bool isKnown = false;              ///< to copies
  uint32_t phase = 0;                ///< those before are over
  int64_t expected = 0, issued = 0;  ///< bytes of this phase
  std::vector<Copy> copies;          ///< not yet done
  std::map<unsigned, uint32_t> seen; ///< the phases that threads waited for

  void complete();
};

/// What the threads of a block made.
std::map<const void *, Barrier> barriers;
/// Tensor maps that threads of the block acquired.
std::set<std::pair<unsigned, const void *>> acquired;
} // namespace

void nvemu::forgetBarriers() {
  barriers.clear();
  acquired.clear();
}

/// Ends the phase, if all have arrived and all bytes are under way: these come
/// as late as may be.
void Barrier::complete() {
  if (pending > 0 || issued < expected)
    return;
  if (issued > expected)
    stop("%s: a barrier expects %lld bytes, but copies bring %lld",
         getKernelName(), (long long)expected, (long long)issued);
  for (const Copy &copy : copies)
    copy.run();
  copies.clear();
  pending = count;
  expected = issued = 0;
  ++phase;
}

static Barrier &find(const void *address) {
  auto found = barriers.find(address);
  if (found == barriers.end())
    stop("%s: thread %u uses a barrier that nobody made", getKernelName(),
         getThread());
  noteAccess(address, kBarrierBytes, /*writes=*/false, getThread() % 32);
  return found->second;
}

static void makeBarrier(void *address, int count) {
  static uint32_t barriersMade = 0;
  if (reinterpret_cast<uintptr_t>(address) % kBarrierBytes || count < 1)
    stop("%s: a barrier of %d arrivals, or one that is not aligned",
         getKernelName(), count);
  noteAccess(address, kBarrierBytes, /*writes=*/true, getThread() % 32);
  Barrier barrier = {};
  barrier.id = ++barriersMade;
  barrier.maker = getThread();
  barrier.count = barrier.pending = count;
  barriers[address] = barrier;
}

static void fenceBarriers() {
  for (auto &[address, barrier] : barriers)
    barrier.isKnown |= barrier.maker == getThread();
}

static uint64_t arriveExpecting(const void *address, int bytes) {
  Barrier &barrier = find(address);
  if (barrier.pending == 0)
    barrier.complete();
  if (barrier.pending == 0)
    stop("%s: thread %u arrives at a barrier that is still waited for",
         getKernelName(), getThread());
  barrier.expected += bytes;
  --barrier.pending;
  return barrier.phase;
}

bool nvemu::isPhaseOver(const void *address, bool parity) {
  Barrier &barrier = barriers.at(address);
  if (barrier.phase % 2 == parity)
    barrier.complete();
  return barrier.phase % 2 != parity;
}

long long nvemu::countMissingBytes(const void *address) {
  const Barrier &barrier = barriers.at(address);
  return barrier.expected - barrier.issued;
}

bool nvemu::hasArrived(Arrival arrival, unsigned thread) {
  if (!arrival.barrier)
    return true;
  for (auto &[address, barrier] : barriers)
    if (barrier.id == arrival.barrier) {
      auto seen = barrier.seen.find(thread);
      return seen != barrier.seen.end() && seen->second > arrival.phase;
    }
  // Of a block before this one.
  return true;
}

/// The first phase has parity 0.
static bool waitForPhase(const void *address, int parity) {
  Barrier &barrier = find(address);
  while (!isPhaseOver(address, parity))
    suspendUntilOver(address, parity);
  barrier.seen[getThread()] = barrier.phase;
  return true;
}

static void acquireMap(const void *map, int) {
  acquired.emplace(getThread(), map);
}

static const TensorMap &findMap(const void *address) {
  if (reinterpret_cast<uintptr_t>(address) % kMapAlignment)
    stop("%s: a tensor map that is not aligned to %zu bytes", getKernelName(),
         kMapAlignment);
  if (Faults::get().bounds && !isAllocated(address, TensorMap::kBytes))
    stop("%s: a tensor map in memory that nobody allocated", getKernelName());
  const TensorMap *map = TensorMap::get(address);
  if (!map)
    stop("%s: a tensor map that nobody encoded", getKernelName());
  if (!acquired.count({getThread(), address}))
    stop("%s: thread %u copies by a tensor map that it did not acquire by "
         "fence.proxy.tensormap",
         getKernelName(), getThread());
  return *map;
}

/// cp.async.bulk.tensor.2d: as the intrinsic has it, without what follows.
static void copyBox(char *to, const void *address, const void *map, int column,
                    int row) {
  Barrier &barrier = find(address);
  if (!barrier.isKnown)
    stop("%s: thread %u copies by a barrier without fence.mbarrier_init",
         getKernelName(), getThread());
  if (reinterpret_cast<uintptr_t>(to) % kBoxAlignment)
    stop("%s: a box that is not aligned to %zu bytes", getKernelName(),
         kBoxAlignment);
  Copy copy{findMap(map), to, column, row};
  barrier.issued += int64_t(copy.map.getBoxBytes());
  noteBox(to, copy.map.getBoxBytes(), {barrier.id, barrier.phase});
  if (Faults::get().eager)
    copy.run();
  else
    barrier.copies.push_back(copy);
}

void *nvemu::findBarrierFunction(const std::string &intrinsic) {
  auto address = [](auto *function) {
    return reinterpret_cast<void *>(function);
  };
  static const std::map<std::string, void *> functions = {
      {"mbarrier.init.shared", address(makeBarrier)},
      {"fence.mbarrier_init.release.cluster", address(fenceBarriers)},
      {"mbarrier.arrive.expect.tx.scope.cta.space.cta",
       address(arriveExpecting)},
      {"mbarrier.try.wait.parity.scope.cta.space.cta", address(waitForPhase)},
      {"fence.proxy.tensormap_generic.acquire.sys", address(acquireMap)},
      {"cp.async.bulk.tensor.g2s.tile.2d", address(copyBox)}};
  auto found = functions.find(intrinsic);
  return found == functions.end() ? nullptr : found->second;
}
