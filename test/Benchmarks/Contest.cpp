//===- Contest.cpp - Ways of doing the same, in turn ----------------------===//
//
// Between two contestants lies a pause: threads of a library that ran before
// spin for a while.
//
//===----------------------------------------------------------------------===//

#include "Contest.h"

#include "Programs.h"
#include "runtime/cli/Terminal.h"

#include <algorithm>
#include <unistd.h>

using namespace bench;
using modrt::now;

static const useconds_t pauseMicroseconds = 5000;
static const double enoughSeconds = 0.005;

static double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  double at = q * static_cast<double>(values.size() - 1);
  size_t low = static_cast<size_t>(at),
         high = std::min(low + 1, values.size() - 1);
  return values[low] +
         (at - static_cast<double>(low)) * (values[high] - values[low]);
}

static double median(std::vector<double> values) {
  return quantile(std::move(values), 0.5);
}

Contest::Contest(modrt::ThreadPool &pool, int64_t bytes, bool cold)
    : pool(pool), bytes(bytes), cold(cold) {
  if (!cold && modrt::failed(warm.open(pool, bytes)))
    fail("no memory to measure its speed");
}

/// Of a buffer that no cache holds, so that what was in the caches is gone
/// then, or of one that lies where the bytes do.
double Contest::measureBandwidth() {
  if (!cold) {
    warm.measureGbPerS(pool, /*enough=*/0);
    return warm.measureGbPerS(pool, enoughSeconds);
  }
  static modrt::ReadBuffer buffer;
  static const modrt_status opened = buffer.open(pool);
  return modrt::failed(opened) ? 0 : buffer.measureGbPerS(pool, /*enough=*/0);
}

double Contest::timeRuns(const std::function<void()> &contestant) {
  double begin, end;
  if (cold) {
    measureBandwidth();
    begin = now();
    contestant();
    return now() - begin;
  }
  usleep(pauseMicroseconds);
  begin = now();
  contestant();
  end = now();
  if (end - begin > 20 * enoughSeconds)
    return end - begin;
  int64_t runs = 0;
  begin = now();
  do {
    contestant();
    ++runs;
    end = now();
  } while (end - begin < enoughSeconds);
  return (end - begin) / static_cast<double>(runs);
}

void Contest::playRound() {
  peakGbPerS.push_back(measureBandwidth());
  usleep(pauseMicroseconds);
  peakGflops.push_back(modrt::measurePeakGflops(pool, enoughSeconds));
  for (size_t i = 0; i < contestants.size(); ++i)
    seconds[i].push_back(timeRuns(contestants[i]));
}

double Contest::medianSeconds(size_t contestant) const {
  return median(seconds[contestant]);
}

double Contest::medianRatio(size_t contestant, size_t other) const {
  std::vector<double> ratios;
  for (int64_t round = 0; round < numRounds(); ++round)
    ratios.push_back(seconds[other][round] / seconds[contestant][round]);
  return median(ratios);
}

std::vector<double> Contest::shares(size_t contestant, double flops) const {
  std::vector<double> found;
  for (int64_t round = 0; round < numRounds(); ++round)
    found.push_back(
        1e-9 * std::max(flops / peakGflops[round], bytes / peakGbPerS[round]) /
        seconds[contestant][round]);
  return found;
}

double Contest::medianShare(size_t contestant, double flops) const {
  return median(shares(contestant, flops));
}

double Contest::spreadOfShare(size_t contestant, double flops) const {
  std::vector<double> found = shares(contestant, flops);
  return (quantile(found, 0.75) - quantile(found, 0.25)) / median(found);
}

double Contest::medianPeakGflops() const { return median(peakGflops); }
double Contest::medianPeakGbPerS() const { return median(peakGbPerS); }
