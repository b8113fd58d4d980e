// factors_test.cpp - techniques weighed in every order; known games come out exactly.
#include "economics/factors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "config/share.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

TEST(Factors, IndependentFactorsAreThemselvesInEveryOrder) {
  std::vector<Factor> factors(3);
  weigh_factors(factors, [](unsigned mask) {
    return 100 / ((mask & 1 ? 2.0 : 1) * (mask & 2 ? 1.5 : 1) * (mask & 4 ? 1.0 : 1));
  });
  EXPECT_NEAR(factors[0].shapley, 2, 1e-12);
  EXPECT_NEAR(factors[0].low, 2, 1e-12);
  EXPECT_NEAR(factors[1].alone, 1.5, 1e-12);
  EXPECT_FALSE(factors[2].present);
}

// Two that overlap completely: the first to come gets all, the other nothing, half each on average.
TEST(Factors, AnOverlapIsSharedAndNeverCountedTwice) {
  std::vector<Factor> factors(2);
  weigh_factors(factors, [](unsigned mask) { return mask == 0 ? 4.0 : 1.0; });
  for (const auto& factor : factors) {
    EXPECT_NEAR(factor.shapley, 2, 1e-12);
    EXPECT_NEAR(factor.alone, 1, 1e-12);
    EXPECT_NEAR(factor.first, 4, 1e-12);
    EXPECT_NEAR(factor.low, 1, 1e-12);
    EXPECT_NEAR(factor.high, 4, 1e-12);
  }
}

TEST(Factors, TheDenseModelHasAsManyParameters) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const ModelShape v3 = load_model_shape("deepseek-v3");
  const ModelShape dense = dense_of_same_size(v3);
  const double wanted = static_cast<double>(count_parameters(v3).total());
  EXPECT_NEAR(static_cast<double>(count_parameters(dense).total()), wanted, 0.001 * wanted);
  EXPECT_FALSE(dense.is_moe());
  const double ratio =
      model_flops_per_token(dense, 4096).total() / model_flops_per_token(v3, 4096).total();
  EXPECT_GT(ratio, 14);  // the parameters' ratio is 18.1; attention is in both
  EXPECT_LT(ratio, 18.2);
}

// 85.5 % of V3's FLOPs are FP8 products: 1 / (1 - 0.855 / 2) = 1.75 on a device of twice the peak.
TEST(Factors, AmdahlCapsPrecision) {
  set_share_folder(FARTHING_SOURCE_DIR);
  PlanRequest request;
  request.model = load_model_shape("deepseek-v3");
  request.cluster = load_cluster("h800-2048");
  request.batch.sequence_length = 4096;
  EXPECT_NEAR(*ratio_by_flops("precision", request), 1.75, 0.02);
  EXPECT_LT(*ratio_by_flops("mtp", request), 1);
  EXPECT_EQ(*ratio_by_flops("sparse", request), 1);
  EXPECT_FALSE(ratio_by_flops("data", request));
}

TEST(Factors, TheProductIsTheWholeAndNoMoreThanTheHardwareAllows) {
  set_share_folder(FARTHING_SOURCE_DIR);
  PlanRequest request;
  request.model = load_model_shape("moe-7b");
  request.cluster = load_cluster("h100-8");
  request.batch = {.sequence_length = 4096, .global_batch = 64};
  request.precision = NumberFormat::kFp8Block;
  request.software = software_of(2025, Framework::kDeepSeek, request.cluster.device);
  FactorClaims claims = load_factor_claims();
  EXPECT_EQ(claims.factors.size(), 6u);
  std::erase_if(claims.factors, [](const FactorClaim& claim) {
    return claim.id != "experts" && claim.id != "precision" && claim.id != "data";
  });
  const FactorReport report = efficiency_factors(request, claims);
  double product = 1;
  for (const auto& factor : report.factors) {
    product *= factor.shapley;
    EXPECT_LE(factor.low, factor.shapley * (1 + 1e-12)) << factor.claim.id;
    EXPECT_GE(factor.high, factor.shapley * (1 - 1e-12)) << factor.claim.id;
  }
  EXPECT_NEAR(product, report.total(), 1e-9 * product);
  EXPECT_GT(report.factors[0].shapley, 1);
  EXPECT_LT(report.factors[1].high, 2.0);  // FP8's peak is twice BF16's
  EXPECT_LT(report.factors[2].shapley, 1.01);
}

TEST(Factors, HostileClaims) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const FactorClaims all = load_factor_claims();
  EXPECT_EQ(claims_of(all, "deepseek-v3").product, 100);
  const FactorClaims others = claims_of(all, "kimi-k2");
  EXPECT_EQ(others.product, 0);
  for (const FactorClaim& claim : others.factors) {
    EXPECT_FALSE(claim.claimed);
    EXPECT_EQ((claim.what + claim.known).find("V3"), std::string::npos) << claim.what;
  }
  EXPECT_THROW(parse_factor_claims("[[factor]]\nid = \"magic\"\n", "f"), Error);
  EXPECT_THROW(parse_factor_claims("[[factor]]\nid = \"mtp\"\nclaimed = -3\n", "f"), Error);
}

}  // namespace
}  // namespace farthing
