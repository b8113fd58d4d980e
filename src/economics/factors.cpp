// factors.cpp - subsets of techniques timed by the planner and weighed in every order.
#include "economics/factors.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "config/share.h"
#include "plan/accounting.h"
#include "plan/search.h"

namespace farthing {
namespace {

constexpr double kBytesPerToken = 4;  // a vocabulary over 65,536 needs more than two

struct Timing {
  double seconds_per_token = 0;  // of one device
  std::string layout;
};

// The request without the techniques that are off.
PlanRequest without(PlanRequest request, const std::vector<std::string>& off) {
  for (const auto& id : off) {
    if (id == "experts") {
      request.model = dense_of_same_size(request.model);
    } else if (id == "precision") {
      request.precision = NumberFormat::kBf16;
    } else if (id == "overlap") {
      request.software->hides_ep = false;
      request.software->dispatcher = Dispatcher::kAllToAll;
    } else if (id == "mtp") {
      request.model.num_nextn_predict_layers = 0;
    } else if (id == "sparse") {
      request.model.index_topk = request.model.index_n_heads = request.model.index_head_dim = 0;
    } else if (id != "data") {  // timed outside of the step
      throw_bad_input({"claims/efficiency.toml", "technique", id,
                       "experts, precision, overlap, data, mtp or sparse", ""});
    }
  }
  return request;
}

Timing timing_of(const PlanRequest& base, const std::vector<std::string>& off) {
  const PlanRequest request = without(base, off);
  const SearchResult found = search_layouts(request, 1);
  if (found.ranked.empty()) {
    std::string words;
    for (const auto& id : off) words += " " + id;
    throw Error(ErrorCode::kOutOfResource, request.cluster.name + ": without" + words +
                                               " no layout fits its memory (a larger cluster)");
  }
  const Candidate& best = found.ranked.front();
  double seconds = best.time.step_seconds;
  if (std::find(off.begin(), off.end(), "data") != off.end()) {
    seconds += best.batch.tokens() * kBytesPerToken / request.cluster.storage.read.value;
  }
  const double devices = request.cluster.n_devices();
  return {seconds * devices / best.batch.tokens(), describe(best.layout)};
}

}  // namespace

FactorClaims load_factor_claims() {
  const std::string path = find_shared("claims", "efficiency", ".toml");
  return parse_factor_claims(read_file(path), path);
}

FactorClaims parse_factor_claims(const std::string& toml, const std::string& where) {
  Settings settings(toml, where);
  FactorClaims claims;
  settings.read("product", claims.product, {.low = 0, .high = 1e9});
  settings.read("source", claims.source, {});
  settings.read("of", claims.of, {});
  const std::size_t n = settings.count("factor");
  if (n > 8) settings.add_fault("factor", std::to_string(n), "at most 8: every order is tried");
  for (std::size_t i = 0; i < n; ++i) {
    const std::string prefix = fmt::format("factor.{}.", i);
    FactorClaim claim;
    settings.read(prefix + "id", claim.id, {.words = "experts precision overlap data mtp sparse"});
    settings.read(prefix + "label", claim.label, {});
    settings.read(prefix + "what", claim.what, {});
    settings.read(prefix + "known", claim.known, {});
    settings.read(prefix + "claimed", claim.claimed, {.low = 1e-3, .high = 1e6});
    claims.factors.push_back(claim);
  }
  settings.finish();
  return claims;
}

FactorClaims claims_of(FactorClaims claims, const std::string& model) {
  if (model == claims.of) return claims;
  for (FactorClaim& claim : claims.factors) claim.claimed.reset(), claim.known.clear();
  claims.product = 0, claims.source.clear();
  return claims;
}

ModelShape dense_of_same_size(const ModelShape& shape) {
  if (!shape.is_moe()) return shape;
  const double wanted = static_cast<double>(count_parameters(shape).total());
  ModelShape dense = shape;
  dense.name += " as a dense model";
  dense.n_routed_experts = dense.num_experts_per_tok = dense.moe_intermediate_size = 0;
  dense.shared_intermediate_size = dense.first_k_dense_replace = 0;
  dense.n_group = dense.topk_group = 1;
  // Parameters are linear in the width: two points give it, in steps of 128.
  const auto size_at = [&](int width) {
    dense.intermediate_size = width;
    return static_cast<double>(count_parameters(dense).total());
  };
  const double at_zero = size_at(128), slope = (size_at(256) - at_zero) / 128;
  dense.intermediate_size =
      128 * std::max(1, static_cast<int>(std::lround((128 + (wanted - at_zero) / slope) / 128)));
  return dense;
}

void weigh_factors(std::vector<Factor>& factors, const std::function<double(unsigned)>& value) {
  const auto n = static_cast<unsigned>(factors.size());
  CHECK(n <= 16u);
  std::vector<double> log_time(1u << n);
  for (unsigned mask = 0; mask < log_time.size(); ++mask) log_time[mask] = std::log(value(mask));
  std::vector<double> factorial(n + 1, 1);
  for (unsigned i = 1; i <= n; ++i) factorial[i] = factorial[i - 1] * i;
  const unsigned all = (1u << n) - 1;
  for (unsigned i = 0; i < n; ++i) {
    Factor& factor = factors[i];
    const unsigned bit = 1u << i;
    double mean = 0, low = INFINITY, high = -INFINITY;
    for (unsigned mask = 0; mask <= all; ++mask) {
      if ((mask & bit) != 0) continue;
      const double gain = log_time[mask] - log_time[mask | bit];
      const auto k = static_cast<unsigned>(std::popcount(mask));
      mean += gain * factorial[k] * factorial[n - 1 - k] / factorial[n];
      low = std::min(low, gain), high = std::max(high, gain);
    }
    factor.shapley = std::exp(mean), factor.low = std::exp(low), factor.high = std::exp(high);
    factor.alone = std::exp(log_time[all & ~bit] - log_time[all]);
    factor.first = std::exp(log_time[0] - log_time[bit]);
    factor.present = std::max(std::abs(low), std::abs(high)) > 1e-9;
  }
}

std::optional<double> ratio_by_flops(const std::string& id, const PlanRequest& request) {
  const double length = request.batch.sequence_length;
  const ByPart<double> flops = model_flops_per_token(request.model, length);
  if (id == "precision") {
    const Device& device = request.cluster.device;
    if (!device.fp8_peak.is_known()) return 1;
    const double eligible =
        flops.attention + flops.dense_mlp + flops.routed_experts + flops.shared_experts;
    const double share = eligible / flops.main();  // the prediction module is like the trunk
    return 1 / (1 - share + share * device.bf16_peak.value / device.fp8_peak.value);
  }
  if (id != "experts" && id != "mtp" && id != "sparse") return std::nullopt;
  return model_flops_per_token(without(request, {id}).model, length).total() / flops.total();
}

FactorReport efficiency_factors(const PlanRequest& request, const FactorClaims& claims,
                                const std::function<void(int, int)>& progress) {
  CHECK(request.software && request.precision);
  FactorReport report;
  for (const auto& claim : claims.factors) {
    Factor& factor = report.factors.emplace_back();
    factor.claim = claim;
    factor.by_flops = ratio_by_flops(claim.id, request);
  }
  const unsigned all = (1u << report.factors.size()) - 1;
  int done = 0;
  weigh_factors(report.factors, [&](unsigned mask) {
    std::vector<std::string> off;
    for (std::size_t i = 0; i < claims.factors.size(); ++i) {
      if ((mask >> i & 1u) == 0) off.push_back(claims.factors[i].id);
    }
    const Timing timing = timing_of(request, off);
    if (mask == all) {
      report.seconds_per_token_all = timing.seconds_per_token, report.layout_all = timing.layout;
    }
    if (mask == 0) {
      report.seconds_per_token_none = timing.seconds_per_token, report.layout_none = timing.layout;
    }
    if (progress) progress(++done, static_cast<int>(all) + 1);
    return timing.seconds_per_token;
  });
  return report;
}

}  // namespace farthing
