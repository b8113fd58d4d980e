// rows.h - moving whole rows, in parallel: copy, gather by id, add back by id.
//
// Exact    Every output has one owner, and sums run in token order: bits do not depend on threads.
#pragma once
#include <cstdint>
#include <span>

#include "base/matrix.h"

namespace farthing {

template <class T>
void copy_rows(Matrix<T> to, Matrix<const T> from);

// to[i] = from[id[i]]; a row of zeros where id[i] < 0.
template <class T>
void gather_rows(Matrix<T> to, Matrix<const T> from, std::span<const std::int32_t> id);

// to[id[i]] += from[i], i ascending; id[i] < 0 adds nothing.
template <class T>
void scatter_add_rows(Matrix<T> to, Matrix<const T> from, std::span<const std::int32_t> id);

// sum_i a_i b_i over eight interleaved partial sums.
template <class T>
T dot(std::span<const T> a, std::span<const T> b);

}  // namespace farthing
