// top_k.h - the indices of the k largest values, ties to the lowest index.
//
// Cost     O(n), and O(k) for each value that is among the largest so far; no memory.
// Exact    `chosen` is ordered by value, descending.  Values that are not numbers give valid but
//          meaningless indices.
#pragma once
#include <cstdint>
#include <span>

namespace farthing {

// REQUIRES chosen.size() <= values.size().
template <class T>
void top_k_of(std::span<const T> values, std::span<std::int32_t> chosen) {
  const auto value_of = [&](std::size_t slot) {
    return values[static_cast<std::size_t>(chosen[slot])];
  };
  std::size_t n_chosen = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = values[i];
    if (n_chosen == chosen.size()) {
      if (n_chosen == 0 || !(value > value_of(n_chosen - 1))) continue;
      --n_chosen;  // the least makes room
    }
    std::size_t slot = n_chosen++;
    for (; slot > 0 && value > value_of(slot - 1); --slot) chosen[slot] = chosen[slot - 1];
    chosen[slot] = static_cast<std::int32_t>(i);
  }
}

}  // namespace farthing
