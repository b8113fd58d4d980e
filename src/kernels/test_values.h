// test_values.h - what the kernels' tests share: random values, double twins, every ISA, distances.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/matrix.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/isa.h"

namespace farthing::test {

// A matrix that owns its values, in rows of `stride` (at least n_cols).
template <class T>
struct Owned {
  std::vector<T> values;
  int n_rows, n_cols, stride;

  Owned(int rows, int cols, int row_stride = 0)
      : values(static_cast<std::size_t>(rows) * (row_stride > cols ? row_stride : cols)),
        n_rows(rows),
        n_cols(cols),
        stride(row_stride > cols ? row_stride : cols) {}
  Matrix<T> view() { return {values.data(), n_rows, n_cols, stride}; }
  Matrix<const T> view() const { return {values.data(), n_rows, n_cols, stride}; }
  std::span<T> row() { return view()[0]; }
  std::span<const T> row() const { return view()[0]; }
  bool operator==(const Owned&) const = default;
};

template <class T>
Owned<T> random_matrix(int n_rows, int n_cols, std::uint64_t seed, int stride = 0) {
  Owned<T> m(n_rows, n_cols, stride);
  const Rng rng(seed, RngStream::kTest);
  for (std::size_t i = 0; i < m.values.size(); ++i) m.values[i] = float(rng.normal(i));
  return m;
}

template <class T, class U>
Owned<T> converted(const Owned<U>& from) {
  Owned<T> to(from.n_rows, from.n_cols, from.stride);
  for (std::size_t i = 0; i < to.values.size(); ++i) to.values[i] = T(from.values[i]);
  return to;
}

template <class T>
double norm(Matrix<const T> m) {
  double sum = 0;
  for (int row = 0; row < m.n_rows; ++row) {
    for (const T value : m[row]) sum += double(value) * double(value);
  }
  return std::sqrt(sum);
}

// |a - b| / |b| in the Frobenius norm.
template <class T, class U>
double relative_distance(const Owned<T>& a, const Owned<U>& b) {
  Owned<double> difference = converted<double>(b);
  for (int row = 0; row < a.n_rows; ++row) {
    for (int col = 0; col < a.n_cols; ++col) {
      difference.view()(row, col) -= double(a.view()(row, col));
    }
  }
  const double size = norm(b.view());
  return norm(std::as_const(difference).view()) / (size > 0 ? size : 1);
}

inline std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : kAllIsas) {
    if (cpu_supports(isa)) isas.push_back(isa);
  }
  return isas;
}

// The choice of instruction set and of threads comes back at the end of the scope.
struct Restore {
  const Isa isa = current_isa();
  const int threads = num_threads();
  Restore() = default;
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  ~Restore() {
    set_isa(isa);
    set_num_threads(threads);
  }
};

inline constexpr double kFloatEps = 0x1p-24;  // half an ulp of 1

}  // namespace farthing::test
