// recompute.h - what a forward keeps for the backward, in which format, and what is computed again.
//
//   kNone          everything is kept: outputs of norms and SwiGLUs, queries, keys and values
//   kElementwise   outputs of norms and SwiGLUs are computed again: next to no time
//   kV3            MLA's up-projections (queries, keys and values) as well: two products a layer
//
//   cached         of the SwiGLUs' inputs, the largest part of what is kept: kFp32 as they are, or
//                  kFp16 or kFp8 in tiles (kernels/cached_rows.h); the forward itself is not
//                  rounded
//
// Source   DeepSeek-V3 report, sections 3.2.3 (RMSNorm, MLA up-projections and SwiGLU) and 3.3.3.
// Exact    The same bits with all three of Recompute: the same operations on the same numbers; with
// a
//          cache kNone differs, whose SwiGLU outputs are the unrounded ones.
#pragma once
#include <cstdint>
#include <type_traits>

#include "base/arena.h"
#include "base/check.h"
#include "kernels/cached_rows.h"

namespace farthing {

enum class Recompute { kNone, kElementwise, kV3 };

struct Keep {
  Recompute recompute = Recompute::kElementwise;
  MatmulFormat cached = MatmulFormat::kFp32;
};

// A matrix that waits for the backward: itself, or in a cache while `scratch` holds the numbers.
template <class T>
class Kept {
 public:
  Kept() = default;
  Kept(Arena& arena, std::int64_t n_rows, int n_cols, MatmulFormat format) {
    if (format == MatmulFormat::kFp32) {
      whole_ = arena.matrix<T>(n_rows, n_cols);
    } else {
      cache_ = CachedRows(arena, static_cast<int>(n_rows), n_cols, format);
    }
  }
  // The scratch that it needs: none for a matrix kept as it is.
  static Matrix<T> scratch(Arena& arena, std::int64_t n_rows, int n_cols, MatmulFormat format) {
    return format == MatmulFormat::kFp32 ? Matrix<T>() : arena.matrix<T>(n_rows, n_cols);
  }

  // Where its numbers stand while they are used.
  Matrix<T> place(Matrix<T> scratch) const { return is_whole() ? whole_ : scratch; }
  // Forward: after the last use of these rows.
  void keep(Matrix<T> scratch, int first, int count) const {
    if constexpr (std::is_same_v<T, float>) {
      if (!is_whole()) keep_rows(cache_.rows(first, count), scratch.rows(first, count));
    } else {
      CHECK(is_whole());
    }
  }
  // Backward: before their first use.
  void restore(Matrix<T> scratch, int first, int count) const {
    if constexpr (std::is_same_v<T, float>) {
      if (!is_whole()) restore_rows(scratch.rows(first, count), cache_.rows(first, count));
    }
  }
  Matrix<T> restored(Matrix<T> scratch) const {
    restore(scratch, 0, scratch.n_rows);
    return place(scratch);
  }

 private:
  bool is_whole() const { return cache_.n_rows == 0; }
  Matrix<T> whole_;
  CachedRows cache_;
};

}  // namespace farthing
