// matrix.h - Matrix<T>: a row-major view {data, n_rows, n_cols, stride} that owns nothing.
//
//   m[row] is a span of n_cols;  m(row, col) an element;  m.rows(a, n), m.cols(a, n) are views.
//
// Errors   Views are CHECKed when they are cut; element access is DCHECKed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/check.h"

namespace farthing {

template <class T>
struct Matrix {
  T* data = nullptr;
  int n_rows = 0;
  int n_cols = 0;
  std::int64_t stride = 0;  // elements from one row to the next

  Matrix() = default;
  Matrix(T* d, int rows, int cols) : Matrix(d, rows, cols, cols) {}
  Matrix(T* d, int rows, int cols, std::int64_t row_stride)
      : data(d), n_rows(rows), n_cols(cols), stride(row_stride) {}

  // A writable view is a readable one.
  operator Matrix<const T>() const requires(!std::is_const_v<T>) {
    return {data, n_rows, n_cols, stride};
  }

  T* row(int index) const {
    DCHECK(index >= 0 && index < n_rows);
    return data + index * stride;
  }
  std::span<T> operator[](int index) const {
    return {row(index), static_cast<std::size_t>(n_cols)};
  }
  T& operator()(int r, int c) const { return row(r)[c]; }

  Matrix rows(int first, int count) const {
    CHECK(first >= 0 && count >= 0 && first + count <= n_rows);
    return {data + first * stride, count, n_cols, stride};
  }
  Matrix cols(int first, int count) const {
    CHECK(first >= 0 && count >= 0 && first + count <= n_cols);
    return {data + first, n_rows, count, stride};
  }
  bool contiguous() const { return stride == n_cols; }
  std::int64_t size() const { return static_cast<std::int64_t>(n_rows) * n_cols; }
};

}  // namespace farthing
