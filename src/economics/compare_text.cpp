// compare_text.cpp - the comparison as tables, JSON and a page.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"
#include "economics/compare.h"

namespace farthing {
namespace {

const Contender& at(const std::vector<Contender>& contenders, int i) {
  return contenders[static_cast<std::size_t>(i)];
}

std::string words(double value, std::string (*format)(double)) {
  return std::isfinite(value) ? format(value) : "not stated";
}
std::string bits_words(double value) {
  return std::isfinite(value) ? fmt::format("{:.4f}", value) : "not stated";
}
std::string amount(double value, Against against) {
  if (!std::isfinite(value)) return "not stated";
  if (against == Against::kUsd) return money_words(value);
  if (against == Against::kSeconds) return format_seconds(value);
  return format_count(value) + " " + to_string(against);
}
std::string reached_words(const Reached& reached) {
  return (reached.at_most ? "at most " : "") + words(reached.usd, money_words);
}
std::string day_of(double unix_seconds) {
  if (!std::isfinite(unix_seconds)) return "not stated";
  // Days to a civil date (Howard Hinnant's algorithm), UTC.
  const auto z = static_cast<long long>(std::floor(unix_seconds / 86400)) + 719468;
  const long long era = (z >= 0 ? z : z - 146096) / 146097;
  const long long doe = z - era * 146097;
  const long long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const long long doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const long long mp = (5 * doy + 2) / 153;
  const long long month = mp < 10 ? mp + 3 : mp - 9;
  return fmt::format("{:04}-{:02}-{:02}", yoe + era * 400 + (month <= 2 ? 1 : 0), month,
                     doy - (153 * mp + 2) / 5 + 1);
}

Json to_json(const CurvePoint& point) {
  return {{"steps", or_null(point.steps)},
          {"tokens", or_null(point.tokens)},
          {"seconds", or_null(point.seconds)},
          {"usd", or_null(point.usd)},
          {"bits_per_byte", or_null(point.bits_per_byte)}};
}

std::string value_of(const Contender& contender, const std::string& key) {
  const auto found = contender.recipe.find(key);
  return found == contender.recipe.end() ? "" : found->second;
}

template <class Get>
bool all_alike(const std::vector<Contender>& contenders, Get get) {
  std::set<std::string> values;
  for (const Contender& contender : contenders) values.insert(get(contender));
  return values.size() < 2;
}

// Evaluations on the way take a sample of the held-out text, the last one all of it.
bool is_on_mixed_texts(const Contender& contender) {
  std::set<double> bytes;
  for (const CurvePoint& point : contender.curve) bytes.insert(point.eval_bytes);
  return bytes.size() > 1;
}

// Why there is no winner at equal cost, and what can be said all the same.
std::string without_winner(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  if (std::none_of(equal.bits_per_byte.begin(), equal.bits_per_byte.end(),
                   [](double bits) { return std::isfinite(bits); })) {
    return kNoneThere;
  }
  const std::vector<int> best = frontier(contenders);
  const auto n_known = std::count_if(contenders.begin(), contenders.end(), [](const auto& c) {
    return std::isfinite(c.end.usd) && std::isfinite(c.end.bits_per_byte);
  });
  std::string words = kTooFew;
  if (n_known < 2) return words;
  words += ' ';
  return words + (best.size() == 1 ? alone_words(at(contenders, best[0]).name) : kSettleWords);
}

}  // namespace

const char* const kOneRun = "They are one run priced more than once: no winner.";
const char* const kNoneThere = "none was measured there, no winner.";
const char* const kTooFew = "fewer than two were measured there, no winner at equal cost.";
const char* const kSettleWords =
    "At their ends who spent more is better (the frontier). Evaluations on the way, --set "
    "train.eval_every=STEPS, would settle it.";

// The figure is docs/log.md's: tiny, 4M tokens, FP32, 3.4102 against 3.4076 nats.
std::string alone_words(const std::string& name) {
  return name +
         " spent least and is best at its end, of single runs: a difference below run-to-run "
         "noise tells nothing, and it is not measured here (one recipe with its sums added in "
         "another order ended 0.08 % apart). Repeat each with other seeds.";
}

std::string money_words(double usd) {
  const double size = std::abs(usd);
  if (!std::isfinite(usd) || size == 0 || size >= 1) return format_usd(usd);
  return fmt::format("{:.{}f} USD", usd, 3 - static_cast<int>(std::floor(std::log10(size))));
}

Table totals_table(const std::vector<Contender>& contenders) {
  Table table{.headings = {"", "kind", "steps", "tokens", "time", "money", "per M tokens",
                           "bits per byte", "last 0.01 bit"},
              .rows = {}};
  for (const Contender& contender : contenders) {
    const CurvePoint& end = contender.end;
    table.rows.push_back({contender.name, contender.kind, words(end.steps, format_count),
                          words(end.tokens, format_count), words(end.seconds, format_seconds),
                          words(end.usd, money_words),
                          end.tokens > 0 ? words(end.usd / end.tokens * 1e6, money_words) : "-",
                          bits_words(end.bits_per_byte),
                          words(last_usd_per_centibit(contender), money_words)});
  }
  return table;
}

Table equal_table(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  Table table{.headings = {"at " + amount(equal.at, equal.against), "bits per byte", ""},
              .rows = {}};
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const double bits = equal.bits_per_byte[i];
    std::string note = std::isfinite(bits) ? "" : "not measured there";
    if (std::isfinite(bits) && equal.before_the_end[i]) note = "before its end: rate not decayed";
    if (equal.winner == static_cast<int>(i)) note += note.empty() ? "best" : ", best";
    table.rows.push_back({contenders[i].name, bits_words(bits), note});
  }
  return table;
}

