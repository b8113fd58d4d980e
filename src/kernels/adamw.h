// adamw.h - AdamW with decoupled weight decay over a flat range of parameters.
//
//   g' = clip_scale * g;  m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2
//   w -= lr * ( (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + decay * w )
//
// Source   Loshchilov & Hutter 2019 (arXiv:1711.05101); PyTorch's order of operations.
// Exact    Elementwise: bits do not depend on threads.
// Cost     FP32 moments: 28 bytes moved per parameter; BF16 moments: 20.
#pragma once
#include <cstdint>
#include <span>

namespace farthing {

struct AdamwStep {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double clip_scale = 1;
  std::int64_t step = 1;  // counted from 1
};

void adamw_update(std::span<float> weight, std::span<const float> gradient, std::span<float> m,
                  std::span<float> v, const AdamwStep& step);
// BF16 moments, round to nearest even. Safe for beta2 <= 0.98 (config refuses more).
void adamw_update(std::span<float> weight, std::span<const float> gradient,
                  std::span<std::uint16_t> m, std::span<std::uint16_t> v, const AdamwStep& step);

}  // namespace farthing
