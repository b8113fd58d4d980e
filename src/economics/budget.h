// budget.h - from money to model: what a project's budget trains by a day, and with what chance.
//
//   purse       budget - other; of it `experiments` for experiments, the rest for the final run
//   draws       hours (the plan's P10 to P90, lognormal), price (low, value, high of the price
//               list), failed attempts (0, f, 2.5 f of the run) and experiments (0.8, 1, 1.3 of the
//               plan) are drawn kBudgetDraws times, triangular, independent and each from a stream
//               of its own, the same for every model
//   size        the most device-hours H for which budget and deadline hold in `confidence` of draws
//   tokens      H * tokens per device-hour of the plan (failures and checkpoints taken off)
//   rung        every model of the ladder in BF16 and, where the device has it, in FP8, each with a
//               search of its own; FP8 where it trains kWorthwhileFp8 times the tokens
//   devices     of the fewest that do it in 30 days, or by a sooner deadline, and twice and twice
//               again as many: the least expected loss, the shortest run within kLevelDevices of it
//   model       of the rungs, the fewest active parameters (the cheapest to serve) within
//               kLevelLoss of the least expected loss and kLevelTime of its time
//   loss        the dense law of simulate/scaling_laws.h (the first that applies); a mixture
//               counts as a dense model of sqrt(active * all) parameters, the band from active to
//               all
//
// Experiments come first in time as well: the deadline is the final run's, failed attempts
// included; how long the experiments keep all devices busy is said beside it.  A run counts as one
// when its steps take longer than its start-up, buy at least one batch, and the law's band ends
// under the loss of a model that has learnt nothing.
//
// Source   OLMo (arXiv:2503.05804): development is half of the final run, a third of all; Olmo 3
//          (arXiv:2605.01158): 82.2 % of all compute was not the final runs.
// Errors   Error{kBadInput} for what is negative or absurd, or more than the cluster can spend in a
//          century; Error{kOutOfResource} when no run can be had for the money or by the deadline,
//          with the least that would do.
// Cost     a search for each rung, precision and number of devices: some five seconds.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "economics/page.h"
#include "economics/price_list.h"
#include "plan/plan.h"
#include "report/table.h"

