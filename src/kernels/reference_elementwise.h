// reference_elementwise.h - rmsnorm, swiglu, rope, cross-entropy, sums and adamw by plain loops.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>

#include "base/matrix.h"
#include "base/parallel.h"
#include "kernels/adamw.h"
#include "kernels/elementwise.h"
#include "kernels/number_formats.h"

namespace farthing::reference {

template <class T>
void rmsnorm_forward(Matrix<T> y, std::span<T> inv_rms, Matrix<const T> x, std::span<const T> gain,
                     double eps) {
  parallel_for(x.n_rows, [&](int token) {
    T sum = 0;
    for (int col = 0; col < x.n_cols; ++col) sum += x(token, col) * x(token, col);
    const T inv = T(1) / std::sqrt(sum / T(x.n_cols) + T(eps));
    inv_rms[token] = inv;
    for (int col = 0; col < x.n_cols; ++col) y(token, col) = x(token, col) * inv * gain[col];
  });
}

// With u = x * inv_rms and g = dy * gain:  dx = inv_rms * (g - u * mean(g * u)).
template <class T>
void rmsnorm_backward_input(Matrix<T> dx, Matrix<const T> dy, Matrix<const T> x,
                            std::span<const T> gain, std::span<const T> inv_rms, bool accumulate) {
  parallel_for(x.n_rows, [&](int token) {
    const T inv = inv_rms[token];
    T dot = 0;
    for (int col = 0; col < x.n_cols; ++col) dot += dy(token, col) * gain[col] * x(token, col);
    const T shrink = dot * inv * inv * inv / T(x.n_cols);
    for (int col = 0; col < x.n_cols; ++col) {
      const T value = inv * dy(token, col) * gain[col] - shrink * x(token, col);
      dx(token, col) = accumulate ? dx(token, col) + value : value;
    }
  });
}

template <class T>
void rmsnorm_backward_weight(std::span<T> dgain, Matrix<const T> dy, Matrix<const T> x,
                             std::span<const T> inv_rms) {
  parallel_for(x.n_cols, [&](int col) {
    T sum = 0;
    for (int token = 0; token < x.n_rows; ++token) {
      sum += dy(token, col) * x(token, col) * inv_rms[token];
    }
    dgain[col] += sum;
  });
}

template <class T>
T sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

template <class T>
void sigmoid_rows(Matrix<T> x) {
  parallel_for(x.n_rows, [&](int token) {
    for (T& value : x[token]) value = sigmoid(value);
  });
}

template <class T>
void swiglu_forward(Matrix<T> h, Matrix<const T> gate_up) {
  parallel_for(h.n_rows, [&](int token) {
    for (int col = 0; col < h.n_cols; ++col) {
      const T gate = gate_up(token, col);
      h(token, col) = gate * sigmoid(gate) * gate_up(token, h.n_cols + col);
    }
  });
}

// silu'(g) = s (1 + g (1 - s)),  s = sigmoid(g)
template <class T>
void swiglu_backward(Matrix<T> dgate_up, Matrix<const T> dh, Matrix<const T> gate_up) {
  parallel_for(dh.n_rows, [&](int token) {
    for (int col = 0; col < dh.n_cols; ++col) {
      const T gate = gate_up(token, col);
      const T up = gate_up(token, dh.n_cols + col);
      const T s = sigmoid(gate);
      dgate_up(token, col) = dh(token, col) * up * s * (T(1) + gate * (T(1) - s));
      dgate_up(token, dh.n_cols + col) = dh(token, col) * gate * s;
    }
  });
}

template <class T>
void rope_rotate(Matrix<T> x, Matrix<const T> cosine, Matrix<const T> sine,
                 std::span<const std::int32_t> positions, RopeLayout layout) {
  const int half = cosine.n_cols;
  parallel_for(x.n_rows, [&](int token) {
    for (int start = layout.first; start < x.n_cols; start += layout.period) {
      for (int pair = 0; pair < half; ++pair) {
        T& a = x(token, start + (layout.interleaved ? 2 * pair : pair));
        T& b = x(token, start + (layout.interleaved ? 2 * pair + 1 : pair + half));
        const T c = cosine(positions[token], pair);
        const T s = layout.inverse ? -sine(positions[token], pair) : sine(positions[token], pair);
        const T turned = a * c - b * s;
        b = a * s + b * c;
        a = turned;
      }
    }
  });
}

template <class T>
void softmax_cross_entropy(Matrix<T> logits, std::span<T> logprob,
                           std::span<const std::int32_t> targets, std::span<const T> grad_scale) {
  parallel_for(logits.n_rows, [&](int token) {
    const auto row = logits[token];
    const int target = targets[token];
    logprob[token] = 0;
    if (target < 0) {
      if (!grad_scale.empty()) std::ranges::fill(row, T(0));
      return;
    }
    const T top = *std::ranges::max_element(row);
    T sum = 0;
    for (const T logit : row) sum += std::exp(logit - top);
    logprob[token] = row[target] - top - std::log(sum);
    if (grad_scale.empty()) return;
    const T scale = grad_scale[token];
    for (T& logit : row) logit = scale * (std::exp(logit - top) / sum);
    row[target] -= scale;
  });
}

template <class T>
void add_into(Matrix<T> y, Matrix<const T> x) {
  parallel_for(y.n_rows, [&](int row) {
    for (int col = 0; col < y.n_cols; ++col) y(row, col) += x(row, col);
  });
}

constexpr int kSumParts = 256;  // fixed, so that the order does not know the number of threads

template <class T>
double sum_of_squares(std::span<const T> x) {
  std::array<double, kSumParts> part_sum{};
  const auto n = static_cast<std::int64_t>(x.size());
  parallel_for(kSumParts, [&](int part) {
    double sum = 0;
    for (std::int64_t i = n * part / kSumParts; i < n * (part + 1) / kSumParts; ++i) {
      sum += double(x[i]) * double(x[i]);
    }
    part_sum[part] = sum;
  });
  double total = 0;
  for (const double sum : part_sum) total += sum;
  return total;
}

inline float load_moment(float stored) { return stored; }
inline double load_moment(double stored) { return stored; }
inline float load_moment(std::uint16_t stored) { return from_bf16(stored); }
inline void store_moment(float& stored, float value) { stored = value; }
inline void store_moment(double& stored, double value) { stored = value; }
inline void store_moment(std::uint16_t& stored, float value) { stored = to_bf16(value); }

// The scalars of one step, rounded to T once; PyTorch's order of operations.
template <class T>
struct AdamwScalars {
  T keep, beta1, beta2, gain1, gain2, step_size, inv_sqrt_correction2, epsilon, clip_scale;
  explicit AdamwScalars(const AdamwStep& step)
      : keep(T(1 - step.learning_rate * step.weight_decay)),
        beta1(T(step.beta1)),
        beta2(T(step.beta2)),
        gain1(T(1 - step.beta1)),
        gain2(T(1 - step.beta2)),
        step_size(T(step.learning_rate / (1 - std::pow(step.beta1, double(step.step))))),
        inv_sqrt_correction2(T(1 / std::sqrt(1 - std::pow(step.beta2, double(step.step))))),
        epsilon(T(step.epsilon)),
        clip_scale(T(step.clip_scale)) {}
};

template <class T, class Moment>
void adamw_one(T& weight, T gradient, Moment& m, Moment& v, const AdamwScalars<T>& s) {
  const T g = s.clip_scale * gradient;
  const T new_m = s.beta1 * load_moment(m) + s.gain1 * g;
  const T new_v = s.beta2 * load_moment(v) + s.gain2 * (g * g);
  store_moment(m, new_m);
  store_moment(v, new_v);
  const T denominator = std::sqrt(new_v) * s.inv_sqrt_correction2 + s.epsilon;
  weight = weight * s.keep - s.step_size * (new_m / denominator);
}

template <class T, class Moment>
void adamw_update(std::span<T> weight, std::span<const T> gradient, std::span<Moment> m,
                  std::span<Moment> v, const AdamwStep& step) {
  constexpr std::int64_t kChunk = 1 << 14;
  const AdamwScalars<T> scalars(step);
  const auto n = static_cast<std::int64_t>(weight.size());
  parallel_for((n + kChunk - 1) / kChunk, [&](int chunk) {
    const std::int64_t end = std::min(n, (chunk + 1) * kChunk);
    for (std::int64_t i = chunk * kChunk; i < end; ++i) {
      adamw_one(weight[i], gradient[i], m[i], v[i], scalars);
    }
  });
}

}  // namespace farthing::reference
