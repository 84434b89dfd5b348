//===- Peers.cpp - Libraries that products are compared with --------------===//
//
// oneDNN reorders its weights once, as a compiler does.
//
//===----------------------------------------------------------------------===//

#include "Peers.h"

#include <cblas.h>
#include <dnnl.hpp>
#include <memory>

using namespace bench;

extern "C" void openblas_set_num_threads(int threads);
extern "C" void omp_set_num_threads(int threads);

void bench::setPeerThreads(int threads) {
  openblas_set_num_threads(threads);
  omp_set_num_threads(threads);
}

std::function<void()> bench::makeOpenBlas(const Product &product) {
  return [=] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, product.m, product.n,
                product.k, 1, product.x, product.width, product.w, product.k, 0,
                product.y, product.n);
  };
}

namespace {

struct MatMul {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul primitive;
  std::unordered_map<int, dnnl::memory> arguments;

  explicit MatMul(const Product &product);
};

} // namespace

MatMul::MatMul(const Product &product) {
  using dnnl::memory;
  auto describe = [](int64_t rows, int64_t columns, memory::format_tag tag) {
    return memory::desc({rows, columns}, memory::data_type::f32, tag);
  };
  const auto plain = memory::format_tag::ab, turned = memory::format_tag::ba;
  memory::desc x({product.m, product.k}, memory::data_type::f32,
                 memory::dims{product.width, 1});
  memory::desc w = describe(product.k, product.n, memory::format_tag::any);
  memory::desc y = describe(product.m, product.n, plain);
  dnnl::matmul::primitive_desc chosen(dnnl::matmul::desc(x, w, y), engine);
  memory given(describe(product.k, product.n, turned), engine,
               const_cast<float *>(product.w));
  memory packed(chosen.weights_desc(), engine);
  dnnl::reorder(given, packed).execute(stream, given, packed);
  stream.wait();
  primitive = dnnl::matmul(chosen);
  arguments = {
      {DNNL_ARG_SRC, memory(x, engine, const_cast<float *>(product.x))},
      {DNNL_ARG_WEIGHTS, packed},
      {DNNL_ARG_DST, memory(y, engine, product.y)}};
}

std::function<void()> bench::makeOneDnn(const Product &product) {
  auto matMul = std::make_shared<MatMul>(product);
  return [matMul] {
    matMul->primitive.execute(matMul->stream, matMul->arguments);
    matMul->stream.wait();
  };
}
