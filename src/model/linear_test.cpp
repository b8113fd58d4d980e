// linear_test.cpp - which products take the format: linear layers and head, never the router.
#include "model/linear.h"

#include <gtest/gtest.h>

#include "model/test_model.h"

namespace farthing {
namespace {

using test::TestModel;

struct Products {
  std::vector<float> y, dx, dw;
};

// The three products of one weight of a small model, under a Matmul.
Products products(const TestModel<float>& m, int id, const Matmul* matmul) {
  ParameterStore<float> weights = m.weights;
  weights.matmul = matmul;
  const Matrix<float> w = weights.matrix(id);
  constexpr int kRows = 5;
  std::vector<float> x(kRows * w.n_cols), dy(kRows * w.n_rows);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.3f + 0.01f * static_cast<float>(i % 17);
  for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = 0.7f - 0.01f * static_cast<float>(i % 13);
  Products p{std::vector<float>(dy.size()), std::vector<float>(x.size()),
             std::vector<float>(w.size())};
  const auto gradient = m.gradients.values(id);
  std::fill(gradient.begin(), gradient.end(), 0.0f);
  const Matrix<const float> x_view(x.data(), kRows, w.n_cols), dy_view(dy.data(), kRows, w.n_rows);
  linear_forward<float>({p.y.data(), kRows, w.n_rows}, x_view, weights, id);
  linear_backward_input<float>({p.dx.data(), kRows, w.n_cols}, dy_view, weights, id);
  linear_backward_weight<float>(m.gradients, dy_view, x_view, weights, id);
  p.dw.assign(gradient.begin(), gradient.end());
  return p;
}

TEST(Linear, TheFormatIsThatOfTheRole) {
  const TestModel<float> m(test::small_config());
  const Matmul low{.format = MatmulFormat::kFp8, .head = MatmulFormat::kFp32};
  const ModelIds& ids = m.model.ids;
  const auto differs = [&](int id) {
    const Products plain = products(m, id, nullptr), other = products(m, id, &low);
    EXPECT_EQ(plain.y != other.y, plain.dx != other.dx);
    EXPECT_EQ(plain.y != other.y, plain.dw != other.dw);
    return plain.y != other.y;
  };
  EXPECT_TRUE(differs(ids.blocks[0].mla.o));
  EXPECT_FALSE(differs(ids.head));
  int n_routers = 0;
  for (const BlockIds& block : ids.blocks) {
    if (!block.is_moe) continue;
    EXPECT_FALSE(differs(block.router.weight));
    EXPECT_TRUE(differs(block.experts[0].down));
    ++n_routers;
  }
  EXPECT_GT(n_routers, 0);
}

TEST(Linear, OneProductStaysInFp32WhereItIsAsked) {
  const TestModel<float> m(test::small_config());
  const int id = m.model.ids.blocks[0].mla.o;
  const Products plain = products(m, id, nullptr);
  for (const auto kept : {LinearProduct::kForward, LinearProduct::kInput, LinearProduct::kWeight}) {
    Matmul matmul{.format = MatmulFormat::kFp8, .fp32_product = kept};
    const auto lay_out = [&](Arena& arena) {
      return PackedWeights(arena, m.table, m.model.ids, matmul, PackedCopies::kBoth);
    };
    Arena arena = test::arena_for(lay_out);
    const PackedWeights packed = lay_out(arena);
    packed.refresh(m.weights);
    for (const PackedWeights* copies : {static_cast<const PackedWeights*>(nullptr), &packed}) {
      matmul.packed = copies;
      const Products mixed = products(m, id, &matmul);
      EXPECT_EQ(mixed.y == plain.y, kept == LinearProduct::kForward);
      EXPECT_EQ(mixed.dx == plain.dx, kept == LinearProduct::kInput);
      EXPECT_EQ(mixed.dw == plain.dw, kept == LinearProduct::kWeight);
    }
  }
}

TEST(Linear, PackedCopiesGiveTheSameBits) {
  const TestModel<float> m(test::small_config());
  for (const MatmulFormat format : kAllMatmulFormats) {
    Matmul matmul{.format = format, .head = format};
    const auto lay_out = [&](Arena& arena) {
      return PackedWeights(arena, m.table, m.model.ids, matmul, PackedCopies::kBoth);
    };
    Arena arena = test::arena_for(lay_out);
    const PackedWeights packed = lay_out(arena);
    packed.refresh(m.weights);
    for (const int id : {m.model.ids.head, m.model.ids.blocks[0].mla.kv_b}) {
      const Products as_it_goes = products(m, id, &matmul);
      ASSERT_NE(packed.forward(id), nullptr);
      ASSERT_NE(packed.backward(id), nullptr);
      matmul.packed = &packed;
      const Products before = products(m, id, &matmul);
      matmul.packed = nullptr;
      EXPECT_EQ(before.y, as_it_goes.y);
      EXPECT_EQ(before.dx, as_it_goes.dx);
      EXPECT_EQ(before.dw, as_it_goes.dw);
    }
  }
}

}  // namespace
}  // namespace farthing
