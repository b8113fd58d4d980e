// key_table.h - a set and counter of 64-bit keys.
//
// Open addressing, emptied by a new stamp in O(1).
// Memory   24 bytes for each key that is announced.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace farthing {

class KeyTable {
 public:
  // Empty, with room for so many.
  void clear(std::size_t most) {
    const std::size_t size = most + most / 2 + 64;
    if (slots_.size() < size) {
      slots_ = std::vector<Slot>();
      slots_.resize(size);
    }
    ++stamp_;
  }
  // The counter of the key, 0 when it is new.
  std::int32_t& count(std::uint64_t key) {
    using Wide = unsigned __int128;
    auto at = static_cast<std::size_t>(Wide{key * 0x9E3779B97F4A7C15u} * slots_.size() >> 64);
    while (slots_[at].stamp == stamp_ && slots_[at].key != key) {
      if (++at == slots_.size()) at = 0;
    }
    if (slots_[at].stamp != stamp_) slots_[at] = {key, stamp_, 0};
    return slots_[at].n;
  }
  // What a giant document needed does not stay.
  void shrink() {
    if (slots_.size() > kMostSlotsKept) slots_ = std::vector<Slot>();
  }

 private:
  static constexpr std::size_t kMostSlotsKept = std::size_t{1} << 20;

  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t stamp = 0;
    std::int32_t n = 0;
  };
  std::vector<Slot> slots_;
  std::uint32_t stamp_ = 0;
};

}  // namespace farthing
