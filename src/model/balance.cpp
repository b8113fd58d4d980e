// balance.cpp - see balance.h.
#include "model/balance.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/parallel.h"
#include "model/top_k.h"

namespace farthing {
namespace {

constexpr int kMaxTopK = 64;

// Returns sum_j s_j, and sum_j f_j s'_j through f_mean.
template <class T>
T affinity_sum(std::span<const T> affinity, std::span<const T> f, T& f_mean) {
  T sum = 0;
  T weighted = 0;
  for (std::size_t i = 0; i < affinity.size(); ++i) {
    sum += affinity[i];
    weighted += f[i] * affinity[i];
  }
  f_mean = weighted / sum;
  return sum;
}

}  // namespace

void update_correction_bias(std::span<float> bias, std::span<const std::int64_t> counts,
                            double speed) {
  CHECK(bias.size() == counts.size());
  const std::int64_t total = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  const auto n_experts = static_cast<std::int64_t>(counts.size());
  const float step = static_cast<float>(speed);
  for (std::size_t i = 0; i < bias.size(); ++i) {
    const std::int64_t above_mean = counts[i] * n_experts - total;  // exact: no rounded mean
    if (above_mean != 0) bias[i] += above_mean < 0 ? step : -step;
  }
}

double max_violation(std::span<const std::int64_t> counts) {
  const std::int64_t total = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  if (total == 0) return 0;
  const double mean = static_cast<double>(total) / static_cast<double>(counts.size());
  return static_cast<double>(*std::ranges::max_element(counts)) / mean - 1;
}

template <class T>
SequenceBalance<T>::Saved::Saved(Arena& arena, int n_sequences, int n_routed_experts)
    : f(arena.matrix<T>(n_sequences, n_routed_experts)), value(arena.array<double>(n_sequences)) {}

template <class T>
double SequenceBalance<T>::forward(const Saved& saved, Matrix<const T> affinity) const {
  CHECK(top_k <= kMaxTopK);
  CHECK(affinity.n_rows == saved.f.n_rows * sequence_length);
  parallel_for(saved.f.n_rows, [&](int sequence) {
    const Matrix<const T> s = affinity.rows(sequence * sequence_length, sequence_length);
    const std::span<T> f = saved.f[sequence];
    std::ranges::fill(f, T{0});
    std::array<std::int32_t, kMaxTopK> storage;
    const std::span<std::int32_t> chosen(storage.data(), static_cast<std::size_t>(top_k));
    for (int token = 0; token < sequence_length; ++token) {
      top_k_of(s[token], chosen);
      for (const int i : chosen) f[static_cast<std::size_t>(i)] += 1;
    }
    for (T& value : f) {
      value *= static_cast<T>(s.n_cols) / static_cast<T>(top_k) / static_cast<T>(sequence_length);
    }
    double total = 0;
    for (int token = 0; token < sequence_length; ++token) {
      T f_mean;
      affinity_sum<T>(s[token], f, f_mean);
      total += static_cast<double>(f_mean);
    }
    saved.value[static_cast<std::size_t>(sequence)] = total / sequence_length;
  });
  return std::accumulate(saved.value.begin(), saved.value.end(), 0.0);
}

template <class T>
void SequenceBalance<T>::backward(Matrix<T> dlogits, const Saved& saved, Matrix<const T> affinity,
                                  double factor) const {
  parallel_for(affinity.n_rows, [&](int token) {
    const std::span<const T> s = affinity[token];
    const std::span<const T> f = saved.f[token / sequence_length];
    T f_mean;
    const T sum = affinity_sum<T>(s, f, f_mean);
    const T scale = static_cast<T>(factor / sequence_length) / sum;
    for (std::size_t i = 0; i < s.size(); ++i) {
      dlogits[token][i] += scale * (f[i] - f_mean) * s[i] * (1 - s[i]);
    }
  });
}

template struct SequenceBalance<float>;
template struct SequenceBalance<double>;

}  // namespace farthing
