// top_k.h - the indices of the k largest values, ties to the lowest index.
//
// Cost     O(k n), no memory: k is at most a few and n a few hundred.
// Exact    `chosen` is ordered by value, descending.  Values that are not numbers give valid but
//          meaningless indices.
#pragma once
#include <cstdint>
#include <span>

namespace farthing {

// REQUIRES chosen.size() <= values.size().
template <class T>
void top_k_of(std::span<const T> values, std::span<std::int32_t> chosen) {
  int previous = -1;
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    int best = -1;
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      const T value = values[static_cast<std::size_t>(i)];
      if (best >= 0 && !(value > values[static_cast<std::size_t>(best)])) continue;
      if (previous >= 0) {
        const T last = values[static_cast<std::size_t>(previous)];
        const bool comes_after = value < last || (value == last && i > previous);
        if (!comes_after) continue;
      }
      best = i;
    }
    chosen[k] = best >= 0 ? best : static_cast<int>(k);
    previous = chosen[k];
  }
}

}  // namespace farthing
