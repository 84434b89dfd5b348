//===- Peers.h - Libraries that products are compared with -----*- C++ -*-===//
//
// OpenBLAS and oneDNN, behind one interface.
//
//===----------------------------------------------------------------------===//

#ifndef TEST_BENCHMARKS_PEERS_H
#define TEST_BENCHMARKS_PEERS_H

#include <cstdint>
#include <functional>

namespace bench {

/// y[m][n] = x[m][k] w[n][k]^T, rows of x `width` apart; each gives a function
/// that runs it once.
struct Product {
  int64_t m, k, n, width;
  const float *x, *w;
  float *y;
};

std::function<void()> makeOpenBlas(const Product &product);

/// With the weight in the layout that the library likes best.
std::function<void()> makeOneDnn(const Product &product);

/// How many threads both run on.
void setPeerThreads(int threads);

} // namespace bench

#endif // TEST_BENCHMARKS_PEERS_H