Table frontier_table(const std::vector<Contender>& contenders) {
  Table table{
      .headings = {"frontier", "money", "bits per byte", "USD per 0.01 bit from the one above"},
      .rows = {}};
  int before = -1;
  for (const int i : frontier(contenders)) {
    const Contender& contender = at(contenders, i);
    table.rows.push_back(
        {contender.name, money_words(contender.end.usd), bits_words(contender.end.bits_per_byte),
         before < 0 ? "-" : money_words(usd_per_centibit(at(contenders, before), contender))});
    before = i;
  }
  return table;
}

Table trend_table(const std::vector<Contender>& contenders, const Trend& trend) {
  Table table{.headings = {"begun", "run", "money", "spent so far", "bits per byte", "best so far",
                           "to " + bits_words(trend.target)},
              .rows = {}};
  double spent = 0, best = kNotStated;
  for (const int i : trend.order) {
    const Contender& contender = at(contenders, i);
    if (std::isfinite(contender.end.usd)) spent += contender.end.usd;
    if (!(contender.end.bits_per_byte >= best) && std::isfinite(contender.end.bits_per_byte)) {
      best = contender.end.bits_per_byte;
    }
    table.rows.push_back({day_of(contender.begun_unix), contender.name,
                          words(contender.end.usd, money_words), money_words(spent),
                          bits_words(contender.end.bits_per_byte), bits_words(best),
                          reached_words(usd_to_reach(contender, trend.target))});
  }
  return table;
}

std::string winner_words(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  if (!std::isfinite(equal.at)) return "No held-out bits per byte to compare.";
  if (is_one_run(contenders) && equal.margin != 0) return kOneRun;
  return "At " + amount(equal.at, equal.against) + " each: " + winner_verdict(contenders, equal);
}

std::string winner_verdict(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  if (equal.margin == 0) return "the best are equal, no winner.";
  if (equal.winner < 0) return without_winner(contenders, equal);
  std::string text = at(contenders, equal.winner).name + " is best, by " +
                     (equal.margin < 5e-5 ? std::string("less than 0.0001")
                                          : fmt::format("{:.4f}", equal.margin)) +
                     " bits per byte";
  if (std::isfinite(equal.spread) && equal.spread > 0) {
    const double times = equal.margin / equal.spread;
    return text + fmt::format(", {:.1f} standard deviations of its {} repeats{}.", times,
                              equal.n_repeats, times < 2 ? ": not distinguishable" : "");
  }
  return text + "; run-to-run spread not measured (repeat a run with another seed).";
}

const char* const kEarlyWords =
    "Some values are from before a run's end, where its learning rate had not decayed: a run "
    "planned for this length would stand better.";

