// compare.cpp - the arithmetic of comparing runs.
#include "economics/compare.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace farthing {
namespace {

// Keys that name or seed a run without changing what it is.
bool is_of_the_repeat(const std::string& key) {
  return key.starts_with("run.") || key.starts_with("cost.") || key.ends_with(".seed") ||
         key.starts_with("checkpoint.") || key == "parallel.threads";
}

std::map<std::string, std::string> what_it_is(const Contender& contender) {
  auto recipe = contender.recipe;
  std::erase_if(recipe, [](const auto& entry) { return is_of_the_repeat(entry.first); });
  return recipe;
}

// Pooled over every group of recipes that are alike.
void measure_spread(const std::vector<Contender>& contenders, EqualComparison& equal) {
  double squares = 0;
  int freedom = 0;
  for (const auto& group : repeats(contenders)) {
    std::vector<double> values;
    for (const int i : group) {
      const double bits = equal.bits_per_byte[static_cast<std::size_t>(i)];
      if (std::isfinite(bits)) values.push_back(bits);
    }
    if (values.size() < 2) continue;
    double mean = 0;
    for (const double value : values) mean += value / static_cast<double>(values.size());
    for (const double value : values) squares += (value - mean) * (value - mean);
    freedom += static_cast<int>(values.size()) - 1;
    equal.n_repeats += static_cast<int>(values.size());
  }
  if (freedom > 0) equal.spread = std::sqrt(squares / freedom);
}

double last_measured(const Contender& contender, Against against) {
  double last = kNotStated;
  for (const CurvePoint& point : contender.curve) {
    if (std::isfinite(point.bits_per_byte) && std::isfinite(along(point, against))) {
      last = along(point, against);
    }
  }
  return last;
}

void choose_winner(EqualComparison& equal) {
  std::vector<int> order;
  for (std::size_t i = 0; i < equal.bits_per_byte.size(); ++i) {
    if (std::isfinite(equal.bits_per_byte[i])) order.push_back(static_cast<int>(i));
  }
  if (order.size() < 2) return;
  const auto value = [&](int i) { return equal.bits_per_byte[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return value(a) < value(b); });
  equal.margin = value(order[1]) - value(order[0]);
  if (equal.margin > 0) equal.winner = order[0];
}

// Slope of y on x; NaN without two different x.
double slope(const std::vector<double>& x, const std::vector<double>& y) {
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / n;
    mean_y += y[i] / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  return xx > 0 ? xy / xx : kNotStated;
}

}  // namespace

const char* to_string(Against against) {
  switch (against) {
    case Against::kSteps:
      return "steps";
    case Against::kTokens:
      return "tokens";
    case Against::kSeconds:
      return "seconds";
    case Against::kUsd:
      return "usd";
  }
  return "";
}

std::vector<std::vector<int>> repeats(const std::vector<Contender>& contenders) {
  std::map<std::map<std::string, std::string>, std::vector<int>> alike;
  std::set<double> begun;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (contenders[i].recipe.empty()) continue;
    const double when = contenders[i].begun_unix;
    if (std::isfinite(when) && !begun.insert(when).second) continue;
    alike[what_it_is(contenders[i])].push_back(static_cast<int>(i));
  }
  std::vector<std::vector<int>> groups;
  for (auto& [recipe, group] : alike) {
    if (group.size() > 1) groups.push_back(std::move(group));
  }
  return groups;
}

bool is_one_run(const std::vector<Contender>& contenders) {
  if (contenders.size() < 2) return false;
  const Contender& first = contenders.front();
  const auto agree = [](double x, double y) {
    return x == y || !std::isfinite(x) || !std::isfinite(y);
  };
  return std::all_of(contenders.begin() + 1, contenders.end(), [&](const Contender& other) {
    return agree(other.begun_unix, first.begun_unix) && agree(other.end.steps, first.end.steps) &&
           other.end.tokens == first.end.tokens &&
           other.end.bits_per_byte == first.end.bits_per_byte;
  });
}

std::vector<CurveKnot> knots(const Contender& contender, Against against) {
  std::vector<CurveKnot> found;
  for (const CurvePoint& point : contender.curve) {
    const double x = along(point, against);
    if (std::isfinite(point.bits_per_byte) && std::isfinite(x)) {
      found.push_back({x, point.bits_per_byte});
    }
  }
  return found;
}

double along(const CurvePoint& point, Against against) {
  switch (against) {
    case Against::kSteps:
      return point.steps;
    case Against::kTokens:
      return point.tokens;
    case Against::kSeconds:
      return point.seconds;
    case Against::kUsd:
      return point.usd;
  }
  return kNotStated;
}

double value_at(const Contender& contender, Against against, double x) {
  return read_off(knots(contender, against), x);
}

