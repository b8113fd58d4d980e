// elementwise_fast.cpp - bandwidth-bound kernels, one body for every vector width.
#include "kernels/elementwise_fast.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.h"
#include "kernels/highway_targets.h"

#ifndef FARTHING_ELEMENTWISE_FAST_TYPES  // this file is read once for every target
#define FARTHING_ELEMENTWISE_FAST_TYPES
namespace farthing::fast {

struct RmsnormRow {
  float* dx;
  const float *dy, *x, *gain;
  float inv_rms;
  int n;
  bool accumulate;
};

constexpr int kWeightChunk =
    256;  // columns of rmsnorm_backward_weight that one owner adds up at once

struct RopeAngles {
  const float *cosine, *sine;
  int n_pairs;
  bool interleaved, inverse;
};

}  // namespace farthing::fast
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise_fast.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace farthing {
namespace HWY_NAMESPACE {

// Returns inv_rms of the row.
float rmsnorm_forward_row(float* y, const float* x, const float* gain, int n, double eps) {
  V sum = splat(0);
  sweep(n, [&](auto i, auto io) HWY_ATTR {
    const V value = io.load(x + i);
    sum = hn::MulAdd(value, value, sum);
  });
  const float inv = 1.0f / std::sqrt(sum_lanes(sum) / float(n) + float(eps));
  sweep(n, [&](auto i, auto io) HWY_ATTR {
    io.store(hn::Mul(hn::Mul(io.load(x + i), splat(inv)), io.load(gain + i)), y + i);
  });
  return inv;
}

void rmsnorm_backward_row(const fast::RmsnormRow& r) {
  V dot = splat(0);
  sweep(r.n, [&](auto i, auto io) HWY_ATTR {
    dot = hn::MulAdd(hn::Mul(io.load(r.dy + i), io.load(r.gain + i)), io.load(r.x + i), dot);
  });
  const V inv = splat(r.inv_rms);
  const V shrink = splat(sum_lanes(dot) * r.inv_rms * r.inv_rms * r.inv_rms / float(r.n));
  sweep(r.n, [&](auto i, auto io) HWY_ATTR {
    const V grown = hn::Mul(hn::Mul(inv, io.load(r.dy + i)), io.load(r.gain + i));
    const V value = hn::NegMulAdd(shrink, io.load(r.x + i), grown);
    io.store(r.accumulate ? hn::Add(io.load(r.dx + i), value) : value, r.dx + i);
  });
}

// dgain += sum over tokens, upward, for one chunk of columns; the sums stay in the cache.
void rmsnorm_weight_chunk(float* dgain, Matrix<const float> dy, Matrix<const float> x,
                          const float* inv_rms) {
  float sum[fast::kWeightChunk] = {};
  for (int token = 0; token < x.n_rows; ++token) {
    const float *x_row = x.row(token), *dy_row = dy.row(token);
    const V inv = splat(inv_rms[token]);
    sweep(x.n_cols, [&](auto i, auto io) HWY_ATTR {
      const V scaled = hn::Mul(io.load(x_row + i), inv);
      io.store(hn::MulAdd(io.load(dy_row + i), scaled, io.load(sum + i)), sum + i);
    });
  }
  sweep(x.n_cols, [&](auto i, auto io) HWY_ATTR {
    io.store(hn::Add(io.load(dgain + i), io.load(sum + i)), dgain + i);
  });
}

HWY_INLINE V sigmoid(V x) { return hn::Div(splat(1), hn::Add(splat(1), safe_exp(hn::Neg(x)))); }

void sigmoid_row(float* x, int n) {
  sweep(n, [&](auto i, auto io) HWY_ATTR { io.store(sigmoid(io.load(x + i)), x + i); });
}

void swiglu_forward_row(float* h, const float* gate_up, int width) {
  sweep(width, [&](auto i, auto io) HWY_ATTR {
    const V gate = io.load(gate_up + i);
    io.store(hn::Mul(hn::Mul(gate, sigmoid(gate)), io.load(gate_up + width + i)), h + i);
  });
}

void swiglu_backward_row(float* dgate_up, const float* dh, const float* gate_up, int width) {
  sweep(width, [&](auto i, auto io) HWY_ATTR {
    const V gate = io.load(gate_up + i), up = io.load(gate_up + width + i), d = io.load(dh + i);
    const V s = sigmoid(gate);
    const V slope = hn::MulAdd(gate, hn::Sub(splat(1), s), splat(1));
    io.store(hn::Mul(hn::Mul(hn::Mul(d, up), s), slope), dgate_up + i);
    io.store(hn::Mul(hn::Mul(d, gate), s), dgate_up + width + i);
  });
}

// Turns whole vectors of pairs from `pair` on; returns the first pair not done.
template <class Tag>
HWY_INLINE int rope_vectors(Tag d, float* x, const fast::RopeAngles& angles, int pair) {
  const int lanes = static_cast<int>(hn::Lanes(d));
  for (; pair + lanes <= angles.n_pairs; pair += lanes) {
    const auto c = hn::LoadU(d, angles.cosine + pair);
    const auto plus = hn::LoadU(d, angles.sine + pair);
    const auto s = angles.inverse ? hn::Neg(plus) : plus;
    hn::Vec<Tag> a, b;
    if (angles.interleaved) {
      hn::LoadInterleaved2(d, x + 2 * pair, a, b);
    } else {
      a = hn::LoadU(d, x + pair);
      b = hn::LoadU(d, x + angles.n_pairs + pair);
    }
    const auto turned_a = hn::NegMulAdd(b, s, hn::Mul(a, c));
    const auto turned_b = hn::MulAdd(a, s, hn::Mul(b, c));
    if (angles.interleaved) {
      hn::StoreInterleaved2(turned_a, turned_b, d, x + 2 * pair);
    } else {
      hn::StoreU(turned_a, d, x + pair);
      hn::StoreU(turned_b, d, x + angles.n_pairs + pair);
    }
  }
  return pair;
}

void rope_head(float* x, const fast::RopeAngles& angles) {
  int pair = rope_vectors(D(), x, angles, 0);
  pair = rope_vectors(hn::CappedTag<float, 4>(), x, angles, pair);
  rope_vectors(hn::CappedTag<float, 1>(), x, angles, pair);
}

// Leaves exp(logit - max) in the row when `keep`.
void cross_entropy_row(float* logits, int n, int target, float* logprob, const float* scale) {
  V top_lanes = splat(logits[0]);
  sweep(n, [&](auto i, auto io) HWY_ATTR {
    top_lanes = hn::Max(top_lanes, io.keep(io.load(logits + i), top_lanes));
  });
  const float top = max_lanes(top_lanes), at_target = logits[target];
  V sums = splat(0);
  sweep(n, [&](auto i, auto io) HWY_ATTR {
    const V e = safe_exp(hn::Sub(io.load(logits + i), splat(top)));
    sums = hn::Add(sums, io.keep(e, splat(0)));
    if (scale != nullptr) io.store(e, logits + i);
  });
  const float sum = sum_lanes(sums);
  *logprob = at_target - top - std::log(sum);
  if (scale == nullptr) return;
  const V factor = splat(*scale / sum);
  sweep(n, [&](auto i, auto io)
               HWY_ATTR { io.store(hn::Mul(io.load(logits + i), factor), logits + i); });
  logits[target] -= *scale;
}

void add_row(float* y, const float* x, int n) {
  sweep(n, [&](auto i, auto io)
               HWY_ATTR { io.store(hn::Add(io.load(y + i), io.load(x + i)), y + i); });
}

double sum_of_squares_part(const float* x, std::int64_t n) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<float, decltype(wide)> half;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  auto sums = hn::Zero(wide);
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto value = hn::PromoteTo(wide, hn::LoadU(half, x + i));
    sums = hn::MulAdd(value, value, sums);
  }
  double sum = hn::GetLane(hn::SumOfLanes(wide, sums));
  for (; i < n; ++i) sum += double(x[i]) * double(x[i]);
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace farthing
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace farthing::fast {

HWY_EXPORT(rmsnorm_forward_row);
HWY_EXPORT(rmsnorm_backward_row);
HWY_EXPORT(rmsnorm_weight_chunk);
HWY_EXPORT(sigmoid_row);
HWY_EXPORT(swiglu_forward_row);
HWY_EXPORT(swiglu_backward_row);
HWY_EXPORT(rope_head);
HWY_EXPORT(cross_entropy_row);
HWY_EXPORT(add_row);
HWY_EXPORT(sum_of_squares_part);

void rmsnorm_forward(Matrix<float> y, std::span<float> inv_rms, Matrix<const float> x,
                     std::span<const float> gain, double eps) {
  const auto row = HWY_DYNAMIC_DISPATCH(rmsnorm_forward_row);
  parallel_for(x.n_rows, [&](int token) {
    inv_rms[token] = row(y.row(token), x.row(token), gain.data(), x.n_cols, eps);
  });
}

void rmsnorm_backward_input(Matrix<float> dx, Matrix<const float> dy, Matrix<const float> x,
                            std::span<const float> gain, std::span<const float> inv_rms,
                            bool accumulate) {
  const auto row = HWY_DYNAMIC_DISPATCH(rmsnorm_backward_row);
  parallel_for(x.n_rows, [&](int token) {
    row({dx.row(token), dy.row(token), x.row(token), gain.data(), inv_rms[token], x.n_cols,
         accumulate});
  });
}

void rmsnorm_backward_weight(std::span<float> dgain, Matrix<const float> dy, Matrix<const float> x,
                             std::span<const float> inv_rms) {
  constexpr int kLine = 16;  // floats of a cache line, which has one owner
  const int lines = (x.n_cols + kLine - 1) / kLine;
  const int width =
      std::clamp((lines + num_threads() - 1) / num_threads() * kLine, kLine, kWeightChunk);
  const auto chunk_kernel = HWY_DYNAMIC_DISPATCH(rmsnorm_weight_chunk);
  parallel_for((x.n_cols + width - 1) / width, [&](int chunk) {
    const int first = chunk * width, count = std::min(width, x.n_cols - first);
    chunk_kernel(dgain.data() + first, dy.cols(first, count), x.cols(first, count), inv_rms.data());
  });
}

void sigmoid_rows(Matrix<float> x) {
  const auto row = HWY_DYNAMIC_DISPATCH(sigmoid_row);
  parallel_for(x.n_rows, [&](int token) { row(x.row(token), x.n_cols); });
}

void swiglu_forward(Matrix<float> h, Matrix<const float> gate_up) {
  const auto row = HWY_DYNAMIC_DISPATCH(swiglu_forward_row);
  parallel_for(h.n_rows, [&](int token) { row(h.row(token), gate_up.row(token), h.n_cols); });
}

void swiglu_backward(Matrix<float> dgate_up, Matrix<const float> dh, Matrix<const float> gate_up) {
  const auto row = HWY_DYNAMIC_DISPATCH(swiglu_backward_row);
  parallel_for(dh.n_rows, [&](int token) {
    row(dgate_up.row(token), dh.row(token), gate_up.row(token), dh.n_cols);
  });
}

void rope_rotate(Matrix<float> x, Matrix<const float> cosine, Matrix<const float> sine,
                 std::span<const std::int32_t> positions, RopeLayout layout) {
  const auto head = HWY_DYNAMIC_DISPATCH(rope_head);
  parallel_for(x.n_rows, [&](int token) {
    const int position = positions[token];
    for (int start = layout.first; start < x.n_cols; start += layout.period) {
      head(x.row(token) + start, {cosine.row(position), sine.row(position), cosine.n_cols,
                                  layout.interleaved, layout.inverse});
    }
  });
}

void softmax_cross_entropy(Matrix<float> logits, std::span<float> logprob,
                           std::span<const std::int32_t> targets,
                           std::span<const float> grad_scale) {
  const auto row = HWY_DYNAMIC_DISPATCH(cross_entropy_row);
  parallel_for(logits.n_rows, [&](int token) {
    if (targets[token] < 0) {
      logprob[token] = 0;
      if (!grad_scale.empty()) std::ranges::fill(logits[token], 0.0f);
      return;
    }
    row(logits.row(token), logits.n_cols, targets[token], &logprob[token],
        grad_scale.empty() ? nullptr : &grad_scale[token]);
  });
}

void add_into(Matrix<float> y, Matrix<const float> x) {
  const auto row = HWY_DYNAMIC_DISPATCH(add_row);
  parallel_for(y.n_rows, [&](int token) { row(y.row(token), x.row(token), y.n_cols); });
}

double sum_of_squares(std::span<const float> x) {
  constexpr int kParts = 256;  // fixed, so that the order does not know the number of threads
  const auto part_kernel = HWY_DYNAMIC_DISPATCH(sum_of_squares_part);
  const auto n = static_cast<std::int64_t>(x.size());
  std::array<double, kParts> part_sum{};
  parallel_for(kParts, [&](int part) {
    const std::int64_t begin = n * part / kParts, end = n * (part + 1) / kParts;
    part_sum[part] = part_kernel(x.data() + begin, end - begin);
  });
  double total = 0;
  for (const double sum : part_sum) total += sum;
  return total;
}

}  // namespace farthing::fast
#endif  // HWY_ONCE
