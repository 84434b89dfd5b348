//===- Multiprocessor.cpp - Runs blocks of threads ------------------------===//
//
// One fiber per thread. A thread runs until it waits for others: at a barrier
// or for its warp.
//
//===----------------------------------------------------------------------===//

#include "test/nvemu/Emulator.h"
#include "test/nvemu/Fiber.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <sys/mman.h>

asm(R"(
.text
.globl nvemu_switch
.type nvemu_switch,@function
nvemu_switch:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  pop %rcx
  jmp *%rcx
)");

using namespace nvemu;

void nvemu::stop(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("nvemu: ", stderr);
  vfprintf(stderr, format, arguments);
  fputs("\n", stderr);
  va_end(arguments);
  fflush(nullptr);
  _Exit(1);
}

const Faults &Faults::get() {
  static const Faults faults = [] {
    auto is = [](const char *name, const char *value) {
      const char *text = getenv(name);
      return text && strcmp(text, value) == 0;
    };
    Faults faults;
    if (is("NVEMU_ORDER", "reverse"))
      faults.order = reverse;
    if (is("NVEMU_ORDER", "random"))
      faults.order = random;
    faults.eager = is("NVEMU_COPIES", "eager");
    faults.races = is("NVEMU_RACES", "1");
    faults.bounds = is("NVEMU_BOUNDS", "1");
    return faults;
  }();
  return faults;
}

namespace {

/// No power of two, or the same lines of caches would be used by all.
constexpr size_t kStackBytes = (128 << 10) + 9 * 64;
constexpr size_t kSharedBytes = 256 << 10;
constexpr unsigned kWarpLanes = 32;

enum class State : uint8_t { ready, atBarrier, atPhase, inWarp, done };

/// A copy to shared memory that may happen any time before it is waited for.
struct Copy {
  char *to;
  const char *from;
  unsigned bytes, given; ///< beyond those given there are zeros

  void run() const {
    memcpy(to, from, given);
    memset(to + given, 0, bytes - given);
  }
};

struct Thread {
  Fiber fiber;
  State state;
  unsigned id;
  const WarpOp *op; ///< what it waits for, and where in the kernel
  uint64_t *arguments, *results;
  uint32_t mask;
  int site;
  const void *barrier; ///< of the phase that it waits for
  bool parity;
  std::vector<Copy> copies; ///< not yet in a group
  std::vector<std::vector<Copy>> groups;
  uint32_t proxyFences = 0; ///< behind which wgmma sees what it wrote
  bool mayMultiply;         ///< whether registers are ready for wgmma
  uint32_t waitedFor;       ///< the products of its warp that are over
  std::vector<uint32_t> productGroups; ///< the last product of each
};

/// Products of a warp, counted over all blocks.
struct Products {
  uint32_t begun = 0, over = 0;
};

/// Who touched a place of shared memory since the last barrier: thread + 1.
struct Shadow {
  static constexpr uint32_t several = ~0u;
  uint32_t writer = 0, writeEpoch = 0, reader = 0, readEpoch = 0;
  uint32_t proxyFences = 0;       ///< of the writer, before it wrote
  uint32_t warp = 0, product = 0; ///< that read it last
  Arrival arrival;                ///< of the copy by TMA that wrote last
};

class Multiprocessor {
public:
  Multiprocessor();

  void run(const Kernel &kernel, Size grid, Size block, void **arguments);
  void yield(State state);
  void noteAccess(const char *address, size_t bytes, bool writes,
                  unsigned thread);
  void noteWritten(const char *address, size_t bytes, const Thread &thread);
  void noteProduct(const char *address, size_t bytes, unsigned warp);
  void noteBox(const char *to, size_t bytes, Arrival arrival);
  size_t countWarps() const {
    return (numThreads + kWarpLanes - 1) / kWarpLanes;
  }
  Products &getProducts(const Thread &thread) {
    return products[thread.id / kWarpLanes];
  }

  const Kernel *kernel = nullptr;
  void **arguments = nullptr;
  Size grid, block, blockId;
  Thread *current = nullptr;
  char *shared;
  unsigned numThreads = 0;
  std::vector<Thread> threads;
  std::vector<Products> products; ///< of each warp
  Fiber scheduler;

private:
  void runBlock();
  void runDirectly();
  void start();
  bool runReady();
  bool runWarp(unsigned first, unsigned end);
  bool runWarps();
  bool runPhases();
  bool passBarrier();
  [[noreturn]] void stopDeadlock();

