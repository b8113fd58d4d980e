// arena.h - one block of memory, sized before the first step, handed out front to back.
//
// The same code that lays out a context runs twice: over a measuring arena, which only counts, and
// over a real one.  So the memory that is printed before training is the memory that is used.
//
//   Arena measure = Arena::measuring();   lay_out(measure);   Arena arena(measure.used());
//
// Every piece is 64-byte aligned and zeroed when the block is made.  Cost: O(1) a piece.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/matrix.h"

namespace farthing {

struct UnmapBlock {
  std::int64_t bytes = 0;
  void operator()(std::byte* block) const;
};

class Arena {
 public:
  static Arena measuring() { return Arena(); }
  // Throws Error{kOutOfResource} when the system refuses the block.
  explicit Arena(std::int64_t capacity_bytes);

  // In a measuring arena the views have null data and the right shapes.
  template <class T>
  std::span<T> array(std::int64_t count) {
    return {static_cast<T*>(take(count * static_cast<std::int64_t>(sizeof(T)))),
            is_measuring() ? 0 : static_cast<std::size_t>(count)};
  }
  template <class T>
  Matrix<T> matrix(std::int64_t n_rows, std::int64_t n_cols) {
    return {static_cast<T*>(take(n_rows * n_cols * static_cast<std::int64_t>(sizeof(T)))),
            static_cast<int>(n_rows), static_cast<int>(n_cols)};
  }

  bool is_measuring() const { return !block_; }
  std::int64_t used() const { return used_; }

 private:
  Arena() = default;
  void* take(std::int64_t bytes);

  std::unique_ptr<std::byte, UnmapBlock> block_;
  std::int64_t capacity_ = 0;
  std::int64_t used_ = 0;
};

}  // namespace farthing
