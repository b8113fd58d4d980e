// compare_input.cpp - run folders, receipts and plans become contenders.
#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "economics/compare.h"
#include "economics/device_book.h"
#include "report/series.h"

namespace farthing {
namespace {

// "key = value  # source" under "[section]" to {"section.key", "value"}; a # in quotes stays.
std::map<std::string, std::string> flatten(const std::string& toml) {
  std::map<std::string, std::string> keys;
  std::string section;
  for (std::size_t begin = 0; begin < toml.size();) {
    const std::size_t end = std::min(toml.find('\n', begin), toml.size());
    std::string line = toml.substr(begin, end - begin);
    begin = end + 1;
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '"' && (i == 0 || line[i - 1] != '\\')) quoted = !quoted;
      if (line[i] == '#' && !quoted) line.resize(i);
    }
    line.erase(line.find_last_not_of(" \t\r") + 1);
    const std::size_t equals = line.find(" = ");
    if (line.starts_with("[") && line.ends_with("]")) {
      section = line.substr(1, line.size() - 2) + ".";
    } else if (equals != std::string::npos) {
      keys[section + line.substr(0, equals)] = line.substr(equals + 3);
    }
  }
  return keys;
}

class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}
  const Json& json() const { return json_; }

  // A number that may be absent or null; `path` has dots.
  double number(const std::string& path) const {
    const Json* value = find(path);
    if (value == nullptr || value->is_null()) return kNotStated;
    if (value->is_string() && value->get<std::string>() == "not stated") return kNotStated;
    if (!value->is_number()) wrong(path, value->dump(), "a number or null");
    const double found = value->get<double>();
    if (!std::isfinite(found) || found < 0)
      wrong(path, value->dump(), "a number that is not negative");
    return found;
  }
  // The first of two places that has one.
  double number(const std::string& path, const std::string& else_path) const {
    const double found = number(path);
    return std::isfinite(found) ? found : number(else_path);
  }
  std::string text(const std::string& path) const {
    const Json* value = find(path);
    if (value == nullptr || value->is_null()) return "";
    if (!value->is_string()) wrong(path, value->dump(), "text");
    return value->get<std::string>();
  }
  const Json* find(const std::string& path) const {
    const Json* at = &json_;
    for (std::size_t begin = 0; begin <= path.size();) {
      const std::size_t end = std::min(path.find('.', begin), path.size());
      const std::string key = path.substr(begin, end - begin);
      if (!at->is_object() || !at->contains(key)) return nullptr;
      at = &at->at(key);
      begin = end + 1;
    }
    return at;
  }
  [[noreturn]] void wrong(const std::string& what, const std::string& found,
                          const std::string& wanted) const {
    throw_bad_input({where_, what, found.substr(0, 60), wanted, ""});
  }

 private:
  const Json& json_;
  std::string where_;
};

void check_currency(const Reader& reader) {
  for (const char* key : {"currency", "usd.currency", "price.currency"}) {
    const std::string currency = reader.text(key);
    if (currency.empty() || currency == "USD") continue;
    reader.wrong(key, currency, "USD: dollars do not compare with another currency's figures");
  }
}

// The named parts against their total, where both are there.
void check_sum(const Reader& reader, const std::string& total_path, const std::string& parts_path) {
  const double total = reader.number(total_path);
  const Json* parts = reader.find(parts_path);
  if (!std::isfinite(total) || parts == nullptr || !parts->is_object()) return;
  static const std::set<std::string> kCategoryNames = {
      "compute", "data_wait", "checkpoint", "eval", "start_up", "recomputed", "lost"};
  double sum = 0;
  int n_parts = 0;
  for (const auto& [key, value] : parts->items()) {
    if (!kCategoryNames.contains(key)) continue;
    std::string path = parts_path;
    path += '.';
    sum += reader.number(path.append(key));
    ++n_parts;
  }
  constexpr double kRounding = 1e-3;  // a receipt may print three digits
  if (n_parts < 2 || std::abs(sum - total) <= kRounding * std::max(total, sum)) return;
  reader.wrong(total_path + " contradicts " + parts_path, std::to_string(total),
               "the sum of its categories, " + std::to_string(sum));
}

// One way to say it, so that what is priced alike reads alike.
std::string rent_words(double value, const std::string& unit) {
  return std::isfinite(value) ? fmt::format("rent {} {}", value, unit) : "not stated";
}

