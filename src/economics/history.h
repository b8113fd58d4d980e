// history.h - what training models cost over the years, and why one run costs more than another.
//
//   cost = 6 * active * tokens / (peak * MFU) / 3600 * price          all of the final run
//
// so the ratio of two costs is a product of five ratios, exactly:
//
//   active parameters x tokens x peak x MFU x price
//
// MFU (on the BF16 peak, by 6ND) follows from published hours, else it is the estimate of whoever
// the file names.  claims/history.toml has [[model]] and, for articles' own chains, [[chain]].
// Errors   Error{kBadInput}, every fault with its line; for a model without the inputs, which are
//          missing.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "economics/sheet.h"

namespace farthing {

struct HistoryModel {
  std::string id, name, device, basis, source, note;
  int year = 0;
  std::optional<double> parameters, active, tokens, peak, mfu, hours, usd_per_hour;
  std::optional<double> pretrain_hours;  // of hours, where the phases were published
  std::optional<double> usd_low, usd_high;
  // Both ends; without usd_low "less than" usd_high.
  bool is_disclosed() const { return basis.starts_with("disclosed"); }
};

struct ChainFactor {
  std::string label, note;
  double value = 1;
};

struct ArticleChain {
  std::string from, to, source;
  double stated = 0;  // as the article multiplied it
  std::vector<ChainFactor> factors;
  double product() const;
};

struct History {
  std::vector<HistoryModel> models;
  std::vector<ArticleChain> chains;
  const HistoryModel& at(const std::string& id) const;
  const ArticleChain* chain(const std::string& from, const std::string& to) const;
};

History load_history();
History parse_history_file(const std::string& toml, const std::string& where);

// Lines a_* and b_*, their ratios r_active, r_tokens, r_peak, r_mfu, r_price, then ratio, a_usd,
// b_usd; `factors` are the ids to multiply.  a_outside, b_outside: above zero where a_usd or b_usd
// lies outside usd_low to usd_high.
struct Comparison {
  Sheet sheet;
  std::vector<std::string> factors;
};
// Where a side is not disclosed, "a_usd_about", "b_usd_about", "ratio_about" have two digits.
Comparison compare_costs(const HistoryModel& a, const HistoryModel& b);
// How the use of the peak depends on whose hours: all of them, or pre-training's; else empty.
std::string phase_words(const HistoryModel& model);

}  // namespace farthing