  char *stacks = nullptr;
  size_t numStacks = 0;
  std::vector<unsigned> order;
  std::vector<Shadow> shadows;
  uint32_t epoch = 1;
  std::mt19937 random{7};
};

} // namespace

static Multiprocessor &get() {
  static Multiprocessor multiprocessor;
  return multiprocessor;
}

static char *reserve(size_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    stop("no memory for %zu bytes", bytes);
  return static_cast<char *>(memory);
}

/// Aligned so that offsets are the addresses that descriptors have.
static char *reserveShared() {
  auto address = reinterpret_cast<uintptr_t>(reserve(2 * kSharedBytes));
  return reinterpret_cast<char *>((address + kSharedBytes - 1) / kSharedBytes *
                                  kSharedBytes);
}

Multiprocessor::Multiprocessor()
    : shared(reserveShared()), shadows(kSharedBytes / 2) {}

/// Whether products that this thread takes part in are under way.
static bool isMultiplying(const Thread &thread) {
  return get().getProducts(thread).begun != thread.waitedFor;
}

/// The first function of each fiber.
static void runThread() {
  get().kernel->entry(get().arguments);
  if (isMultiplying(*get().current))
    stop("%s: thread %u ends while wgmma is under way",
         get().kernel->name.c_str(), get().current->id);
  get().yield(State::done);
}

void Multiprocessor::yield(State state) {
  current->state = state;
  switchTo(current->fiber, scheduler);
}

void Multiprocessor::start() {
  if (numStacks < numThreads) {
    stacks = reserve(numThreads * kStackBytes);
    numStacks = numThreads;
  }
  threads.resize(numThreads);
  products.resize(std::max<size_t>(products.size(), countWarps()));
  for (unsigned id = 0; id < numThreads; ++id) {
    Thread &thread = threads[id];
    thread.fiber.prepare(stacks + id * kStackBytes, kStackBytes, runThread);
    thread.state = State::ready;
    thread.id = id;
    thread.copies.clear();
    thread.groups.clear();
    thread.mayMultiply = false;
    thread.waitedFor = getProducts(thread).begun;
    thread.productGroups.clear();
  }
  order.resize(numThreads);
  std::iota(order.begin(), order.end(), 0);
  if (Faults::get().order == Faults::reverse)
    std::reverse(order.begin(), order.end());
}

/// Runs each thread that need not wait; whether there was one.
bool Multiprocessor::runReady() {
  bool progress = false;
  if (Faults::get().order == Faults::random)
    std::shuffle(order.begin(), order.end(), random);
  for (unsigned id : order) {
    if (threads[id].state != State::ready)
      continue;
    progress = true;
    current = &threads[id];
    switchTo(scheduler, current->fiber);
  }
  return progress;
}

/// Runs what lanes of a warp wait for, where all that it needs are there.
bool Multiprocessor::runWarp(unsigned first, unsigned end) {
  uint32_t all = end - first == kWarpLanes ? ~0u : (1u << (end - first)) - 1;
  uint32_t seen = 0;
  bool progress = false;
  for (unsigned id = first; id < end; ++id) {
    Thread &thread = threads[id];
    if (thread.state != State::inWarp || (seen >> (id - first) & 1))
      continue;
    uint32_t here = 0;
    uint64_t *arguments[kWarpLanes] = {}, *results[kWarpLanes] = {};
    for (unsigned other = id; other < end; ++other) {
      Thread &lane = threads[other];
      if (lane.state != State::inWarp || lane.site != thread.site ||
          lane.mask != thread.mask)
        continue;
      here |= 1u << (other - first);
      arguments[other - first] = lane.arguments;
      results[other - first] = lane.results;
    }
    seen |= here;
    if (here != (thread.mask & all))
      continue;
    current = &thread;
    thread.op->run(here, arguments, results);
    progress = true;
    for (unsigned lane = 0; lane < end - first; ++lane)
      if (here >> lane & 1)
        threads[first + lane].state = State::ready;
  }
  return progress;
}

bool Multiprocessor::runWarps() {
  bool progress = false;
  for (unsigned first = 0; first < numThreads; first += kWarpLanes)
    progress |= runWarp(first, std::min(first + kWarpLanes, numThreads));
  return progress;
}

/// Threads go on whose phase of a barrier in shared memory is over.
bool Multiprocessor::runPhases() {
  bool progress = false;
  for (Thread &thread : threads)
    if (thread.state == State::atPhase &&
        isPhaseOver(thread.barrier, thread.parity)) {
      thread.state = State::ready;
      progress = true;
    }
  return progress;
}

