//===- Contest.h - Ways of doing the same, in turn -------------*- C++ -*-===//
//
// Speeds of a shared machine change from second to second: contestants take
// turns, and what is reported are medians of ratios within a round.
//
//===----------------------------------------------------------------------===//

#ifndef TEST_BENCHMARKS_CONTEST_H
#define TEST_BENCHMARKS_CONTEST_H

#include "runtime/cli/Ceilings.h"

#include <functional>
#include <string>
#include <vector>

namespace bench {

/// Seconds of one run of each contestant, round by round.
class Contest {
public:
  /// Runs that read `bytes` of weights or of a cache: `cold` ones find nothing
  /// of it in the caches, others what a run before has left there.
  Contest(modrt::ThreadPool &pool, int64_t bytes, bool cold);

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
  /// The share of what the machine could do with `flops`, and with the bytes
  /// from where they are.
  double medianShare(size_t contestant, double flops) const;
  /// Between the quartiles of that share, by its median.
  double spreadOfShare(size_t contestant, double flops) const;
  double medianPeakGflops() const;
  double medianPeakGbPerS() const;

private:
  double measureBandwidth();
  double timeRuns(const std::function<void()> &contestant);
  std::vector<double> shares(size_t contestant, double flops) const;

  modrt::ThreadPool &pool;
  int64_t bytes;
  bool cold;
  modrt::ReadBuffer warm;
  std::vector<std::function<void()>> contestants;
  std::vector<std::vector<double>> seconds;
  std::vector<double> peakGflops, peakGbPerS;
};

} // namespace bench

#endif // TEST_BENCHMARKS_CONTEST_H
