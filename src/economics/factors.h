// factors.h - what makes a model cheap to train: each technique switched off in the planner's step.
//
//   time(S)    device-seconds per token with the techniques S, each set with its own best layout
//   alone      time(all but i) / time(all): what losing it alone would cost
//   first      time(none) / time(i alone)
//   Shapley    exp of the mean over all orders of log(time without i / time with i); the product of
//              all is time(none) / time(all) exactly, so nothing is counted twice
//   low, high  the least and largest of that ratio over all orders
//
// Techniques: experts (off: a dense model with as many parameters), precision (off: BF16), overlap
// (off: plain all-to-all in the open), data (off: a step's tokens are read before it), mtp, sparse
// attention.  What a technique does to quality per token is not in it.
//
//   by FLOPs   the same ratio if arithmetic at its peak were all there is: for experts, mtp and
//              sparse, FLOPs without over FLOPs with; for precision 1 / (1 - s + s * BF16 peak /
//              FP8 peak), s the share of FLOPs in FP8 products (no head, router, attention core)
//
// Source   Shapley 1953; the times are plan/step_time.h's.
// Cost     2^n searches of plan/search.h, some seconds for six techniques.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace farthing {

struct FactorClaim {
  std::string id, label, what, known;  // known: of the model that the claims are about
  std::optional<double> claimed;
};

struct FactorClaims {
  std::vector<FactorClaim> factors;
  double product = 0;  // as the article rounds it
  std::string source;
  std::string of;  // the model that they are about
};
FactorClaims load_factor_claims();
// The same techniques, with nothing claimed where `model` is another than they are about.
FactorClaims claims_of(FactorClaims claims, const std::string& model);
FactorClaims parse_factor_claims(const std::string& toml, const std::string& where);

struct Factor {
  FactorClaim claim;
  double alone = 1, first = 1, shapley = 1, low = 1, high = 1;
  bool present = true;  // it changes the time in some order
  std::optional<double> by_flops;
};

struct FactorReport {
  std::vector<Factor> factors;
  double seconds_per_token_all = 0, seconds_per_token_none = 0;  // of one device
  std::string layout_all, layout_none;
  double total() const { return seconds_per_token_none / seconds_per_token_all; }
};

// value(mask) > 0; bit i set: technique i is on.  Fills alone .. high of n factors.
void weigh_factors(std::vector<Factor>& factors, const std::function<double(unsigned mask)>& value);

// Errors: Error{kBadInput} for an unknown technique; Error{kOutOfResource} where a set of
// techniques fits the cluster in no layout.
FactorReport efficiency_factors(const PlanRequest& request, const FactorClaims& claims,
                                const std::function<void(int done, int total)>& progress = {});

// Nothing for techniques that are no arithmetic.
std::optional<double> ratio_by_flops(const std::string& id, const PlanRequest& request);

// The dense model with as many parameters: the experts' into wider dense layers.
ModelShape dense_of_same_size(const ModelShape& shape);

}  // namespace farthing