std::string book_words(const PriceBook& book) {
  return book.is_owned ? "own, book " + book.name : rent_words(book.rent.value, book.rent.unit);
}

// What an hour cost must give the dollars; where nothing says it, the dollars over the hours do.
void settle_price(Contender& contender) {
  constexpr double kRounding = 1e-3;
  const double usd = contender.end.usd, hours = contender.core_hours;
  const double sum = hours * contender.hour_usd + contender.kwh * contender.kwh_usd;
  if (std::abs(sum - usd) <= kRounding * usd) return;
  contender.kwh = contender.kwh_usd = 0;
  contender.hour_usd = usd > 0 && hours > 0 ? usd / hours : kNotStated;
  if (contender.price != "not stated" || !std::isfinite(contender.hour_usd)) return;
  contender.price = fmt::format("{:.4g} USD per {}-hour, its dollars over its hours",
                                contender.hour_usd, contender.device);
}

// The prices of a receipt of this program, or the hour of anyone's.
void read_price(const Reader& reader, Contender& contender) {
  const std::string basis = reader.text("price.basis");
  contender.price_date = reader.text(basis == "own" ? "price.machine.date" : "price.rent.date");
  if (basis == "own") {
    contender.price = "own, book " + reader.text("price.book");
    contender.hour_usd = reader.number("usd.depreciation") / contender.core_hours;
    contender.kwh_usd = reader.number("price.electricity.value");
    contender.kwh = reader.number("usd.electricity") / contender.kwh_usd;
  } else if (basis == "rent") {
    contender.hour_usd = reader.number("price.rent.value");
    contender.price = rent_words(contender.hour_usd, reader.text("price.rent.unit"));
  } else {
    contender.hour_usd = reader.number("compute.usd_per_device_hour");
    contender.price = rent_words(contender.hour_usd, "USD per " + contender.device + "-hour");
  }
}

bool is_standard(const Reader& reader) {
  const Json* version = reader.find("receipt");
  return version != nullptr && version->is_string() &&
         version->get<std::string>().starts_with("farthing-receipt/");
}

Contender from_receipt(const Reader& reader, Contender contender) {
  contender.kind = "receipt";
  check_sum(reader, "seconds.total", "seconds");
  check_sum(reader, "usd.total", "usd.by_category");
  contender.end = {reader.number("steps"), reader.number("tokens"), reader.number("seconds.total"),
                   reader.number("usd.total", "definitions.final_run.usd"),
                   reader.number("val_bits_per_byte")};
  if (!std::isfinite(contender.end.seconds)) {
    contender.end.seconds = reader.number("compute.training_time_hours") * 3600;
  }
  contender.model_flops = reader.number("model_flops", "compute.training_flops");
  contender.joules = reader.number("joules");
  if (!std::isfinite(contender.joules)) contender.joules = reader.number("energy.kwh") * 3.6e6;
  contender.joules_from_watts = std::isfinite(contender.joules) && !kept_joules(reader.json());
  contender.core_hours = reader.number("core_seconds") / 3600;
  if (!std::isfinite(contender.core_hours)) {
    contender.core_hours = reader.number("compute.device_hours");
  }
  if (const auto device = reader.text("compute.device"); !device.empty()) contender.device = device;
  contender.begun_unix = reader.number("begun_unix");
  read_price(reader, contender);
  if (!std::isfinite(contender.end.usd)) {  // stated are hours and what one cost
    contender.end.usd = contender.core_hours * contender.hour_usd;
  }
  return contender;
}

Contender from_plan(const Reader& reader, Contender contender) {
  contender.kind = "plan";
  double tokens = reader.number("tokens");
  const double days = reader.number("days");
  if (!std::isfinite(tokens)) tokens = reader.number("tokens_per_second") * days * 86400;
  contender.end = {reader.number("steps"), tokens, days * 86400, reader.number("usd.total"),
                   reader.number("bits_per_byte")};
  contender.price = "of the plan";
  contender.price_date = reader.text("usd.date");
  contender.joules = reader.number("energy_joules", "joules");
  contender.name = reader.text("model") + " on " + reader.text("cluster");
  contender.hour_usd = reader.number("usd.usd_per_device_hour");
  // What waits for spot capacity is no hour that is paid.
  contender.core_hours = contender.end.usd / contender.hour_usd;
  if (!std::isfinite(contender.core_hours)) {
    contender.core_hours = reader.number("core_hours", "gpu_hours");
  }
  if (const std::string device = reader.text("usd.device"); !device.empty()) {
    contender.device = device;
    contender.price = rent_words(contender.hour_usd, "USD per " + device + "-hour");
  }
  return contender;
}

}  // namespace

