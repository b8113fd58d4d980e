// gemm_onednn.cpp - oneDNN's matrix products, timed on request; compare_gemm.py compiles and asks.
//
// In, a line each:  FORMAT PROBLEMS M N K TRANSPOSE_A TRANSPOSE_B IS_WEIGHT SECONDS
// Out:              median and best FLOP/s
// FORMAT is fp32 or bf16.  Sources and weights lie as in `farthing bench gemm`: FP32 in memory; for
// bf16 they are converted by a reorder inside the measurement, as farthing's packing converts.  A
// weight is brought into the layout that oneDNN asks for once, outside of it.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"

namespace {

using dnnl::memory;

struct Shape {
  std::string format;
  int problems, m, n, k;
  bool transpose_a, transpose_b, is_weight;
};

memory::desc plain(int rows, int cols, memory::data_type type, bool transposed) {
  return {{rows, cols}, type, transposed ? memory::format_tag::ba : memory::format_tag::ab};
}

class Product {
 public:
  Product(const dnnl::engine& engine, dnnl::stream& stream, const Shape& shape)
      : stream_(stream), shape_(shape) {
    const auto f32 = memory::data_type::f32;
    const auto type = shape.format == "bf16" ? memory::data_type::bf16 : f32;
    const auto a_plain = plain(shape.m, shape.k, f32, shape.transpose_a);
    const auto b_plain = plain(shape.k, shape.n, f32, shape.transpose_b);
    const auto any = memory::format_tag::any;
    const memory::desc a_wanted = type == f32 ? a_plain : memory::desc({shape.m, shape.k}, type, any);
    const memory::desc b_wanted = type == f32 && !shape.is_weight
                                      ? b_plain
                                      : memory::desc({shape.k, shape.n}, type, any);
    const dnnl::matmul::primitive_desc matmul(engine, a_wanted, b_wanted,
                                              plain(shape.m, shape.n, f32, false));
    matmul_ = dnnl::matmul(matmul);
    for (int i = 0; i < shape.problems; ++i) {
      a_.push_back(filled(a_plain, engine, 1 + i));
      b_.push_back(filled(b_plain, engine, 1000 + i));
      c_.emplace_back(matmul.dst_desc(), engine);
      a_converted_.push_back(like(a_.back(), matmul.src_desc(), engine));
      b_converted_.push_back(like(b_.back(), matmul.weights_desc(), engine));
      if (shape.is_weight) convert(b_.back(), b_converted_.back());
    }
    stream_.wait();
  }

  void run() {
    for (int i = 0; i < shape_.problems; ++i) {
      convert(a_[i], a_converted_[i]);
      if (!shape_.is_weight) convert(b_[i], b_converted_[i]);
      matmul_.execute(stream_, {{DNNL_ARG_SRC, a_converted_[i]},
                                {DNNL_ARG_WEIGHTS, b_converted_[i]},
                                {DNNL_ARG_DST, c_[i]}});
    }
    stream_.wait();
  }

 private:
  static memory filled(const memory::desc& desc, const dnnl::engine& engine, unsigned seed) {
    memory m(desc, engine);
    auto* values = static_cast<float*>(m.get_data_handle());
    for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      seed = seed * 1664525u + 1013904223u;
      values[i] = static_cast<float>(seed >> 8) * 0x1p-23f - 1;
    }
    return m;
  }
  static memory like(const memory& from, const memory::desc& wanted, const dnnl::engine& engine) {
    return from.get_desc() == wanted ? from : memory(wanted, engine);
  }
  void convert(memory& from, memory& to) {
    if (from.get() == to.get()) return;
    auto& reorder = reorders_[&to];
    if (!reorder) reorder = dnnl::reorder(from, to);
    reorder.execute(stream_, from, to);
  }

  dnnl::stream& stream_;
  Shape shape_;
  dnnl::matmul matmul_;
  std::vector<memory> a_, b_, c_, a_converted_, b_converted_;
  std::unordered_map<memory*, dnnl::reorder> reorders_;
};

}  // namespace

int main() {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  Shape shape;
  double budget = 0;
  while (std::cin >> shape.format >> shape.problems >> shape.m >> shape.n >> shape.k >>
         shape.transpose_a >> shape.transpose_b >> shape.is_weight >> budget) {
    Product product(engine, stream, shape);
    product.run();
    const double flops = 2.0 * shape.problems * shape.m * shape.n * shape.k;
    std::vector<double> rates;
    for (double spent = 0; spent < budget || rates.size() < 3;) {
      const auto start = std::chrono::steady_clock::now();
      product.run();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      spent += took.count();
      rates.push_back(flops / took.count());
    }
    std::sort(rates.begin(), rates.end());
    std::cout << rates[rates.size() / 2] << " " << rates.back() << std::endl;
  }
}