/// Once all threads that are left stand at a barrier.
bool Multiprocessor::passBarrier() {
  int site = 0;
  for (Thread &thread : threads) {
    if (thread.state == State::done)
      continue;
    if (thread.state != State::atBarrier)
      return false;
    site = thread.site;
  }
  for (Thread &thread : threads)
    if (thread.state == State::atBarrier)
      thread.state = State::ready;
  ++epoch;
  return site != 0;
}

void Multiprocessor::stopDeadlock() {
  for (const Thread &thread : threads)
    if (thread.state == State::atPhase)
      stop("%s: thread %u waits for a barrier that %lld bytes do not reach",
           kernel->name.c_str(), thread.id, countMissingBytes(thread.barrier));
  for (const Thread &thread : threads)
    if (thread.state != State::done) {
      fprintf(stderr, "nvemu: thread %u waits %s\n", thread.id,
              thread.state == State::atBarrier ? "at a barrier"
                                               : "for its warp");
      break;
    }
  stop("%s: the threads of block %u,%u wait for each other",
       kernel->name.c_str(), blockId.x, blockId.y);
}

void Multiprocessor::runBlock() {
  // Whatever reads what nobody wrote finds NaN.
  memset(shared, 0xff, kernel->sharedBytes);
  ++epoch;
  forgetBarriers();
  start();
  auto isDone = [](const Thread &thread) {
    return thread.state == State::done;
  };
  while (!std::all_of(threads.begin(), threads.end(), isDone)) {
    bool progress = runReady();
    progress |= runWarps();
    progress |= runPhases();
    if (!progress && !passBarrier())
      stopDeadlock();
  }
}

/// Threads that never wait need no stacks of their own.
void Multiprocessor::runDirectly() {
  threads.resize(numThreads);
  products.resize(std::max<size_t>(products.size(), countWarps()));
  for (unsigned id = 0; id < numThreads; ++id) {
    current = &threads[id];
    current->id = id;
    current->waitedFor = getProducts(*current).begun;
    kernel->entry(arguments);
  }
}

/// Blocks know nothing of each other: they run in the order of threads.
static std::vector<unsigned> orderBlocks(unsigned count) {
  std::vector<unsigned> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (Faults::get().order == Faults::reverse)
    std::reverse(order.begin(), order.end());
  static std::mt19937 random(1);
  if (Faults::get().order == Faults::random)
    std::shuffle(order.begin(), order.end(), random);
  return order;
}

void Multiprocessor::run(const Kernel &kernel, Size grid, Size block,
                         void **arguments) {
  this->kernel = &kernel;
  this->grid = grid;
  this->block = block;
  this->arguments = arguments;
  numThreads = block.x * block.y * block.z;
  if (kernel.sharedBytes > kSharedBytes)
    stop("%s: %zu bytes of shared memory", kernel.name.c_str(),
         kernel.sharedBytes);
  for (unsigned id : orderBlocks(grid.x * grid.y * grid.z)) {
    blockId = {id % grid.x, id / grid.x % grid.y, id / (grid.x * grid.y)};
    kernel.isParallel ? runBlock() : runDirectly();
  }
}

void Multiprocessor::noteAccess(const char *address, size_t bytes, bool writes,
                                unsigned thread) {
  size_t offset = address - shared, id = thread + 1;
  if (address < shared || offset + bytes > kernel->sharedBytes)
    stop("%s: thread %u leaves shared memory, at byte %zd of %zu",
         kernel->name.c_str(), thread, address - shared, kernel->sharedBytes);
  for (size_t place = offset / 2; place < (offset + bytes + 1) / 2; ++place) {
    Shadow &shadow = shadows[place];
    if (!hasArrived(shadow.arrival, thread))
      stop("%s: thread %u touches byte %zu of shared memory before a copy by "
           "TMA arrived there",
           kernel->name.c_str(), thread, 2 * place);
    bool written = shadow.writeEpoch == epoch && shadow.writer != id;
    bool read = shadow.readEpoch == epoch && shadow.reader != id;
    if (written || (writes && read))
      stop("%s: threads %u and %d race for byte %zu of shared memory",
           kernel->name.c_str(), thread,
           int(written ? shadow.writer : shadow.reader) - 1, 2 * place);
    if (writes && shadow.product > products[shadow.warp].over)
      stop(
          "%s: thread %u writes byte %zu of shared memory, which wgmma of warp "
          "%u still reads",
          kernel->name.c_str(), thread, 2 * place, shadow.warp);
    if (writes) {
      shadow.writer = id;
      shadow.writeEpoch = epoch;
      shadow.proxyFences = threads[thread].proxyFences;
      shadow.arrival = {};
    } else {
      shadow.reader = read ? Shadow::several : id;
      shadow.readEpoch = epoch;
    }
  }
}

