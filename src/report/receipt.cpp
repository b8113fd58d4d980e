// receipt.cpp - a history and a price book become a receipt.
#include "report/receipt.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "report/table.h"

namespace farthing {
namespace {

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

std::string state_of(const RunHistory& history) {
  if (history.attempts.empty()) return "not started";
  const std::string& reason = history.attempts.back().end_reason;
  return reason.empty() ? "no end recorded (running or killed)" : reason;
}

Json to_json(const SecondsByCategory& values) {
  Json json = Json::object();
  for (int i = 0; i < kCategories; ++i) {
    const auto category = static_cast<Category>(i);
    json[to_string(category)] = values[category];
  }
  return json;
}

Json to_json(const Price& price) {
  return {{"value", price.value},
          {"unit", price.unit},
          {"date", price.date},
          {"source", price.source},
          {"confidence", price.confidence}};
}

std::string energy_words(const Receipt& receipt) {
  if (!std::isfinite(receipt.cost.joules)) return "energy not stated";
  const Price& cooling = receipt.book.cooling;
  return fmt::format("{} at the machine,{}, x PUE {} ({}) at {} USD per kWh, {}, {}",
                     format_energy(receipt.cost.joules),
                     receipt.cost.joules_estimated ? " estimated" : " measured", cooling.value,
                     cooling.source + (cooling.date.empty() ? "" : ", " + cooling.date),
                     receipt.book.electricity.value, receipt.book.electricity.source,
                     receipt.book.electricity.date);
}

Table summary(const Receipt& receipt) {
  const Ledger& ledger = receipt.ledger;
  Table table;
  const auto add = [&](const char* what, const std::string& value) {
    table.rows.push_back({what, value});
  };
  if (receipt.start.parameters > 0) {
    add("model", format_count(receipt.start.parameters) + " parameters, " +
                     format_count(receipt.start.active_parameters) + " active");
  }
  add("steps", fmt::format("{}", ledger.steps));
  add("tokens", format_count(static_cast<double>(ledger.tokens)));
  add("model FLOPs",
      ledger.model_flops > 0 ? fmt::format("{:.3g}", ledger.model_flops) : "not stated");
  add("attempts", fmt::format("{}", ledger.n_attempts));
  add("wall time", format_seconds(ledger.wall_seconds));
  add("speed",
      format_rate(receipt.tokens_per_second) + " tokens/s" +
          (receipt.share_of_peak > 0 ? fmt::format(", {:.1f} % of the FP32 peak while computing",
                                                   100 * receipt.share_of_peak)
                                     : ""));
  if (std::isfinite(receipt.final_loss)) {
    add("final loss", fmt::format("{:.4f} nats per token", receipt.final_loss));
  }
  if (std::isfinite(receipt.val_bits_per_byte)) {
    add("held-out", fmt::format("{:.4f} bits per byte", receipt.val_bits_per_byte));
  }
  if (!receipt.weights_hash.empty()) add("weights", receipt.weights_hash);
  return table;
}

// Seconds of one step: events of simulated runs hold several.
double median_step_seconds(const RunHistory& history) {
  std::vector<double> seconds;
  std::int64_t before = -1;
  for (const StepRecord& record : history.steps) {
    const std::int64_t covered = before >= 0 ? record.step - before : 0;
    before = record.step;
    if (record.recomputed || covered <= 0 || !(record.step_seconds > 0)) continue;
    seconds.push_back(record.step_seconds / static_cast<double>(covered));
  }
  if (seconds.empty()) return 0;
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

PlanAndActual beside_plan(const ReportInput& input, const Ledger& ledger) {
  PlanAndActual both = input.planned;
  const RunStart& start = input.history.run_start;
  double per_step = start.planned_joules_per_step;
  if (both.planned_step_seconds > 0) {
    per_step = both.planned_joules;
  } else {
    both.planned_step_seconds = start.planned_step_seconds;
    both.planned_memory_bytes = start.planned_memory_bytes;
  }
  both.planned_joules = per_step * static_cast<double>(ledger.steps);
  both.step_seconds = median_step_seconds(input.history);
  both.memory_bytes = input.history.peak_private_bytes;
  return both;
}

std::vector<SourceLine> sources_of(const RunHistory& history, const EvalRecord* eval) {
  std::map<std::string, SourceLine> sources;
  for (const auto& [name, count] : history.source_tokens) sources[name].tokens = count;
  if (eval != nullptr) {
    for (const auto& [name, bits] : eval->per_source) sources[name].bits_per_byte = bits;
  }
  std::vector<SourceLine> lines;
  for (auto& [name, line] : sources) {
    line.name = name;
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

Receipt make_receipt(const ReportInput& input) {
  Receipt receipt;
  receipt.name = input.name;
  receipt.state = state_of(input.history);
  receipt.run = input.run;
  receipt.start = input.history.run_start;
  receipt.ledger = make_ledger(input.history);
  receipt.book = input.book;
  receipt.cost = cost_of(receipt.ledger, input.book);
  receipt.weights_hash = input.history.weights_hash;
  receipt.beside_plan = beside_plan(input, receipt.ledger);
  receipt.beside_plan.joules = receipt.cost.joules;
  receipt.beside_plan.joules_estimated = receipt.cost.joules_estimated;
  if (!input.history.attempts.empty()) {
    const AttemptRecord& last = input.history.attempts.back();
    receipt.begun_unix = input.history.attempts.front().begun_unix;
    receipt.ended_unix = last.begun_unix + last.wall_seconds;
  }
  const double core_seconds = receipt.ledger.core_seconds.total();
  for (std::size_t i = 0; core_seconds > 0 && i < receipt.usd.values.size(); ++i) {
    receipt.usd.values[i] = receipt.cost.usd * receipt.ledger.core_seconds.values[i] / core_seconds;
  }
  const auto tokens = static_cast<double>(receipt.ledger.tokens);
  if (tokens > 0) receipt.usd_per_million_tokens = receipt.cost.usd / tokens * 1e6;
  receipt.farthings = usd_to_farthings(receipt.cost.usd, input.book);
  if (receipt.ledger.wall_seconds > 0) {
    receipt.tokens_per_second = tokens / receipt.ledger.wall_seconds;
  }
  const double peak_seconds =
      receipt.ledger.seconds[Category::kCompute] * receipt.start.fp32_peak_flops;
  if (peak_seconds > 0) receipt.share_of_peak = receipt.ledger.model_flops / peak_seconds;
  if (const StepRecord* step = input.history.last_step()) receipt.final_loss = step->loss;
  const EvalRecord* eval = input.history.last_eval();
  if (eval != nullptr) receipt.val_bits_per_byte = eval->bits_per_byte;
  receipt.sources = sources_of(input.history, eval);
  return receipt;
}

namespace {

std::string day_of(double time_unix) {
  const auto seconds = static_cast<std::time_t>(time_unix);
  std::tm utc{};
  char text[16];
  if (time_unix < 1 || gmtime_r(&seconds, &utc) == nullptr) return "not stated";
  std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
  return text;
}

Json listed(const char* item, const Price& price) {
  Json json = to_json(price);
  json["item"] = item;
  return json;
}

std::string hash_words(const std::string& digits) {
  return digits.empty() ? "not stated" : "xxh3-128:" + digits;
}

// The keys of docs/receipt.schema.json.  One run knows the cost of itself; of the other definitions
// nobody has told it anything.
Json standard_part(const Receipt& receipt) {
  const Ledger& ledger = receipt.ledger;
  const double hours = ledger.core_seconds.total() / 3600;
  const std::string device = receipt.start.device.empty() ? "core" : receipt.start.device;
  Json definitions = Json::object();
  for (const char* name :
       {"final_run", "all_runs", "research_and_development", "programme", "amortised"}) {
    definitions[name] = "not stated";
  }
  if (receipt.run.purpose == "final") {
    definitions["final_run"] = {
        {"usd", receipt.cost.rented_usd},
        {"basis", fmt::format("{} {}-hours at {} USD", hours, device, receipt.book.rent.value)}};
  }
  const PriceBook& book = receipt.book;
  const auto amount = [](double value) {
    return std::isfinite(value) ? Json(value) : Json("not stated");
  };
  Json prices = Json::array();
  const std::string hour = device + "-hour";
  for (const auto& [item, price] : {std::pair<const char*, const Price*>{hour.c_str(), &book.rent},
                                    {"machine", &book.machine},
                                    {"power", &book.power},
                                    {"cooling", &book.cooling},
                                    {"electricity", &book.electricity}}) {
    if (!std::isfinite(price->value)) continue;
    Price known = *price;  // one given by hand is of the day of the run
    if (known.date.empty()) known.date = day_of(receipt.ended_unix);
    prices.push_back(listed(item, known));
  }
  return {
      {"receipt", "farthing-receipt/1"},
      {"definitions", definitions},
      {"compute",
       {{"training_flops", ledger.model_flops > 0 ? Json(ledger.model_flops) : Json("not stated")},
        {"training_time_hours", ledger.wall_seconds / 3600},
        {"device", device},
        {"device_hours", hours},
        {"usd_per_device_hour", amount(book.rent.value)}}},
      {"energy",
       {{"kwh", amount(receipt.cost.joules / 3.6e6)},
        {"basis", !std::isfinite(receipt.cost.joules) ? "not stated"
                  : receipt.cost.joules_estimated     ? "estimated"
                                                      : "measured"},
        {"pue", amount(book.cooling.value)},
        {"region", receipt.start.site.region.empty() ? "not stated" : receipt.start.site.region}}},
      {"dates", {{"begun", day_of(receipt.begun_unix)}, {"ended", day_of(receipt.ended_unix)}}},
      {"prices", prices},
      {"hashes",
       {{"weights", hash_words(receipt.weights_hash)},
        {"recipe", hash_words(receipt.start.recipe_hash)}}}};
}

}  // namespace

Json to_json(const Receipt& receipt) {
  const Ledger& ledger = receipt.ledger;
  const Cost& cost = receipt.cost;
  Json seconds = to_json(ledger.seconds);
  seconds["total"] = ledger.seconds.total();
  Json usd = {{"total", cost.usd},
              {"by_category", to_json(receipt.usd)},
              {"rented", cost.rented_usd},
              {"owned", cost.owned_usd},
              {"depreciation", cost.depreciation_usd},
              {"electricity", cost.electricity_usd},
              {"per_million_tokens", receipt.usd_per_million_tokens}};
  Json json = {
      {"run", receipt.name},
      {"state", receipt.state},
      {"origin", receipt.start.simulated  ? "simulated"
                 : receipt.start.imported ? "imported"
                                          : "trained"},
      {"project", receipt.run.project},
      {"purpose", receipt.run.purpose},
      {"phase", receipt.run.phase},
      {"parent", or_null(receipt.run.parent)},
      {"steps", ledger.steps},
      {"tokens", ledger.tokens},
      {"model_flops", ledger.model_flops},
      {"seconds", seconds},
      {"core_seconds", ledger.core_seconds.total()},
      {"attempts", ledger.n_attempts},
      {"joules", cost.joules},
      {"joules_estimated", cost.joules_estimated},
      {"usd", usd},
      {"farthings", receipt.farthings},
      {"price",
       {{"basis", receipt.book.is_owned ? "own" : "rent"},
        {"book", receipt.book.name},
        {"rent", to_json(receipt.book.rent)},
        {"machine", to_json(receipt.book.machine)},
        {"power", to_json(receipt.book.power)},
        {"cooling", to_json(receipt.book.cooling)},
        {"electricity", to_json(receipt.book.electricity)},
        {"sterling", to_json(receipt.book.sterling)}}},
      {"tokens_per_second", receipt.tokens_per_second},
      {"precision", or_null(receipt.start.precision)},
      {"fp32_peak_flops",
       receipt.start.fp32_peak_flops > 0 ? Json(receipt.start.fp32_peak_flops) : Json(nullptr)},
      {"share_of_fp32_peak",
       receipt.share_of_peak > 0 ? Json(receipt.share_of_peak) : Json(nullptr)},
      {"final_loss", or_null(receipt.final_loss)},
      {"val_bits_per_byte", or_null(receipt.val_bits_per_byte)},
      {"weights_hash", or_null(receipt.weights_hash)}};
  if (const PriceBook& book = receipt.book; std::isfinite(book.machine.value)) {
    json["price"]["machine"].update({{"years", book.machine_years},
                                     {"busy_share", book.machine_busy_share},
                                     {"cores", book.machine_cores}});
  }
  for (const SourceLine& line : receipt.sources) {
    json["sources"].push_back({{"name", line.name},
                               {"tokens", line.tokens > 0 ? Json(line.tokens) : Json(nullptr)},
                               {"val_bits_per_byte", or_null(line.bits_per_byte)}});
  }
  if (const PlanAndActual& both = receipt.beside_plan; both.is_known()) {
    const auto pair = [](double planned, double measured) {
      return Json{{"planned", planned > 0 ? Json(planned) : Json(nullptr)},
                  {"measured", measured > 0 ? Json(measured) : Json(nullptr)}};
    };
    json["plan_and_actual"] = {{"step_seconds", pair(both.planned_step_seconds, both.step_seconds)},
                               {"memory_bytes", pair(both.planned_memory_bytes, both.memory_bytes)},
                               {"joules", pair(both.planned_joules, both.joules)}};
  }
  json.update(standard_part(receipt));
  return json;
}

Table sources_table(const Receipt& receipt) {
  Table table{.headings = {"source", "tokens", "share", "held-out bits per byte"}, .rows = {}};
  double total = 0;
  for (const SourceLine& line : receipt.sources) total += line.tokens;
  for (const SourceLine& line : receipt.sources) {
    const bool known = line.tokens > 0;
    table.rows.push_back({line.name, known ? format_count(line.tokens) : "not stated",
                          known ? fmt::format("{:.1f} %", 100 * line.tokens / total) : "",
                          std::isfinite(line.bits_per_byte)
                              ? fmt::format("{:.4f}", line.bits_per_byte)
                              : "not stated"});
  }
  return table;
}

Table plan_and_actual_table(const Receipt& receipt) {
  const PlanAndActual& both = receipt.beside_plan;
  Table table{.headings = {"plan and actual", "planned",
                           receipt.start.simulated ? "simulated" : "measured", "difference"},
              .rows = {}};
  if (!both.is_known()) return table;
  const auto add = [&](const char* what, double planned, double measured, auto&& words) {
    if (!(planned > 0)) return;
    table.rows.push_back(
        {what, words(planned), measured > 0 ? words(measured) : "not stated",
         measured > 0 ? fmt::format("{:+.1f} %", 100 * (measured / planned - 1)) : ""});
  };
  add("step, median", both.planned_step_seconds, both.step_seconds,
      [](double v) { return v < 10 ? fmt::format("{:.3f} s", v) : format_seconds(v); });
  add("most memory, mapped files aside", both.planned_memory_bytes, both.memory_bytes,
      [](double v) { return format_bytes(v); });
  add(both.joules_estimated ? "energy, steps planned, run estimated" : "energy, steps and run",
      both.planned_joules, both.joules, [](double v) { return format_energy(v); });
  return table;
}

Table spending_table(const Receipt& receipt) {
  Table table{.headings = {"where it went", "time", "share", "money"}, .rows = {}};
  const double total = receipt.ledger.seconds.total();
  const auto share = [&](double seconds) {
    return fmt::format("{:.1f} %", total > 0 ? 100 * seconds / total : 0);
  };
  for (int i = 0; i < kCategories; ++i) {
    const auto category = static_cast<Category>(i);
    const double seconds = receipt.ledger.seconds[category];
    if (receipt.start.imported && !(seconds > 0)) continue;  // a log that does not say
    table.rows.push_back({describe(category), format_seconds(seconds), share(seconds),
                          format_usd(receipt.usd[category])});
  }
  table.rows.push_back(
      {"total", format_seconds(total), share(total), format_usd(receipt.cost.usd)});
  return table;
}

const char* describe(Category category) {
  switch (category) {
    case Category::kCompute:
      return "compute";
    case Category::kDataWait:
      return "waiting for data";
    case Category::kCheckpoint:
      return "saving";
    case Category::kEval:
      return "evaluation";
    case Category::kStartUp:
      return "start-up";
    case Category::kRecomputed:
      return "done twice";
    case Category::kLost:
      return "lost to a kill";
  }
  return "";
}

std::string farthings_text(const Receipt& receipt) {
  return std::isfinite(receipt.farthings) ? fmt::format("{:.3g}", receipt.farthings) : "not stated";
}

std::string farthings_words(const Receipt& receipt) {
  const Price& sterling = receipt.book.sterling;
  return fmt::format("{} farthings (960 to the pound sterling, at {} USD: {}, {})",
                     farthings_text(receipt), sterling.value, sterling.source, sterling.date);
}

std::string price_words(const Receipt& receipt) {
  return describe(receipt.book) + "; change with --set cost.price=...";
}

std::string electricity_words(const Receipt& receipt) {
  return format_usd(receipt.cost.electricity_usd) + " (" + energy_words(receipt) + ")";
}

std::string origin_words(const Receipt& receipt) {
  if (receipt.start.simulated) {
    return "Simulated: nothing was trained or paid. Its time is acted out, its loss is a scaling "
           "law's.";
  }
  if (receipt.start.imported) {
    return "Imported: read from a log made elsewhere; what that does not say is estimated or left "
           "out.";
  }
  return "";
}

std::string to_text(const Receipt& receipt) {
  const double total = receipt.ledger.seconds.total();
  const double waste = total > 0 ? 1 - receipt.ledger.seconds[Category::kCompute] / total : 0;
  std::string text =
      wrapped(fmt::format("Receipt of {} ({}), {}, {}: {}", receipt.name, receipt.run.project,
                          receipt.run.purpose, receipt.run.phase, receipt.state));
  if (const std::string origin = origin_words(receipt); !origin.empty()) text += wrapped(origin);
  text += "\n";
  text += to_text(summary(receipt)) + "\n" + to_text(spending_table(receipt)) + "\n";
  if (!receipt.sources.empty()) text += to_text(sources_table(receipt)) + "\n";
  if (receipt.beside_plan.is_known()) text += to_text(plan_and_actual_table(receipt)) + "\n";
  text += receipt.start.imported
              ? "Waste: not stated, the log has steps alone\n"
              : fmt::format("Waste, all that is not compute: {:.1f} %\n", 100 * waste);
  text += wrapped("Price: " + price_words(receipt));
  text += wrapped("Electricity alone: " + electricity_words(receipt));
  text += wrapped(format_usd(receipt.usd_per_million_tokens) + " per million tokens; in all " +
                  farthings_words(receipt));
  return text;
}

}  // namespace farthing