namespace farthing {

inline constexpr int kBudgetDraws = 2000;
inline constexpr std::size_t kMostRungs = 8;   // of the ladder, in text
inline constexpr double kLevelLoss = 0.01;     // nats: far inside every band
inline constexpr double kLevelTime = 1.1;      // longer is no tie
inline constexpr double kLevelDevices = 1e-3;  // nats: some 3 % of the tokens
inline constexpr double kWorthwhileFp8 = 1.1;  // below it the software costs more than it saves

// What is drawn for each of kBudgetDraws cases, before anybody's ranges: five decimals, so that a
// page can carry them.
struct BudgetVariates {
  double hours = 0;                               // standard normal
  double price = 0, failed = 0, experiments = 0;  // uniform
};
const std::vector<BudgetVariates>& budget_variates();

struct BudgetRequest {
  double usd = 0;
  double deadline_seconds = 0;      // 0: none
  Cluster cluster;                  // its number of devices is the most that can be had
  double experiments = 0.5;         // share of the purse
  double failed = 0.1;              // failed attempts, of the final run
  double other_usd = 0;             // data, storage, people paid from the budget
  bool other_stated = false;        // lest 0 be taken for a statement
  std::string today = {};           // YYYY-MM-DD, for the age of prices; empty: none is warned of
  double confidence = 0.8;          // 0.5 to 0.99: less would plan to overspend
  std::optional<ModelShape> model;  // given: only this one
  std::optional<NumberFormat> precision;  // given: only this one
  PriceEntry price;                       // USD per device-hour, what is paid
  bool is_own_price = false;              // not one of the list's: a way to pay of its own
  const PriceEntry* on_demand = nullptr;  // for the comparison; null: not stated
  const PriceEntry* spot = nullptr;
  // own_device_hour() of the device; empty: the list has no price to buy it
  std::vector<SheetLine> own = {};
};

// What an hour of an owned, busy device costs, as lines of a sheet that end in "own_hour": price,
// server, network, life and repairs from the list, power by its energy model, electricity of the
// region ("": us).  What `list` does not have comes from `usual`.  Without people.
std::vector<SheetLine> own_device_hour(const std::string& device, const std::string& region,
                                       const PriceList& list, const PriceList& usual);

// "h100-sxm on-demand: price of 2024-06, 29 months old": of what is paid, and of an owner's prices.
std::vector<std::string> stale_prices(const BudgetRequest& request);
inline bool states_other(const BudgetRequest& request) {
  return request.other_stated || request.other_usd > 0;
}
inline constexpr const char* kOtherNotStated = "not stated (--other 20kUSD)";

struct LossBand {
  double low = 0, mid = 0, high = 0;  // nats per token; within one law
};
LossBand expected_loss(const ModelShape& shape, double tokens);

struct BudgetChoice {
  ModelShape shape;
  Plan plan;
  bool is_fp8 = false;
  double tokens = 0;
  int devices = 0;
  // device-hours of the final run at the median, interruptions included
  double final_hours = 0;
  double final_usd = 0, failed_usd = 0;  // at the median
  double days = 0;                       // of the final run at the median, failed attempts included
  double p_budget = 0, p_deadline = 1;
  bool limited_by_deadline = false;
  LossBand loss;
  // What the page's formulas start from.  `money_hours` of the final run hold by the money alone at
  // the asked confidence; `slow` is the run with its failed attempts over its median at that.
  double money_hours = 0, slow = 1, hours_sd = 0.2;  // sd of the logarithm
};

// A model of the ladder in the precision that is worth more.
struct BudgetRung : BudgetChoice {
  std::optional<BudgetChoice> other;  // in the other precision, where that fits
  double fp8_speedup() const;         // tokens in FP8 over those in BF16; 0: one of them is missing
};

struct WayToPay {
  std::string name;
  double usd_per_hour = 0;  // NaN: not stated
  double final_usd = 0;
  std::string note;
  double hours = 0;               // of the final run; what the market interrupts is spot's alone
  bool is_paid = false;           // at the request's price
  bool lacks_reclaiming = false;  // spot where the cluster's file states none
  std::string label() const { return name + (lacks_reclaiming ? ", reclaiming not counted" : ""); }
};

struct OpenModel {
  std::string name;
  double active = 0, tokens = 0;
  LossBand loss;
  // 100 billion tokens more, as farthing plan prices them on `devices`, in `precision` and `batch`:
  // the cheapest of all numbers of devices that is done by the deadline, or in 30 days.
  double continue_usd = 0;
  double continue_days = 0;
  double tune_usd = 0;  // 1 billion
  int devices = 0;
  BatchShape batch;
  NumberFormat precision = NumberFormat::kBf16;
  double speed = 0;         // tokens of a paid device-hour
  std::string how() const;  // "in bf16, 512 sequences of 4096 a step"
};

struct BudgetPlan {
  BudgetRequest request;
  double experiments_usd = 0;
  double experiments_days = 0;     // on all devices of the cluster
  double purse_usd = 0;            // of the final run and its failed attempts
  double reserve_usd = 0;          // what the confidence wants over the medians
  double not_spent_usd = 0;        // nor that
  std::vector<BudgetRung> ladder;  // by expected loss, the least first
  BudgetRung best;                 // one of them
  std::optional<BudgetChoice> best_dense, best_moe;
  std::vector<WayToPay> ways;
  double calm_share = 1;          // hours on demand or owned over hours on spot capacity
  std::optional<OpenModel> open;  // the nearest in size of those that fit the cluster
  // such final runs for the whole budget, if nothing else is paid
  double runs_a_year = 0;
  std::vector<std::string> verdicts;  // what to know: one sentence each
};

// `progress` is told how many rungs are done of how many.
BudgetPlan plan_budget(const BudgetRequest& request,
                       const std::function<void(int, int)>& progress = {});

// Dense decoders and mixtures of the proportions of Llama 3 and DeepSeek-V3, from 0.1 B to 100 B
// active.
std::vector<ModelShape> budget_ladder();

// Of draws, in words: none of them is certainty.
std::string chance_words(double share);
// {what, found} of a model: devices, layout, global batch, checkpoints, MFU.
std::vector<std::vector<std::string>> layout_rows(const BudgetChoice& choice,
                                                  const std::string& cluster);
extern const char* const kBudgetLossNote;
// Source   DeepSeek-V3 (arXiv:2412.19437), section 3.3.
inline constexpr const char* kFp8Note =
    "No loss is charged for FP8: DeepSeek-V3's report has under 0.25 % against BF16, which may "
    "take part of the gain.";
inline constexpr const char* kPrecisionRule =
    "FP8 is taken where it trains 1.1 times the tokens of BF16 or more: below that its software "
    "costs more than it saves, though its expected loss be the lower.";
inline constexpr const char* kNoReclaimingNote =
    "spot's hours count no stop by the market: the cluster's file states none ([spot]; h100-spot "
    "has one), so they are the least that it can take.";
inline constexpr const char* kCalmNote =
    "Only spot capacity is taken back by the market; failures of hardware hit every way.";

std::string to_text(const BudgetPlan& plan);
Json to_json(const BudgetPlan& plan);
MoneyPage budget_page(const BudgetPlan& plan);

}  // namespace farthing
