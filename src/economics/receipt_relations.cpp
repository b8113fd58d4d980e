// receipt_relations.cpp - the tables of receipt_relations.h and the two loops that read them.
#include "economics/receipt_relations.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/calendar.h"
#include "economics/receipt_fields.h"
#include "plan/cluster.h"

namespace farthing {
namespace {

using Pointers = std::vector<std::string>;

// Where the text at `pointer` has `word` in it; always, without one.
struct Condition {
  std::string pointer = {}, word = {};
  bool negated = false;
};

// figure = scale * (product of times) / (product of over)
struct Relation {
  std::string figure;
  double scale = 1;
  Pointers times, over = {};
  double share = 0;  // forgiven besides the rounding of the figures
  Condition when = {};
};

// low <= scale * (product of times) / (product of over) <= high
struct Bound {
  std::string figure;  // of the message
  double scale;
  Pointers times, over;
  double low, high;
  std::string what;  // the product's name and unit
  Condition when = {};
};

// total = sum of parts
struct Sum {
  std::string total;
  Pointers parts;
  std::string words = {};  // for the parts, where they are many
  double share = 0;
};

constexpr double kMostRoom = 0.005;
constexpr double kNoLimit = std::numeric_limits<double>::infinity();

const std::vector<Relation>& relations() {
  static const std::vector<Relation> kRelations = {
      // Anyone's.
      {"/definitions/final_run/usd",
       1,
       {"/compute/device_hours", "/compute/usd_per_device_hour"},
       {},
       0.01},
      // This program's own keys.
      {"/tokens_per_second", 1, {"/tokens"}, {"/seconds/total"}},
      {"/compute/training_time_hours", 1 / 3600.0, {"/seconds/total"}},
      {"/compute/device_hours", 1 / 3600.0, {"/core_seconds"}},
      {"/compute/training_flops", 1, {"/model_flops"}},
      {"/energy/kwh", 1 / 3.6e6, {"/joules"}},
      {"/share_of_fp32_peak", 1, {"/model_flops"}, {"/seconds/compute", "/fp32_peak_flops"}},
      {"/usd/per_million_tokens", 1e6, {"/usd/total"}, {"/tokens"}},
      {"/usd/rented", 1, {"/compute/device_hours", "/price/rent/value"}},
      {"/usd/electricity",
       1 / 3.6e6,
       {"/joules", "/price/cooling/value", "/price/electricity/value"}},
      {"/usd/depreciation",
       1 / (3600 * kHoursPerYear),
       {"/core_seconds", "/price/machine/value"},
       {"/price/machine/years", "/price/machine/busy_share", "/price/machine/cores"}},
      {"/usd/total", 1, {"/usd/rented"}, {}, 0, {"/price/basis", "rent"}},
      {"/usd/total", 1, {"/usd/owned"}, {}, 0, {"/price/basis", "own"}},
      {"/farthings", 960, {"/usd/total"}, {"/price/sterling/value"}},
      {"/compute/usd_per_device_hour", 1, {"/price/rent/value"}},
      {"/energy/pue", 1, {"/price/cooling/value"}},
      {"/plan_and_actual/joules/measured", 1, {"/joules"}},
      {"/joules",
       1,
       {"/core_seconds", "/price/power/value"},
       {"/price/machine/cores"},
       0,
       {"/energy/basis", "estimated"}},
  };
  return kRelations;
}

const std::vector<Bound>& bounds() {
  static const Condition kCore = {"/compute/device", "core"};
  static const Condition kNoCore = {"/compute/device", "core", true};
  static const std::vector<Bound> kBounds = {
      {"/compute/device_hours",
       1,
       {"/compute/device_hours"},
       {"/compute/training_time_hours", "/compute/devices"},
       0.5,
       1.001,
       "hours of a device in an hour"},
      {"/energy/kwh", 1e3, {"/energy/kwh"}, {"/compute/device_hours"}, 0.1, 500, "W a core", kCore},
      {"/energy/kwh",
       1e3,
       {"/energy/kwh"},
       {"/compute/device_hours"},
       20,
       5000,
       "W a device",
       kNoCore},
      {"/energy/pue", 1, {"/energy/pue"}, {}, 1, kNoLimit, "energy of the site over the machines'"},
      {"/core_seconds", 1, {"/core_seconds"}, {"/seconds/total"}, 0.999, 1e7, "cores at work"},
      {"/steps", 1, {"/tokens"}, {"/steps"}, 1, kNoLimit, "tokens a step"},
      {"/steps", 1, {"/steps"}, {"/tokens"}, 1e-15, 1, "steps a token"},
      {"/attempts", 1, {"/attempts"}, {}, 1, 1e6, "attempts of a run"},
      // A guess among 200,000 tokens costs 12 nats, one of bytes 8 bits.
      {"/final_loss", 1, {"/final_loss"}, {}, 0, 100, "nats a token"},
      {"/val_bits_per_byte", 1, {"/val_bits_per_byte"}, {}, 0, 100, "bits a byte"},
      {"/share_of_fp32_peak",
       1,
       {"/share_of_fp32_peak"},
       {},
       0,
       1.25,
       "of the FP32 peak by FP32 arithmetic",
       {"/precision", "fp32"}},
      // AMX multiplies BF16 at 16 times the FP32 rate of the same core.
      {"/share_of_fp32_peak", 1, {"/share_of_fp32_peak"}, {}, 0, 16, "of the FP32 peak"},
      {"/share_of_fp32_peak",
       1,
       {"/model_flops", "/seconds/total"},
       {"/seconds/compute", "/share_of_fp32_peak", "/core_seconds"},
       1e8,
       1e12,
       "FLOP/s as the FP32 peak of a core",
       kCore},
  };
  return kBounds;
}

// "NVIDIA H100 PCIe" as the device book would write it.
std::string as_name(const std::string& words) {
  std::string name;
  for (const char c : words) {
    const bool is_space = c == ' ' || c == '_' || c == '/';
    name += is_space ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

bool has_word(const std::string& text, const std::string& word) {
  const std::string framed = "-" + text + "-";
  return framed.find("-" + word + "-") != std::string::npos;
}

double sheet_peak(const Device& device) {
  double peak = 0;
  for (const Figure* each :
       {&device.fp32_peak, &device.bf16_peak, &device.fp8_peak, &device.fp4_peak}) {
    if (each->is_known()) peak = std::max(peak, each->value);
  }
  return peak;
}

// The largest dense peak on the sheet of the device that `words` names, of several the largest;
// where the device book knows none of them, more than any device has.
Bound most_flops(const std::string& words) {
  const std::string name = as_name(words);
  const std::vector<std::string> known = list_devices();
  const bool is_exact = std::find(known.begin(), known.end(), name) != known.end();
  double peak = 0;
  for (const auto& each : known) {
    const bool is_meant = is_exact ? each == name : has_word(name, each);
    if (is_meant) peak = std::max(peak, sheet_peak(load_device(each)));
  }
  return {"/compute/training_flops",
          1 / 3600.0,
          {"/compute/training_flops"},
          {"/compute/device_hours"},
          0,
          peak > 0 ? peak : 1e17,
          peak > 0 ? "FLOP/s of one " + words + ", by its sheet" : "FLOP/s of one device"};
}

class RelationCheck : ReceiptFields {
 public:
  explicit RelationCheck(const Json& receipt) : ReceiptFields(receipt) {}

  std::vector<Finding> check() {
    for (const Sum& sum : sums()) check_sum(sum);
    for (const Relation& relation : relations()) check_relation(relation);
    for (const Relation& relation : listed_prices()) check_relation(relation);
    for (const Relation& relation : rented()) check_relation(relation);
    for (const Relation& relation : shares()) check_relation(relation);
    for (const Bound& bound : bounds()) check_bound(bound);
    check_bound(most_flops(text("/compute/device")));
    return std::move(found_);
  }
  // After check(): every number of the receipt that no row held.
  std::vector<std::string> unheld() const {
    std::vector<std::string> names;
    const Json flat = receipt_.flatten();
    for (const auto& [pointer, value] : flat.items()) {
      if (value.is_number() && !held_.contains(pointer)) names.push_back(dotted(pointer));
    }
    return names;
  }

 private:
  bool holds(const Condition& condition) const {
    if (condition.pointer.empty()) return true;
    const bool has = text(condition.pointer).find(condition.word) != std::string::npos;
    return has != condition.negated;
  }

  // Half a unit of the last digit that the figure shows; a price is what it says.
  double room(const std::string& pointer) const {
    if (pointer.starts_with("/price/")) return 0;
    const Json& value = *at(pointer);
    const double number = std::abs(value.get<double>());
    if (value.is_number_integer()) return std::min(0.5, kMostRoom * number);
    const std::string digits = fmt::format("{:e}", number);
    const std::string shown = fmt::format("{}", number);  // the shortest that reads back the same
    int n = 0, trailing = 0;
    for (const char c : shown.substr(0, shown.find('e'))) {
      if (c < '0' || c > '9' || (n == 0 && c == '0')) continue;
      ++n, trailing = c == '0' ? trailing + 1 : 0;
    }
    const int exponent = std::atoi(digits.substr(digits.find('e') + 1).c_str());
    return std::min(0.5 * std::pow(10.0, exponent - (n - trailing) + 1), kMostRoom * number);
  }
  double room_share(const std::string& pointer) const {
    const double value = std::abs(*number(pointer));
    return value > 0 ? room(pointer) / value : 0;
  }

  static std::string dotted(const std::string& pointer) {
    std::string name = pointer.substr(1);
    std::replace(name.begin(), name.end(), '/', '.');
    return name;
  }
  // "usd.total (0.0010025)"
  std::string named(const std::string& pointer) const {
    return fmt::format("{} ({:.10g})", dotted(pointer), *number(pointer));
  }
  void hold(const std::string& figure, const Pointers& others) {
    held_.insert(figure), held_.insert(others.begin(), others.end());
  }
  // "1e+06 x usd.total (0.0010025) / tokens (40960)"
  std::string product_words(double scale, const Pointers& times, const Pointers& over) const {
    std::string words = scale > 1 ? fmt::format("{:.10g} x ", scale) : "";
    for (std::size_t i = 0; i < times.size(); ++i) words += (i > 0 ? " x " : "") + named(times[i]);
    for (const auto& each : over) words += " / " + named(each);
    return words + (scale < 1 ? fmt::format(" / {:.10g}", 1 / scale) : "");
  }
  bool are_stated(const Pointers& pointers) const {
    return std::all_of(pointers.begin(), pointers.end(),
                       [&](const std::string& each) { return number(each).has_value(); });
  }
  double product(double scale, const Pointers& times, const Pointers& over) const {
    for (const auto& each : times) scale *= *number(each);
    for (const auto& each : over) scale /= *number(each);
    return scale;
  }

  void differ(const std::string& figure, double wanted, double forgiven, const std::string& words) {
    const double found = *number(figure);
    if (!std::isfinite(wanted) || std::abs(found - wanted) <= forgiven) return;
    const bool alike = fmt::format("{:.6g}", found) == fmt::format("{:.6g}", wanted);
    found_.push_back({figure, alike
                                  ? fmt::format("{:.15g}, but {} is {:.15g}", found, words, wanted)
                                  : fmt::format("{:.6g}, but {} is {:.6g}", found, words, wanted)});
  }
  void check_relation(const Relation& relation) {
    const bool is_held = holds(relation.when) && number(relation.figure) &&
                         are_stated(relation.times) && are_stated(relation.over);
    if (!is_held) return;
    hold(relation.figure, relation.times), hold(relation.figure, relation.over);
    const double wanted = product(relation.scale, relation.times, relation.over);
    double share = relation.share + 1e-9;
    for (const auto* pointers : {&relation.times, &relation.over}) {
      for (const auto& each : *pointers) share += room_share(each);
    }
    differ(relation.figure, wanted, room(relation.figure) + share * std::abs(wanted),
           product_words(relation.scale, relation.times, relation.over));
  }
  void check_bound(const Bound& bound) {
    if (!holds(bound.when) || !are_stated(bound.times) || !are_stated(bound.over)) return;
    const double value = product(bound.scale, bound.times, bound.over);
    if (!std::isfinite(value) || value < 0) return;  // below zero is the schema's matter
    if (value >= bound.low && value <= bound.high) return;
    const std::string wanted = std::isinf(bound.high)
                                   ? fmt::format("at least {:g}", bound.low)
                                   : fmt::format("{:g} to {:g}", bound.low, bound.high);
    found_.push_back({bound.figure, fmt::format("{} is {:.6g} {}, wanted {}",
                                                product_words(bound.scale, bound.times, bound.over),
                                                value, bound.what, wanted)});
  }
  void check_sum(const Sum& sum) {
    const bool is_held = number(sum.total) && !sum.parts.empty() && are_stated(sum.parts);
    if (!is_held) return;
    hold(sum.total, sum.parts);
    double wanted = 0, forgiven = room(sum.total);
    std::string words;
    for (const auto& part : sum.parts) {
      wanted += *number(part), forgiven += room(part);
      words += (words.empty() ? "" : " + ") + named(part);
    }
    differ(sum.total, wanted, forgiven + (sum.share + 1e-9) * std::abs(wanted),
           sum.words.empty() ? words : sum.words);
  }

  // The same price, in the standard's list and among this program's own keys.
  std::vector<Relation> listed_prices() const {
    static const std::vector<std::pair<std::string, std::string>> kItems = {
        {"machine", "/price/machine/value"},
        {"power", "/price/power/value"},
        {"cooling", "/price/cooling/value"},
        {"electricity", "/price/electricity/value"}};
    const std::string device = text("/compute/device");
    std::vector<Relation> relations;
    const Json* prices = at("/prices");
    for (std::size_t i = 0; prices != nullptr && prices->is_array() && i < prices->size(); ++i) {
      const std::string where = fmt::format("/prices/{}", i), item = text(where + "/item");
      const auto known = std::find_if(kItems.begin(), kItems.end(),
                                      [&](const auto& each) { return each.first == item; });
      if (known != kItems.end()) relations.push_back({where + "/value", 1, {known->second}});
      const bool is_hour = text(where + "/unit") == "USD/h" && item == device;
      if (is_hour || item == device + "-hour") {
        relations.push_back({"/compute/usd_per_device_hour", 1, {where + "/value"}, {}, 0.001});
      }
    }
    return relations;
  }

  // usd.total is the run's: of one that was rented, its device-hours at the rent.  Without a basis
  // one is rented that states nothing of an owner's.
  std::vector<Relation> rented() const {
    const std::string basis = text("/price/basis");
    bool is_owned = basis == "own";
    for (const char* owners : {"/usd/owned", "/usd/depreciation", "/usd/electricity"}) {
      is_owned = is_owned || (basis.empty() && number(owners));
    }
    if (is_owned) return {};
    const bool has_rent = number("/price/rent/value").has_value();
    std::vector<Relation> relations = {
        {"/usd/total",
         1,
         {"/compute/device_hours", has_rent ? "/price/rent/value" : "/compute/usd_per_device_hour"},
         {},
         has_rent ? 0 : 0.01}};
    if (text("/purpose") == "final") {
      relations.push_back({"/definitions/final_run/usd", 1, {"/usd/total"}, {}, 0.01});
    }
    return relations;
  }

  // A category's dollars are its share of the core-seconds: of the seconds, where one attempt had
  // one number of cores; nothing of no time.
  std::vector<Relation> shares() const {
    std::vector<Relation> relations;
    if (!number("/core_seconds")) return relations;
    for (const auto& usd : keys_of("/usd/by_category")) {
      const std::string seconds = "/seconds" + usd.substr(usd.rfind('/'));
      const auto spent = number(seconds);
      if (!spent || (*spent > 0 && number("/attempts") != 1.0)) continue;
      relations.push_back({usd, 1, {"/usd/total", seconds}, {"/seconds/total"}, 1e-6});
    }
    return relations;
  }

  Pointers keys_of(const std::string& object) const {
    Pointers pointers;
    const Json* values = at(object);
    for (std::size_t i = 0; values != nullptr && values->is_array() && i < values->size(); ++i) {
      pointers.push_back(fmt::format("{}/{}/usd", object, i));
    }
    if (values == nullptr || !values->is_object()) return pointers;
    for (const auto& [key, value] : values->items()) {
      const bool is_plain = key.find_first_of("~/") == std::string::npos;
      if (key != "total" && is_plain && value.is_number()) {
        pointers.push_back(fmt::format("{}/{}", object, key));
      }
    }
    return pointers;
  }
  std::vector<Sum> sums() const {
    std::vector<Sum> sums = {
        {"/seconds/total", keys_of("/seconds"), "the sum of its categories"},
        {"/usd/total", keys_of("/usd/by_category"), "the sum of usd.by_category"},
        {"/usd/owned", {"/usd/depreciation", "/usd/electricity"}}};
    for (const char* name :
         {"final_run", "all_runs", "research_and_development", "programme", "amortised"}) {
      std::string where = "/definitions/";
      where += name;
      sums.push_back({where + "/usd", keys_of(where + "/parts"), "the sum of its parts", 0.005});
    }
    return sums;
  }

  std::vector<Finding> found_;
  std::set<std::string> held_;
};

}  // namespace

std::vector<Finding> check_relations(const Json& receipt) { return RelationCheck(receipt).check(); }

std::vector<std::string> unheld_figures(const Json& receipt) {
  RelationCheck check(receipt);
  check.check();
  return check.unheld();
}

}  // namespace farthing
