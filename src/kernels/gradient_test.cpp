// gradient_test.cpp - every backward against central differences of its forward, in double.
//
// loss = <projection, forward(x)> for a random projection; along a random direction
// (loss(x + h d) - loss(x - h d)) / 2h must equal <backward(projection), d>.
#include <gtest/gtest.h>

#include <functional>

#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/test_values.h"

namespace farthing {
namespace {

using test::Owned;
using test::random_matrix;
using Doubles = Owned<double>;

double dot(const Doubles& a, const Doubles& b) {
  double sum = 0;
  for (int row = 0; row < a.n_rows; ++row) {
    for (int col = 0; col < a.n_cols; ++col) sum += a.view()(row, col) * b.view()(row, col);
  }
  return sum;
}

// h = 1e-5: the truncation h^2 and the rounding 1e-16 / h both stay below 1e-10 of the values.
void expect_gradient(Doubles& x, const Doubles& gradient, const std::function<double()>& loss,
                     const char* name) {
  constexpr double kStep = 1e-5;
  for (int trial = 0; trial < 3; ++trial) {
    const auto direction = random_matrix<double>(x.n_rows, x.n_cols, 100 + trial);
    const Doubles start = x;
    double side[2];
    for (const int sign : {-1, 1}) {
      for (int row = 0; row < x.n_rows; ++row) {
        for (int col = 0; col < x.n_cols; ++col) {
          x.view()(row, col) = start.view()(row, col) + sign * kStep * direction.view()(row, col);
        }
      }
      side[sign > 0] = loss();
    }
    x = start;
    const double numeric = (side[1] - side[0]) / (2 * kStep);
    const double scale = test::norm(gradient.view()) * test::norm(direction.view()) + 1e-3;
    EXPECT_NEAR(dot(gradient, direction), numeric, 1e-8 * scale) << name;
  }
}

TEST(Gradient, Rmsnorm) {
  auto x = random_matrix<double>(5, 14, 1), gain = random_matrix<double>(1, 14, 2);
  const auto projection = random_matrix<double>(5, 14, 3);
  Doubles y(5, 14), dx(5, 14), dgain(1, 14);
  std::vector<double> inv(5);
  const auto loss = [&] {
    rmsnorm_forward<double>(y.view(), inv, std::as_const(x).view(), std::as_const(gain).row(),
                            1e-2);
    return dot(projection, y);
  };
  loss();
  rmsnorm_backward_input<double>(dx.view(), projection.view(), x.view(), gain.row(), inv, false);
  rmsnorm_backward_weight<double>(dgain.row(), projection.view(), x.view(), inv);
  expect_gradient(x, dx, loss, "x");
  expect_gradient(gain, dgain, loss, "gain");
}

TEST(Gradient, Swiglu) {
  auto gate_up = random_matrix<double>(5, 18, 1);
  const auto projection = random_matrix<double>(5, 9, 3);
  Doubles h(5, 9), gradient(5, 18);
  swiglu_backward<double>(gradient.view(), projection.view(), gate_up.view());
  const auto loss = [&] {
    swiglu_forward<double>(h.view(), std::as_const(gate_up).view());
    return dot(projection, h);
  };
  expect_gradient(gate_up, gradient, loss, "gate_up");
}

TEST(Gradient, RopeBackwardIsTheInverseTurn) {
  auto x = random_matrix<double>(4, 16, 1);
  Doubles cosine(4, 3), sine(4, 3);
  for (int i = 0; i < 12; ++i) {
    cosine.values[i] = std::cos(0.7 * i);
    sine.values[i] = std::sin(0.7 * i);
  }
  const std::vector<std::int32_t> positions{3, 0, 2, 1};
  for (const bool interleaved : {true, false}) {
    RopeLayout layout{.first = 2, .period = 8, .interleaved = interleaved};
    const auto projection = random_matrix<double>(4, 16, 3);
    Doubles gradient = projection;
    const auto loss = [&] {
      Doubles y = x;
      rope_rotate<double>(y.view(), cosine.view(), sine.view(), positions, layout);
      return dot(projection, y);
    };
    RopeLayout inverse = layout;
    inverse.inverse = true;
    rope_rotate<double>(gradient.view(), cosine.view(), sine.view(), positions, inverse);
    expect_gradient(x, gradient, loss, "x");
  }
}

TEST(Gradient, CrossEntropy) {
  auto logits = random_matrix<double>(6, 11, 1);
  const std::vector<std::int32_t> targets{3, 0, -1, 10, 5, 5};
  const std::vector<double> scale{0.5, 1, 2, 0.25, 0, 3};
  Doubles gradient = logits;
  std::vector<double> logprob(6);
  softmax_cross_entropy<double>(gradient.view(), logprob, targets, scale);
  const auto loss = [&] {
    Doubles copy = logits;
    softmax_cross_entropy<double>(copy.view(), logprob, targets, {});
    double sum = 0;
    for (int i = 0; i < 6; ++i) sum -= scale[i] * logprob[i];
    return sum;
  };
  expect_gradient(logits, gradient, loss, "logits");
}

void check_attention(const std::vector<std::int32_t>& start) {
  const AttentionShape shape{.n_sequences = 2,
                             .sequence_length = 9,
                             .n_heads = 3,
                             .nope = 4,
                             .rope = 2,
                             .v = 5,
                             .scale = 0.6};
  auto q = random_matrix<double>(18, 18, 1), kv = random_matrix<double>(18, 27, 2);
  auto k_pe = random_matrix<double>(18, 2, 3);
  const auto projection = random_matrix<double>(18, 15, 4);
  Doubles o(18, 15), lse(3, 18), dq(18, 18), dkv(18, 27), dk_pe(18, 2);
  const auto loss = [&] {
    attention_forward<double>(shape, o.view(), lse.view(), std::as_const(q).view(),
                              std::as_const(kv).view(), std::as_const(k_pe).view(), start);
    return dot(projection, o);
  };
  loss();
  Arena measure = Arena::measuring();
  AttentionScratch<double>(measure, shape);
  Arena arena(measure.used());
  const AttentionScratch<double> scratch(arena, shape);
  attention_backward<double>(shape, {dq.view(), dkv.view(), dk_pe.view()}, projection.view(),
                             {q.view(), kv.view(), k_pe.view(), o.view(), lse.view()}, start,
                             scratch);
  expect_gradient(q, dq, loss, "q");
  expect_gradient(kv, dkv, loss, "kv");
  expect_gradient(k_pe, dk_pe, loss, "k_pe");
}

TEST(Gradient, Attention) { check_attention({}); }
TEST(Gradient, AttentionWithDocuments) {
  check_attention({0, 0, 0, 3, 3, 3, 3, 7, 7, 0, 1, 2, 2, 2, 2, 2, 2, 8});
}

}  // namespace
}  // namespace farthing