/// Copies write when they are waited for.
void Multiprocessor::noteWritten(const char *address, size_t bytes,
                                 const Thread &thread) {
  size_t offset = address - shared;
  for (size_t place = offset / 2; place < (offset + bytes + 1) / 2; ++place)
    if (shadows[place].writer == thread.id + 1)
      shadows[place].proxyFences = thread.proxyFences;
}

/// wgmma sees what writers made known to it.
void Multiprocessor::noteProduct(const char *address, size_t bytes,
                                 unsigned warp) {
  noteAccess(address, bytes, /*writes=*/false, warp * kWarpLanes);
  size_t offset = address - shared;
  for (size_t place = offset / 2; place < (offset + bytes + 1) / 2; ++place) {
    Shadow &shadow = shadows[place];
    if (shadow.writer && shadow.writer <= numThreads &&
        threads[shadow.writer - 1].proxyFences == shadow.proxyFences)
      stop("%s: wgmma of warp %u reads byte %zu of shared memory, which thread "
           "%u wrote without fence.proxy.async",
           kernel->name.c_str(), warp, 2 * place, shadow.writer - 1);
    shadow.warp = warp;
    shadow.product = products[warp].begun;
  }
}

/// The copy is one of its thread at first; then those who waited may read what
/// it wrote, wgmma too.
void Multiprocessor::noteBox(const char *to, size_t bytes, Arrival arrival) {
  noteAccess(to, bytes, /*writes=*/true, current->id);
  size_t offset = to - shared;
  for (size_t place = offset / 2; place < (offset + bytes + 1) / 2; ++place) {
    shadows[place].writer = shadows[place].writeEpoch = 0;
    shadows[place].arrival = arrival;
  }
}

void nvemu::noteBox(const void *to, size_t bytes, Arrival arrival) {
  if (Faults::get().races)
    get().noteBox(static_cast<const char *>(to), bytes, arrival);
}

unsigned nvemu::getThread() { return get().current->id; }

const char *nvemu::getKernelName() { return get().kernel->name.c_str(); }

void nvemu::suspendUntilOver(const void *barrier, bool parity) {
  get().current->barrier = barrier;
  get().current->parity = parity;
  get().yield(State::atPhase);
}

unsigned nvemu::beginProduct() {
  Multiprocessor &self = get();
  unsigned warp = self.current->id / kWarpLanes;
  for (unsigned lane = 0; lane < kWarpLanes; ++lane)
    if (!self.threads[warp * kWarpLanes + lane].mayMultiply)
      stop("%s: wgmma of warp %u without wgmma.fence",
           self.kernel->name.c_str(), warp);
  ++self.products[warp].begun;
  return warp;
}

const char *nvemu::readByProduct(uint32_t place, size_t bytes) {
  Multiprocessor &self = get();
  const char *address = self.shared + place;
  if (Faults::get().races)
    self.noteProduct(address, bytes, self.current->id / kWarpLanes);
  return address;
}

void nvemu::noteAccess(const void *address, size_t bytes, bool writes,
                       unsigned lane) {
  if (!Faults::get().races)
    return;
  unsigned warp = get().current->id / kWarpLanes * kWarpLanes;
  get().noteAccess(static_cast<const char *>(address), bytes, writes,
                   warp + lane);
}

void nvemu::launch(Kernel &kernel, Size grid, Size block, void **arguments) {
  if (!kernel.entry)
    kernel.program->compile(kernel);
  get().run(kernel, grid, block, arguments);
}

//===----------------------------------------------------------------------===//
// What kernels call
//===----------------------------------------------------------------------===//

int nvemu::findRegister(const std::string &name) {
  static const char *const names[] = {
      "tid.x",    "tid.y",    "tid.z",   "ntid.x",  "ntid.y",
      "ntid.z",   "ctaid.x",  "ctaid.y", "ctaid.z", "nctaid.x",
      "nctaid.y", "nctaid.z", "laneid"};
  for (int i = 0; i < int(std::size(names)); ++i)
    if (name == names[i])
      return i;
  return -1;
}

static unsigned getComponent(const Size &size, int component) {
  return component == 0 ? size.x : component == 1 ? size.y : size.z;
}

