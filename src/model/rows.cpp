// rows.cpp - see rows.h.
#include "model/rows.h"

#include <algorithm>
#include <array>

#include "base/parallel.h"

namespace farthing {

template <class T>
void copy_rows(Matrix<T> to, Matrix<const T> from) {
  CHECK(to.n_rows == from.n_rows);
  CHECK(to.n_cols == from.n_cols);
  parallel_for(to.n_rows, [&](int row) { std::ranges::copy(from[row], to.row(row)); });
}

template <class T>
void gather_rows(Matrix<T> to, Matrix<const T> from, std::span<const std::int32_t> id) {
  CHECK(static_cast<std::size_t>(to.n_rows) == id.size());
  CHECK(to.n_cols == from.n_cols);
  parallel_for(to.n_rows, [&](int row) {
    const int source = id[static_cast<std::size_t>(row)];
    if (source < 0) {
      std::ranges::fill(to[row], T{0});
    } else {
      std::ranges::copy(from[source], to.row(row));
    }
  });
}

template <class T>
void scatter_add_rows(Matrix<T> to, Matrix<const T> from, std::span<const std::int32_t> id) {
  CHECK(static_cast<std::size_t>(from.n_rows) == id.size());
  CHECK(to.n_cols == from.n_cols);
  // Two rows may share an id, so each task owns a stripe of columns and walks all rows in order.
  constexpr int kStripe = 64;
  parallel_for((to.n_cols + kStripe - 1) / kStripe, [&](int stripe) {
    const int begin = stripe * kStripe;
    const int end = std::min(begin + kStripe, to.n_cols);
    for (int row = 0; row < from.n_rows; ++row) {
      const int target = id[static_cast<std::size_t>(row)];
      if (target < 0) continue;
      for (int col = begin; col < end; ++col) to(target, col) += from(row, col);
    }
  });
}

template <class T>
T dot(std::span<const T> a, std::span<const T> b) {
  DCHECK(a.size() == b.size());
  constexpr std::size_t kLanes = 8;
  std::array<T, kLanes> partial{};
  const std::size_t whole = a.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) partial[lane] += a[i + lane] * b[i + lane];
  }
  for (std::size_t i = whole; i < a.size(); ++i) partial[i - whole] += a[i] * b[i];
  T sum = 0;
  for (const T value : partial) sum += value;
  return sum;
}

template void copy_rows(Matrix<float>, Matrix<const float>);
template void copy_rows(Matrix<double>, Matrix<const double>);
template void gather_rows(Matrix<float>, Matrix<const float>, std::span<const std::int32_t>);
template void gather_rows(Matrix<double>, Matrix<const double>, std::span<const std::int32_t>);
template void scatter_add_rows(Matrix<float>, Matrix<const float>, std::span<const std::int32_t>);
template void scatter_add_rows(Matrix<double>, Matrix<const double>, std::span<const std::int32_t>);
template float dot(std::span<const float>, std::span<const float>);
template double dot(std::span<const double>, std::span<const double>);

}  // namespace farthing