std::vector<std::string> cautions(const std::vector<Contender>& contenders,
                                  const EqualComparison& equal) {
  std::vector<std::string> lines;
  const auto recipe_value = [](const char* key) {
    return [key](const Contender& contender) { return value_of(contender, key); };
  };
  std::vector<Contender> paid = contenders;
  std::erase_if(paid, [](const Contender& c) { return !std::isfinite(c.end.usd); });
  if (!all_alike(paid, [](const Contender& c) { return c.price; })) {
    lines.push_back("Priced differently; --prices FILE prices all of them alike.");
  }
  std::vector<Contender> measured = contenders;
  std::erase_if(measured, [](const Contender& c) { return !std::isfinite(c.end.bits_per_byte); });
  const bool unknown = std::any_of(measured.begin(), measured.end(), [](const Contender& c) {
    return value_of(c, "data.train").empty();
  });
  if (measured.size() > 1 && (unknown || !all_alike(measured, recipe_value("data.train")))) {
    lines.push_back(
        "Trained on different data folders, or not known: the held-out text may differ.");
  }
  if (!all_alike(measured, recipe_value("train.eval_tokens"))) {
    lines.push_back("Evaluated on different amounts of held-out text, or not known on how much.");
  }
  for (const bool early : equal.before_the_end) {
    if (!early) continue;
    lines.emplace_back(kEarlyWords);
    break;
  }
  for (const Contender& contender : contenders) {
    if (!is_on_mixed_texts(contender)) continue;
    lines.push_back(
        "Evaluations on the way score a sample of the held-out text, the last one all of it: "
        "between "
        "the two a difference of some thousandths is the text's.");
    break;
  }
  for (const Contender& contender : contenders) {
    if (std::isfinite(contender.end.bits_per_byte)) continue;
    lines.push_back(contender.name + " has no held-out bits per byte: it is not on the frontier.");
  }
  for (const Contender& contender : contenders) {
    if (std::isfinite(contender.end.usd)) continue;
    lines.push_back(contender.name +
                    " does not state its dollars: it is not on the frontier, and no winner at "
                    "equal cost.");
  }
  return lines;
}

std::string compare_text(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  std::string text = to_text(totals_table(contenders)) + "\n";
  if (std::isfinite(equal.at)) text += to_text(equal_table(contenders, equal)) + "\n";
  text += wrap_prose(winner_words(contenders, equal), 2, prose_columns()) + "\n";
  if (frontier(contenders).size() > 0) text += to_text(frontier_table(contenders)) + "\n";
  const Trend over_time = trend(contenders);
  if (over_time.order.size() > 1) {
    text += to_text(trend_table(contenders, over_time));
    if (std::isfinite(over_time.usd_ratio_per_30_days)) {
      text += fmt::format("The same bits per byte cost {:.2f} times as much 30 days later.\n",
                          over_time.usd_ratio_per_30_days);
    }
    text += "\n";
  }
  if (contenders.size() == 2 && !contenders[0].recipe.empty() && !contenders[1].recipe.empty()) {
    Table table{.headings = {"recipe", contenders[0].name, contenders[1].name},
                .rows = recipe_difference(contenders[0], contenders[1])};
    text += (table.rows.empty() ? "The recipes are the same.\n" : to_text(table)) + "\n";
  }
  for (const std::string& line : cautions(contenders, equal)) {
    text += wrap_prose("Note: " + line, 2, prose_columns());
  }
  return text;
}

Json compare_json(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  Json json = {{"contenders", Json::array()}};
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const Contender& contender = contenders[i];
    Json curve = Json::array();
    for (const CurvePoint& point : contender.curve) curve.push_back(to_json(point));
    json["contenders"].push_back(
        {{"name", contender.name},
         {"kind", contender.kind},
         {"end", to_json(contender.end)},
         {"begun_unix", or_null(contender.begun_unix)},
         {"price", contender.price},
         {"core_hours", or_null(contender.core_hours)},
         {"usd_per_core_hour", or_null(contender.hour_usd)},
         {"joules", or_null(contender.joules)},
         {"model_flops", or_null(contender.model_flops)},
         {"usd_per_last_centibit", or_null(last_usd_per_centibit(contender))},
         {"curve", curve}});
  }
  Json bits = Json::array();
  for (const double value : equal.bits_per_byte) bits.push_back(or_null(value));
  json["equal"] = {
      {"against", to_string(equal.against)},
      {"at", or_null(equal.at)},
      {"bits_per_byte", bits},
      {"winner", equal.winner < 0 ? Json(nullptr) : Json(at(contenders, equal.winner).name)},
      {"margin", or_null(equal.margin)},
      {"spread", or_null(equal.spread)}};
  json["frontier"] = Json::array();
  for (const int i : frontier(contenders)) json["frontier"].push_back(at(contenders, i).name);
  const Trend over_time = trend(contenders);
  json["trend"] = {{"target_bits_per_byte", or_null(over_time.target)},
                   {"usd_ratio_per_30_days", or_null(over_time.usd_ratio_per_30_days)}};
  json["recipe_difference"] = contenders.size() == 2
                                  ? Json(recipe_difference(contenders[0], contenders[1]))
                                  : Json(nullptr);
  json["cautions"] = cautions(contenders, equal);
  return json;
}

}  // namespace farthing
