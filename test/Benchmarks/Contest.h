//===- Contest.h - Ways of doing the same, in turn -------------*- C++ -*-===//
//
// Speeds of a shared machine change from second to second: contestants take
// turns, and what is reported are medians of ratios within a round.
//
//===----------------------------------------------------------------------===//

#ifndef TEST_BENCHMARKS_CONTEST_H
#define TEST_BENCHMARKS_CONTEST_H

#include "runtime/ThreadPool.h"

#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Seconds of one run of each contestant, round by round.
class Contest {
public:
  /// `cold` runs find nothing of what they read in the caches.
  explicit Contest(modrt::ThreadPool &pool, bool cold);

  void add(std::function<void()> contestant) {
    contestants.push_back(std::move(contestant));
    seconds.emplace_back();
  }
  /// Lets everyone run once more.
  void playRound();

  int64_t numRounds() const { return peakGflops.size(); }
  double medianSeconds(size_t contestant) const;
  /// How many times as fast as another one.
  double medianRatio(size_t contestant, size_t other) const;
  /// The share of what the machine could do, where `flops` multiply and add
  /// and `bytes` come from memory.
  double medianShare(size_t contestant, double flops, double bytes) const;
  /// Between the quartiles of that share, by its median.
  double spreadOfShare(size_t contestant, double flops, double bytes) const;
  double medianPeakGflops() const;
  double medianPeakGbPerS() const;

private:
  double measureBandwidth();
  double timeRuns(const std::function<void()> &contestant);
  std::vector<double> shares(size_t contestant, double flops,
                             double bytes) const;

  modrt::ThreadPool &pool;
  bool cold;
  std::vector<std::function<void()>> contestants;
  std::vector<std::vector<double>> seconds;
  std::vector<double> peakGflops, peakGbPerS;
};

} // namespace bench

#endif // TEST_BENCHMARKS_CONTEST_H