Contender contender_from_run(const ReportInput& input, const std::string& recipe_toml) {
  const Receipt receipt = make_receipt(input);
  Contender contender;
  contender.name = input.name;
  const RunStart& start = input.history.run_start;
  contender.kind = start.simulated ? "simulation" : start.imported ? "import" : "run";
  contender.recipe = flatten(recipe_toml);
  if (!start.device.empty()) contender.device = start.device;
  contender.price = book_words(input.book);
  contender.price_date = input.book.is_owned ? input.book.machine.date : input.book.rent.date;
  contender.model_flops = receipt.ledger.model_flops;
  contender.joules = receipt.cost.joules;
  contender.core_hours = receipt.ledger.core_seconds.total() / 3600;
  contender.hour_usd = input.book.rent.value;
  if (input.book.is_owned) {
    contender.hour_usd = receipt.cost.depreciation_usd / contender.core_hours;
    contender.kwh_usd = input.book.electricity.value;
    contender.kwh = receipt.cost.electricity_usd / contender.kwh_usd;
  }
  contender.end = {static_cast<double>(receipt.ledger.steps),
                   static_cast<double>(receipt.ledger.tokens), receipt.ledger.wall_seconds,
                   receipt.cost.usd, receipt.val_bits_per_byte};
  settle_price(contender);
  if (!input.history.attempts.empty() && input.history.attempts.front().begun_unix > 0) {
    contender.begun_unix = input.history.attempts.front().begun_unix;
  }
  const RunSeries series = make_series(input.history, receipt);
  const auto evals = series.data.find("evals");
  if (evals == series.data.end() || !evals->second.contains("bits_per_byte")) return contender;
  const Columns& columns = evals->second;
  for (std::size_t i = 0; i < columns.at("bits_per_byte").size(); ++i) {
    contender.curve.push_back({columns.at("steps")[i], columns.at("tokens")[i],
                               columns.at("seconds")[i], columns.at("usd")[i],
                               columns.at("bits_per_byte")[i], columns.at("eval_bytes")[i]});
  }
  return contender;
}

void price_again(Contender& contender, const PriceBook& book) {
  if (!(contender.core_hours > 0)) return;
  Usage usage{.seconds = contender.core_hours * 3600, .cores = 1, .joules = {}};
  const bool is_kept = std::isfinite(contender.joules) && !contender.joules_from_watts;
  if (is_kept) usage.joules = contender.joules;
  const Cost cost = cost_of(usage, book);
  if (contender.joules_from_watts) contender.joules = cost.joules;
  const double before = contender.end.usd;
  contender.end.usd = cost.usd;
  for (CurvePoint& point : contender.curve) {
    point.usd = contender.curve.size() == 1 ? cost.usd : point.usd / before * cost.usd;
  }
  contender.kwh = contender.kwh_usd = 0;
  contender.hour_usd = book.rent.value;
  if (book.is_owned) {
    contender.hour_usd = cost.depreciation_usd / contender.core_hours;
    contender.kwh_usd = book.electricity.value;
    contender.kwh = cost.electricity_usd / contender.kwh_usd;
  }
  contender.price = book_words(book);
  contender.price_date = book.is_owned ? book.machine.date : book.rent.date;
}

Contender contender_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) throw_bad_input({where, "no receipt", "not an object", "", ""});
  const Reader reader(json, where);
  check_currency(reader);
  Contender contender;
  contender.name = reader.text("run");
  if (contender.name.empty()) contender.name = where;
  if (json.contains("layout")) {
    contender = from_plan(reader, contender);
  } else if (is_standard(reader) || (json.contains("usd") && json.contains("tokens"))) {
    contender = from_receipt(reader, contender);
  } else {
    throw_bad_input({where, "neither a receipt nor a plan",
                     "no \"receipt\", no \"usd\" with \"tokens\", no \"layout\"",
                     "receipt.json, or what farthing plan --json prints", ""});
  }
  settle_price(contender);
  if (!is_standard(reader) && !std::isfinite(contender.end.tokens) &&
      !std::isfinite(contender.end.usd)) {
    reader.wrong("tokens, usd.total", "neither", "at least one");
  }
  if (std::isfinite(contender.end.bits_per_byte)) contender.curve = {contender.end};
  return contender;
}

}  // namespace farthing