static unsigned readRegister(int number) {
  const Multiprocessor &self = get();
  unsigned id = self.current->id;
  switch (number / 3) {
  case 0:
    return getComponent({id % self.block.x, id / self.block.x % self.block.y,
                         id / self.block.x / self.block.y},
                        number % 3);
  case 1:
    return getComponent(self.block, number % 3);
  case 2:
    return getComponent(self.blockId, number % 3);
  case 3:
    return getComponent(self.grid, number % 3);
  }
  return id % kWarpLanes;
}

static char *getShared() { return get().shared; }

static void waitAtBarrier(int site) {
  get().current->site = site;
  get().yield(State::atBarrier);
}

static void waitForWarp(const WarpOp *op, uint64_t *arguments,
                        uint64_t *results, int site) {
  Thread &thread = *get().current;
  thread.op = op;
  thread.arguments = arguments;
  thread.results = results;
  thread.site = site;
  thread.mask =
      op->maskArgument < 0 ? ~0u : uint32_t(arguments[op->maskArgument]);
  get().yield(State::inWarp);
}

static void copyAsync(char *to, const char *from, int bytes, int given) {
  if (reinterpret_cast<uintptr_t>(to) % bytes ||
      reinterpret_cast<uintptr_t>(from) % bytes)
    stop("%s: a copy of %d bytes is not aligned", get().kernel->name.c_str(),
         bytes);
  if (Faults::get().races)
    get().noteAccess(to, bytes, true, get().current->id);
  if (Faults::get().bounds && given && !isAllocated(from, given))
    stop("%s: thread %u copies %d bytes of memory that nobody allocated",
         get().kernel->name.c_str(), get().current->id, given);
  Copy copy{to, from, unsigned(bytes), unsigned(given)};
  if (Faults::get().eager)
    copy.run();
  else
    get().current->copies.push_back(copy);
}

static void commitCopies() {
  Thread &thread = *get().current;
  thread.groups.push_back(std::move(thread.copies));
  thread.copies.clear();
}

/// Until at most so many groups are under way: copies wait as long as they may.
static void waitForCopies(int groups) {
  auto &pending = get().current->groups;
  while (int(pending.size()) > groups) {
    for (const Copy &copy : pending.front()) {
      copy.run();
      get().noteWritten(copy.to, copy.bytes, *get().current);
    }
    pending.erase(pending.begin());
  }
}

static void fenceProxy() { ++get().current->proxyFences; }

static void fenceProducts() { get().current->mayMultiply = true; }

static void commitProducts() {
  Thread &thread = *get().current;
  thread.productGroups.push_back(get().getProducts(thread).begun);
}

/// Until at most so many groups are under way.
static void waitForProducts(int64_t groups) {
  Thread &thread = *get().current;
  Products &products = get().getProducts(thread);
  auto &pending = thread.productGroups;
  while (int64_t(pending.size()) > groups) {
    thread.waitedFor = pending.front();
    products.over = std::max(products.over, pending.front());
    pending.erase(pending.begin());
  }
  thread.mayMultiply = false;
}

static void checkAccess(const char *address, int bytes, int writes,
                        int isShared, int alignment) {
  const char *name = get().kernel->name.c_str();
  unsigned thread = get().current->id;
  // A power of two, by which nobody need divide.
  if (reinterpret_cast<uintptr_t>(address) & (alignment - 1))
    stop("%s: thread %u accesses %d bytes that are not aligned", name, thread,
         bytes);
  if (isShared && Faults::get().races)
    get().noteAccess(address, bytes, writes, thread);
  if (!isShared && writes && isMultiplying(*get().current))
    stop("%s: thread %u writes results while wgmma is under way", name, thread);
  if (!isShared && Faults::get().bounds && !isAllocated(address, bytes))
    stop("%s: thread %u %s memory that nobody allocated", name, thread,
         writes ? "writes" : "reads");
}

std::vector<std::pair<std::string, void *>> nvemu::getEntryPoints() {
  auto address = [](auto *function) {
    return reinterpret_cast<void *>(function);
  };
  return {{"nvemu_register", address(readRegister)},
          {"nvemu_shared", address(getShared)},
          {"nvemu_barrier", address(waitAtBarrier)},
          {"nvemu_warp", address(waitForWarp)},
          {"nvemu_copy", address(copyAsync)},
          {"nvemu_commit", address(commitCopies)},
          {"nvemu_wait", address(waitForCopies)},
          {"nvemu_proxy_fence", address(fenceProxy)},
          {"nvemu_product_fence", address(fenceProducts)},
          {"nvemu_product_commit", address(commitProducts)},
          {"nvemu_product_wait", address(waitForProducts)},
          {"nvemu_access", address(checkAccess)}};
}