Reached usd_to_reach(const Contender& contender, double bits_per_byte) {
  const CurvePoint* before = nullptr;
  for (const CurvePoint& point : contender.curve) {
    if (!std::isfinite(point.bits_per_byte) || !(point.usd > 0)) continue;
    if (point.bits_per_byte <= bits_per_byte) {
      if (before == nullptr) return {point.usd, point.bits_per_byte < bits_per_byte};
      const double share =
          (before->bits_per_byte - bits_per_byte) / (before->bits_per_byte - point.bits_per_byte);
      return {before->usd * std::pow(point.usd / before->usd, share), false};
    }
    before = &point;
  }
  return {};
}

EqualComparison at_equal(const std::vector<Contender>& contenders, Against against,
                         std::optional<double> at) {
  EqualComparison equal;
  equal.against = against;
  if (at) equal.at = *at;
  for (const Contender& contender : contenders) {
    const double last = last_measured(contender, against);
    if (!at && std::isfinite(last) && !(last >= equal.at)) equal.at = last;
  }
  for (const Contender& contender : contenders) {
    equal.bits_per_byte.push_back(std::isfinite(equal.at) ? value_at(contender, against, equal.at)
                                                          : kNotStated);
    equal.before_the_end.push_back(std::isfinite(equal.bits_per_byte.back()) &&
                                   last_measured(contender, against) > equal.at * (1 + 1e-6));
  }
  choose_winner(equal);
  measure_spread(contenders, equal);
  return equal;
}

std::vector<int> frontier(const std::vector<Contender>& contenders) {
  std::vector<int> order;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const CurvePoint& end = contenders[i].end;
    if (std::isfinite(end.usd) && std::isfinite(end.bits_per_byte)) {
      order.push_back(static_cast<int>(i));
    }
  }
  const auto end = [&](int i) -> const CurvePoint& {
    return contenders[static_cast<std::size_t>(i)].end;
  };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    if (end(a).usd != end(b).usd) return end(a).usd < end(b).usd;
    return end(a).bits_per_byte < end(b).bits_per_byte;
  });
  std::vector<int> best;
  for (const int i : order) {
    if (best.empty() || end(i).bits_per_byte < end(best.back()).bits_per_byte) best.push_back(i);
  }
  return best;
}

double usd_per_centibit(const Contender& from, const Contender& to) {
  const double bits = from.end.bits_per_byte - to.end.bits_per_byte;
  return bits > 0 ? (to.end.usd - from.end.usd) / bits * 0.01 : kNotStated;
}

double last_usd_per_centibit(const Contender& contender) {
  std::map<double, std::vector<const CurvePoint*>> by_text;
  const std::vector<const CurvePoint*>* longest = nullptr;
  for (const CurvePoint& point : contender.curve) {
    if (!std::isfinite(point.bits_per_byte) || !std::isfinite(point.usd)) continue;
    auto& known = by_text[point.eval_bytes];
    if (!known.empty() && known.back()->steps == point.steps) known.pop_back();
    known.push_back(&point);
    if (known.size() >= 2) longest = &known;
  }
  if (longest == nullptr) return kNotStated;
  const CurvePoint& last = *longest->back();
  const CurvePoint& before = *(*longest)[longest->size() - 2];
  const double bits = before.bits_per_byte - last.bits_per_byte;
  return bits > 0 ? (last.usd - before.usd) / bits * 0.01 : kNotStated;
}

Trend trend(const std::vector<Contender>& contenders) {
  Trend result;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (!std::isfinite(contenders[i].begun_unix) || contenders[i].kind == "simulation") continue;
    result.order.push_back(static_cast<int>(i));
    const double last = contenders[i].end.bits_per_byte;
    if (std::isfinite(last) && !(last <= result.target)) result.target = last;
  }
  const auto at = [&](int i) -> const Contender& {
    return contenders[static_cast<std::size_t>(i)];
  };
  std::stable_sort(result.order.begin(), result.order.end(),
                   [&](int a, int b) { return at(a).begun_unix < at(b).begun_unix; });
  std::vector<double> days, logs;
  for (const int i : result.order) {
    const Reached reached = usd_to_reach(at(i), result.target);
    if (!(reached.usd > 0) || reached.at_most) continue;
    days.push_back(at(i).begun_unix / 86400);
    logs.push_back(std::log(reached.usd));
  }
  if (std::set<double>(days.begin(), days.end()).size() >= 3) {
    result.usd_ratio_per_30_days = std::exp(30 * slope(days, logs));
  }
  return result;
}

std::vector<std::vector<std::string>> recipe_difference(const Contender& a, const Contender& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a.recipe) keys.insert(key);
  for (const auto& [key, value] : b.recipe) keys.insert(key);
  std::vector<std::vector<std::string>> rows;
  const auto value_of = [](const Contender& contender, const std::string& key) {
    const auto found = contender.recipe.find(key);
    return found == contender.recipe.end() ? std::string("-") : found->second;
  };
  for (const std::string& key : keys) {
    const std::string left = value_of(a, key), right = value_of(b, key);
    if (left != right) rows.push_back({key, left, right});
  }
  return rows;
}

}  // namespace farthing
