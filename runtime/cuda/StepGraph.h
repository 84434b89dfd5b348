//===- StepGraph.h - A program as one graph of the driver ------*- C++ -*-===//
//
// What a program asks of the device is captured the first time and launched as
// one from then on. Memory of the host goes through pinned memory of the
// graph's own, so that it may be elsewhere each time.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CUDA_STEPGRAPH_H
#define RUNTIME_CUDA_STEPGRAPH_H

#include "runtime/cuda/Driver.h"

#include <vector>

namespace modrt {

class StepGraph {
public:
  StepGraph(const Driver &driver, Driver::Handle stream)
      : driver(driver), stream(stream) {}
  StepGraph(const StepGraph &) = delete;
  StepGraph &operator=(const StepGraph &) = delete;
  ~StepGraph() { forget(); }

  /// Between these calls the program asks for the same as ever. `end` gives the
  /// first failure since `begin`. Where the program asked for something else,
  /// it has to be called again.
  void begin();
  int end(bool &differs);
  /// Begins to run the graph, once nothing differs.
  int run() const { return driver.graphLaunch(graph, stream); }
  /// Behind the graph: gives the host what was copied from the device.
  void deliver() const;

  void launch(Driver::Handle function, unsigned blocksX, unsigned blocksY,
              unsigned threads, void **arguments, size_t count);
  void upload(Driver::Address to, const void *from, size_t bytes);
  void download(void *to, Driver::Address from, size_t bytes);

private:
  /// Something that is asked for: what of it is the same each time, and pinned
  /// memory of copies with where that goes on the host.
  struct Step {
    std::vector<uint64_t> constant;
    void *pinned = nullptr;
    void *host = nullptr;
    size_t bytes = 0;
  };
  bool isCapturing() const { return !graph; }
  void note(int result) { failure = failure ? failure : result; }
  /// The step for what is `asked`; null where that is another, or nothing went
  /// on after a failure.
  Step *find();
  /// The same with the memory of the host that a copy goes through.
  Step *findPinned(size_t bytes);
  void pin(Step &step, size_t bytes);
  void instantiate();
  void forget();

  const Driver &driver;
  Driver::Handle stream;
  Driver::Handle graph = nullptr; ///< instantiated
  std::vector<Step> steps;
  std::vector<uint64_t> asked;
  size_t next = 0; ///< of the steps, that is asked for
  bool isSame = true;
  int failure = 0;
};

} // namespace modrt

#endif // RUNTIME_CUDA_STEPGRAPH_H
